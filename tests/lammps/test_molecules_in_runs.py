"""Kernel models of molecules in LAMMPS: the numbers of Python on any number of ranks, and clear words where refused."""

import numpy as np
import pytest
import torch
from lammps_runs import run, run_well

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.lammps.check import check_models
from mliap_hybrid.lammps.data_file import in_lammps_orientation
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.testing.gdml_molecules import ammonia, as_frames, box_of_ammonia, molecule_model

MASSES = "mass 1 1.008\nmass 2 14.007\n"
POTENTIAL = "pair_style mliap unified model.pt 0\npair_coeff * * H N\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("molecules")
    export_model(molecule_model(), folder / "model.pt")
    return folder


@pytest.fixture
def here(folder, tmp_path):
    (tmp_path / "model.pt").write_bytes((folder / "model.pt").read_bytes())
    return tmp_path


def network_model(baseline, *explicit):
    """A network on native kernels for what is between the molecules."""
    features = GaussianMultipoles(orders=(0, 1), widths=(0.6, 1.2), cutoff=5.0, elements=(1, 7), table="gth-pbe")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AtomicNetwork(features.n_features, [8], 2)
    return standard_model(features, baseline, network, explicit=explicit).double().eval()


def beside_a_network():
    return network_model({1: -3.0, 7: -50.0}, molecule_model().term(MoleculeTerm))


MODELS = {
    "alone": molecule_model,
    "with charges": lambda: molecule_model({1: 0.2, 7: -0.6}),
    "beside a network": beside_a_network,
}


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory):
    """Model -> LAMMPS on 1, 2 and 4 ranks, whose borders cut molecules, with Python; with charges also beside PPPM."""
    folder = tmp_path_factory.mktemp("models")
    for name, make in MODELS.items():
        export_model(make(), folder / f"{name.replace(' ', '_')}.pt")
    cases = [(folder / f"{name.replace(' ', '_')}.pt", box_of_ammonia(9)) for name in MODELS]
    return dict(zip(MODELS, check_models(cases, ranks=(1, 2, 4)), strict=True))


@pytest.mark.mpi
@pytest.mark.parametrize("model", MODELS)
def test_lammps_says_what_python_says(comparisons, model):
    assert len(comparisons[model]) == (36 if model == "with charges" else 18)
    for comparison in comparisons[model]:
        assert comparison.ok, comparison
        assert model != "alone" or comparison.difference < 1e-9


def test_molecules_beside_a_network():
    models = beside_a_network(), network_model({1: 0.0, 7: 0.0}), molecule_model()
    batch = frame_to_batch(box_of_ammonia(9), 5.0)
    both, alone, kernel = (float(predict(model, batch).energies[0]) for model in models)
    assert both == pytest.approx(alone + kernel, abs=1e-8)
    assert abs(alone) > 0.1


def data_file(atoms, ids, molecules=None):
    """A data file of H (type 1) and N (type 2) with these atom IDs, and molecule IDs if given."""
    cell = atoms.cell.array
    lines = ["molecules", "", f"{len(atoms)} atoms", "2 atom types", ""]
    lines += [f"0.0 {cell[k, k]:.17g} {axis}lo {axis}hi" for k, axis in enumerate("xyz")]
    lines += [f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz", "", "Atoms", ""]
    for k, (number, position) in enumerate(zip(atoms.numbers, atoms.positions, strict=True)):
        of_molecule = "" if molecules is None else f" {molecules[k]}"
        lines.append(f"{ids[k]}{of_molecule} {1 if number == 1 else 2} " + " ".join(f"{x:.17g}" for x in position))
    return "\n".join(lines) + "\n"


def lines_of(style, extra=""):
    return (
        f"units metal\natom_style {style}\natom_modify map array\nread_data data\n{MASSES}{extra}{POTENTIAL}"
        "dump f all custom 1 atoms.dump id fx fy fz\ndump_modify f sort id format float %.17g\n"
        "thermo_modify format float %.17g\nrun 0\n"
    )


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 2])
def test_molecule_ids_tell_molecules_whose_tags_are_mixed(here, ranks):
    atoms = in_lammps_orientation(box_of_ammonia(5))
    index = np.arange(20)
    ids, molecules = 5 * (index % 4) + index // 4 + 1, index // 4 + 1  # 1 belongs to molecule 1, 2 to molecule 2, ...
    (here / "data").write_text(data_file(atoms, ids, molecules))
    done = run_well(here, lines_of("bond", "bond_style none\n"), ranks)
    expected = predict(molecule_model(), frame_to_batch(atoms, 5.0))
    assert done.thermo[0]["E_pair"] == pytest.approx(float(expected.energies[0]), abs=1e-8)
    frame = done.frames()[0]
    found = np.stack([frame["fx"], frame["fy"], frame["fz"]], axis=1)[ids - 1]
    np.testing.assert_allclose(found, expected.forces, atol=1e-8)


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("ranks", "order", "style", "extra", "message"),
    [
        (2, [0, 1, 2, 3, 5, 4, 6, 7], "atomic", "", "molecule of atom 5 is, by the IDs of its atoms, H N H H"),
        (2, [0, 1, 2, 3, 4, 5, 6], "atomic", "", "has 3 atoms within the cutoff, expected 4"),
        (1, range(8), "bond", "bond_style none\n", "has the molecule ID 0"),
        (1, range(8), "atomic", "neigh_modify exclude type 1 1\n", "neigh_modify exclude hides pairs of types 1 and 1"),
    ],
    ids=["order", "a missing atom", "no molecule ID", "exclusions"],
)
def test_what_is_not_a_molecule_stops_the_run(here, ranks, order, style, extra, message):
    atoms = in_lammps_orientation(box_of_ammonia(2))[list(order)]
    molecules = None if style == "atomic" else [0] * len(atoms)
    (here / "data").write_text(data_file(atoms, np.arange(len(atoms)) + 1, molecules))
    done = run(here, lines_of(style, extra), ranks)
    assert done.status != 0
    assert message in done.text
    assert "Traceback" not in done.text


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 2])
def test_a_molecule_in_vacuum_keeps_its_energy(here, ranks):
    """Without periodicity; on two ranks, the border between them goes through the molecule."""
    atoms = as_frames(ammonia(1))[0].atoms
    atoms.center(vacuum=8.0)
    lines = "units metal\nboundary f f f\natom_style atomic\natom_modify map array\nregion box block "
    lines += " ".join(f"0 {edge:.3f}" for edge in atoms.cell.lengths()) + "\ncreate_box 2 box\n"
    for number, position in zip(atoms.numbers, atoms.positions, strict=True):
        lines += f"create_atoms {1 if number == 1 else 2} single " + " ".join(f"{x:.17g}" for x in position) + "\n"
    lines += f"{MASSES}{POTENTIAL}timestep 0.0002\nvelocity all create 300 7 rot yes\nfix move all nve\n"
    lines += "thermo 30\nthermo_style custom step etotal ke pe\nthermo_modify format float %.17g\nrun 600\n"
    rows = run_well(here, lines, ranks).thermo
    energies = [row["TotEng"] for row in rows]
    kinetic = [row["KinEng"] for row in rows]
    assert np.ptp(kinetic) > 0.05
    assert np.ptp(energies) < 0.02 * np.ptp(kinetic)
