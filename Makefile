# Everything happens in .venv; each target sets up what it needs and is quick to repeat.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
NATIVE  := $(wildcard $(foreach d,lammps/plugin kernels/native,mliap_hybrid/$(d)/*.cpp mliap_hybrid/$(d)/*.h))
TORCH   := torch==2.13.0
# One thread a process: two test processes or two MPI ranks share the machine.
export OMP_NUM_THREADS ?= 1
WORKERS := 2
# Python compiles the modules that are imported, when they are: most of those of torch never are. It has to be allowed to
# keep them: some thousand processes of the tests import torch.
export PYTHONDONTWRITEBYTECODE :=
PIP     := $(BIN)/python -m pip install --quiet --no-compile

.PHONY: demo test test-slow faults fuzz lint docs bench clean

demo: $(VENV)/installed  ## train on NaCl, export, check, run MD on two ranks, plot
	$(BIN)/python training/nacl/demo.py

test: $(VENV)/tested lint  ## the fast tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

test-slow: $(VENV)/tested  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

faults: $(VENV)/tested  ## runs that go wrong elsewhere, on 1, 2 and 4 ranks (docs/faults.md)
	$(BIN)/python tests/faults/run.py $(if $(TABLE),--table $(TABLE))

fuzz: $(VENV)/tested  ## damaged input of all kinds, at most ten minutes; SEED=N or SEED=random for other cases
	$(BIN)/python tests/fuzz/run.py $(if $(filter random,$(SEED)),--random-seed,$(if $(SEED),--seed $(SEED)))

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/documented  ## the site, build/docs/index.html; warnings are errors
	$(BIN)/python -m sphinx -b html -E -q -W --keep-going docs build/docs
	@echo docs ok

bench: $(VENV)/installed
	for script in $(filter-out benchmarks/gpu.py, $(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The CPU build of torch comes first: a plain range would fetch several GB of CUDA libraries.
$(VENV)/installed: $(VENV)/bin/python pyproject.toml setup.py $(NATIVE)
	$(PIP) --upgrade pip
	$(PIP) $(TORCH)
	$(PIP) --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(PIP) --group test
	touch $@

# Names of the testing kit are documented, too: hence all that tests need.
$(VENV)/documented: $(VENV)/tested
	$(PIP) --group docs
	touch $@

clean:
	rm -rf $(VENV) build runs docs/api docs/settings docs/examples/*.md *.egg-info mliap_hybrid/lammps/plugin/*.so mliap_hybrid/kernels/native/*.so
