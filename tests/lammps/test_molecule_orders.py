"""Molecules whose atoms come in any order, in runs: all ranks agree, also later, and what is inserted is looked at."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.molecule_orders import RunOrders
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.sgdml.closed_form import model_of_molecules
from mliap_hybrid.structure import AtomTags, Geometry
from mliap_hybrid.testing.gdml_molecules import shuffled
from mliap_hybrid.testing.mliap_data import PluginData
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.units import KCAL_PER_MOL

FIXTURE = "fixtures/gdml_ethanol.npz"


@pytest.fixture(scope="module")
def arrays(pytestconfig):
    return dict(np.load(pytestconfig.rootpath / "tests" / FIXTURE))


@pytest.fixture(scope="module")
def kernel(arrays):
    return GDMLModel(
        numbers=torch.tensor(arrays["z"]),
        sigma=float(arrays["forces_sig"]),
        descriptors=torch.tensor(arrays["forces_R_desc"].T.copy()),
        weights=torch.tensor(arrays["forces_R_d_desc_alpha"] * arrays["forces_std"]) * KCAL_PER_MOL,
        permutations=torch.tensor(arrays["forces_perms"]),
    )


@pytest.fixture(scope="module")
def box(arrays):
    """Five molecules, each shuffled in its own way."""
    places = np.array([[1, 1, 1], [9, 1, 1], [1, 9, 1], [1, 1, 9], [9, 9, 9]])
    positions = (arrays["R"][-5:] + places[:, None]).reshape(-1, 3)
    return shuffled(Atoms(np.tile(arrays["z"], 5), positions, cell=[17.0] * 3, pbc=True), 9, seed=1)


@pytest.mark.mpi
def test_lammps_says_what_python_says(tmp_path, kernel, box):
    """On 1, 2 and 4 ranks, whose borders cut molecules."""
    path = tmp_path / "model.pt"
    export_model(model_of_molecules(kernel, 7.0), path)
    for comparison in check_model(path, ranks=(1, 2, 4), atoms=box[0]):
        assert comparison.ok, comparison
        assert comparison.difference < 1e-8


@pytest.mark.parametrize("n_ranks", [1, 3])
def test_ranks_sum_up_to_the_molecules_in_the_order_of_training(tmp_path, kernel, box, n_ranks):
    model = model_of_molecules(kernel, 7.0)
    export_model(model, tmp_path / "model.pt")
    mixed, order = box
    unified = open_unified(str(tmp_path / "model.pt"))
    in_order = mixed[np.argsort(order)]
    expected = kernel.predict(torch.tensor(in_order.positions.reshape(5, 9, 3)))
    owner = np.random.default_rng(0).integers(n_ranks, size=len(mixed))
    energy, forces = 0.0, np.zeros((len(mixed), 3))
    for rank in range(n_ranks):
        data = PluginData(rank_arrays(mixed, 7.0, unified.element_types, np.flatnonzero(owner == rank)), mixed)
        unified.compute_forces(data)
        share, _, of_rank, _ = data.result(len(mixed))
        energy, forces = energy + share, forces + of_rank
    assert energy == pytest.approx(float(expected.energies.sum()), abs=1e-8)
    np.testing.assert_allclose(forces, expected.forces.reshape(-1, 3)[order], atol=1e-7)


class Ranks:
    """A communicator of two ranks: this one, and one that has found what is given."""

    def __init__(self, other=({}, -1)):
        self.other = other
        self.n_gathers = 0

    def Get_size(self):  # as mpi4py
        return 2

    def allgather(self, mine):
        self.n_gathers += 1
        return [mine, self.other]


def _geometry(atoms, tags=None):
    batch = frame_to_batch(atoms, 7.0)
    geometry = batch.geometry()
    if tags is None:
        return geometry
    fields = {name: getattr(geometry, name) for name in ("centre_numbers", "neighbour_numbers", "pair_i")}
    return Geometry(**fields, pair_vectors=geometry.pair_vectors, tags=AtomTags(tags, tags[batch.pair_j]))


def test_a_run_keeps_its_orders_until_another_begins(kernel, box):
    term, mixed = MoleculeTerm(kernel), box[0]
    term.orders = orders = RunOrders(term)
    comm = Ranks()
    orders.begin(SimpleNamespace(step=10, comm=comm), _geometry(mixed))
    n_asked = term.order.n_reordered
    assert n_asked > 0
    energies = [float(term.energies_and_gradients(_geometry(mixed))[0].sum())]
    for step in (11, 12):
        orders.begin(SimpleNamespace(step=step, comm=comm), _geometry(mixed))
        energies.append(float(term.energies_and_gradients(_geometry(mixed))[0].sum()))
    assert (comm.n_gathers, term.order.n_reordered) == (1, n_asked)
    assert energies == [energies[0]] * 3
    orders.begin(SimpleNamespace(step=12, comm=comm), _geometry(mixed))  # `run` again, at the same step
    assert (comm.n_gathers, term.order.n_reordered) == (2, 2 * n_asked)


def test_a_molecule_that_moves_here_keeps_the_order_that_its_rank_has_found(kernel, box):
    """This rank never saw it before, and takes the places from the other one."""
    mixed = box[0]
    alone = MoleculeTerm(kernel)
    expected = float(alone.energies_and_gradients(_geometry(mixed[9:18]))[0].sum())
    places = alone.order.places(torch.tensor(mixed.positions[9:18])[None], np.array([9]))[0].tolist()
    term = MoleculeTerm(kernel)
    term.orders = orders = RunOrders(term)
    orders.begin(SimpleNamespace(step=0, comm=Ranks(({9: places}, 44))), _geometry(mixed[:9]))
    n_asked = term.order.n_reordered
    found, _ = term.energies_and_gradients(_geometry(mixed[9:18], torch.arange(9, 18)))
    assert float(found.sum()) == pytest.approx(expected, abs=1e-9)
    assert term.order.n_reordered == n_asked


def test_a_molecule_that_is_inserted_must_have_the_order_of_training(kernel, box):
    mixed, order = box
    term = MoleculeTerm(kernel)
    term.orders = orders = RunOrders(term)
    orders.begin(SimpleNamespace(step=0, comm=Ranks()), _geometry(mixed[:9]))
    later = torch.arange(9, 18)
    in_order = mixed[np.argsort(order)][9:18]
    expected = float(kernel.predict(torch.tensor(in_order.positions)[None]).energies[0])
    energies, _ = term.energies_and_gradients(_geometry(in_order, later))
    assert float(energies.sum()) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(InputError, match="molecule of atom 10 was inserted during the run"):
        term.energies_and_gradients(_geometry(mixed[9:18], later))
