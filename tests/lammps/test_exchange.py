"""Exchange between atoms and ghosts, and `Ranks`, on stand-ins for all data objects: one call for all."""

import numpy as np
import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.bridge_api import Model, Step
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.lammps.instance_data import InstanceData
from mliap_hybrid.lammps.ranks import Ranks
from mliap_hybrid.testing.lammps_instance import StandInInstance
from mliap_hybrid.testing.mliap_data import KokkosData, PluginData, UpstreamData
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import random_structure

CUTOFF = 6.0  # Å
KINDS = ["plugin", "connected", "kokkos", "kokkos connected"]
if torch.cuda.is_available():
    KINDS += ["kokkos-gpu", "kokkos-gpu connected"]


@pytest.fixture(scope="module")
def atoms():
    """A cell in which atoms have several images of one another, and of themselves, as neighbours."""
    return random_structure(10, ["Na", "Cl"], np.array([[7.4, 0.0, 0.0], [1.2, 7.2, 0.0], [-0.8, 1.4, 7.6]]), 5)


@pytest.fixture(scope="module")
def arrays(atoms):
    arrays = rank_arrays(atoms, CUTOFF, ["Na", "Cl"], owned=[3, 7, 0, 1, 9, 2, 8, 4, 6, 5])
    assert np.bincount(arrays.owner).min() > 4, "owners with several ghosts"
    return arrays


def make_data(kind, arrays, atoms):
    if kind == "plugin":
        return PluginData(arrays, atoms)
    if kind == "connected":
        return InstanceData(UpstreamData(arrays), StandInInstance(arrays, atoms))
    gpu = "gpu" in kind
    data = KokkosData(arrays, "cuda" if gpu else "cpu")
    return InstanceData(data, StandInInstance(arrays, atoms, gpus=int(gpu))) if "connected" in kind else data


@pytest.fixture(params=KINDS)
def data(request, arrays, atoms):
    return make_data(request.param, arrays, atoms)


@pytest.fixture
def device(request):
    return "cuda" if "gpu" in request.node.name else "cpu"


def random_rows(*shape, device="cpu", dtype=torch.float64):
    return torch.randn(*shape, generator=torch.manual_seed(3), dtype=torch.float64).to(device, dtype)


class TestExchange:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    @pytest.mark.parametrize("k", [1, 3])
    def test_the_same_call_with_tensors(self, data, arrays, device, k, dtype):
        """As models of other makers call it: in another tensor, of single precision, too."""
        owner = np.argsort(arrays.owner[: arrays.nlocal])[arrays.owner]  # (n_total,): local index of the owner
        u = random_rows(arrays.owner.size, k, device=device, dtype=dtype)
        forward, reverse = torch.full_like(u, np.nan), torch.full_like(u, np.nan)
        data.forward_exchange(u, forward, k)
        data.reverse_exchange(u, reverse, k)
        assert torch.equal(forward, u[owner])
        expected = np.zeros(u.shape)
        np.add.at(expected, owner, u.cpu().double().numpy())
        tolerance = 1e-14 if dtype is torch.float64 else 1e-6
        np.testing.assert_allclose(reverse.cpu().numpy(), expected, atol=10 * tolerance)
        assert not reverse[arrays.nlocal :].any()

    @pytest.mark.parametrize("kind", ["plugin", "connected"])
    def test_numpy_arrays_and_in_place(self, kind, arrays, atoms):
        data = make_data(kind, arrays, atoms)
        u = random_rows(len(arrays.owner), 2).numpy()
        expected = np.empty_like(u)
        data.forward_exchange(u, expected, 2)
        data.forward_exchange(u, u, 2)
        np.testing.assert_array_equal(u, expected)

    def test_device_arrays_go_to_lammps_as_they_are(self, arrays, atoms):
        """On a GPU a connection changes nothing: neither atom IDs are asked for nor memory of the processor."""
        data = InstanceData(KokkosData(arrays), StandInInstance(arrays, atoms, gpus=1))
        u = random_rows(len(arrays.owner), 3)
        expected, found = torch.empty_like(u), torch.empty_like(u)
        KokkosData(arrays).forward_exchange(u, expected, 3)
        data.forward_exchange(u, found, 3)
        assert torch.equal(found, expected)

    @pytest.mark.parametrize(
        ("copy_from", "copy_to", "error", "message"),
        [
            (np.zeros((3, 2)), np.zeros(3), ValueError, r"expects copy_to of shape \(3, 2\), found \(3,\)"),
            (np.zeros((2, 2)), np.zeros((3, 2)), ValueError, r"expects copy_from of shape \(3, 2\), found \(2, 2\)"),
            (np.zeros(()), np.zeros((3, 2)), ValueError, r"expects copy_from of shape \(3, 2\), found \(\)"),
            (np.zeros((3, 2)), np.zeros((2, 3)).T, ValueError, "expects copy_to without gaps in memory"),
            (np.zeros((3, 2), int), np.zeros((3, 2)), TypeError, "copy_from of float64 or float32, found int64"),
            (np.zeros((3, 2)), np.zeros((3, 2), "f"), TypeError, "copy_from of float64 and copy_to of float32"),
            ([[0.0, 0.0]] * 3, np.zeros((3, 2)), TypeError, "copy_from to be a numpy array or a tensor, found list"),
            (torch.zeros(3, 2, device="meta"), np.zeros((3, 2)), TypeError, "copy_from in the memory of the processor"),
        ],
    )
    def test_wrong_arrays_are_refused(self, copy_from, copy_to, error, message):
        """Before C++ would read past their end."""
        step = Step()
        step.ntotal = 3
        data = MLIAPData(step, Model())
        for method in ("forward_exchange", "reverse_exchange"):
            with pytest.raises(error, match=f"^{method} expects .*{message.removeprefix('expects ')}"):
                getattr(data, method)(copy_from, copy_to, 2)


class TestRanks:
    @pytest.mark.parametrize("k", [0, 1, 3, 9])
    def test_values_of_neighbours_and_their_gradient(self, data, arrays, device, k):
        n_centres, atom_of_centre = arrays.nlistatoms, arrays.owner[arrays.iatoms]
        centre_of_atom = np.argsort(atom_of_centre)
        neighbours = torch.from_numpy(centre_of_atom[arrays.owner[arrays.pair_j]]).to(device)  # (n_pairs,) centre
        u = random_rows(n_centres, k, device=device).requires_grad_()
        weights = random_rows(len(neighbours), k, device=device)
        found = Ranks(data).to_neighbours(u)
        assert torch.equal(found, u[neighbours])
        gradients = [torch.autograd.grad((weights * y.sin()).sum(), u)[0] for y in (found, u[neighbours])]
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-13)

    def test_some_of_the_pairs(self, arrays, atoms):
        data = PluginData(arrays, atoms)
        u, rows = random_rows(arrays.nlistatoms, 2), torch.tensor([5, 0, 17])
        assert torch.equal(Ranks(data, rows).to_neighbours(u), Ranks(data).to_neighbours(u)[rows])

    def test_a_gradient_of_a_gradient_is_refused(self, arrays, atoms):
        u = random_rows(arrays.nlistatoms, 2).requires_grad_()
        energy = (Ranks(PluginData(arrays, atoms)).to_neighbours(u) ** 3).sum()
        (gradient,) = torch.autograd.grad(energy, u, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.sum().backward()

    @pytest.mark.parametrize("kind", ["plugin", "connected"])
    def test_sum_over_one_rank(self, kind, arrays, atoms):
        values = random_rows(3).requires_grad_()
        total = Ranks(make_data(kind, arrays, atoms)).sum(values)
        assert torch.equal(total, values)
        assert torch.equal(torch.autograd.grad((total**2).sum(), values)[0], 2 * values)

    def test_lammps_without_a_connection_is_told_what_to_do(self, arrays):
        values = random_rows(arrays.nlistatoms, 2)
        with pytest.raises(InputError, match=r"values of atoms of other ranks.*lammps-input --connect"):
            Ranks(UpstreamData(arrays)).to_neighbours(values)
        for kind in (UpstreamData, KokkosData):
            with pytest.raises(InputError, match=r"sums over all ranks.*lammps-input --connect"):
                Ranks(kind(arrays)).sum(values)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_rank_without_atoms_makes_every_exchange(self, kind, atoms, device):
        """Forward in the energy and backward in its gradient, or other ranks would wait."""
        arrays = rank_arrays(atoms, CUTOFF, ["Na", "Cl"], owned=[])
        data = make_data(kind, arrays, atoms)
        calls = []
        inner = data._data if isinstance(data, InstanceData) else data
        for name in ("forward_exchange", "reverse_exchange"):
            setattr(data, name, lambda *arrays, name=name: calls.append((name, arrays[0].shape)))
        assert int(inner.ntotal) == 0
        u = torch.zeros(0, 3, dtype=torch.float64, device=device, requires_grad=True)
        y = Ranks(data).to_neighbours(u)
        assert y.shape == (0, 3)
        torch.autograd.grad(y.sum(), u)
        assert calls == [("forward_exchange", (0, 3)), ("reverse_exchange", (0, 3))]
