"""What training data GDML models take, and the sentences for what they do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.labels import Frame
from mliap_hybrid.errors import InputError
from mliap_hybrid.sgdml.molecules import molecules_from_frames
from mliap_hybrid.sgdml.sampling import stratified_sample
from mliap_hybrid.testing.gdml_molecules import ammonia, as_frames
from mliap_hybrid.units import KCAL_PER_MOL


def frames_of(*structures):
    """Frames whose labels do not matter."""
    for atoms in structures:
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))
    return [Frame(atoms, f"data.xyz, frame {index}") for index, atoms in enumerate(structures)]


def test_frames_become_arrays_in_our_units():
    expected = ammonia(4)
    found = molecules_from_frames(as_frames(expected))
    for name in ("numbers", "positions", "energies", "forces"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    assert found.cell is None
    converted = molecules_from_frames(as_frames(expected), units=LabelUnits(energy="kcal/mol"))
    torch.testing.assert_close(converted.forces, expected.forces * KCAL_PER_MOL)
    torch.testing.assert_close(found.subset([2, 0]).energies, expected.energies[[2, 0]])


def test_mixed_molecules():
    with pytest.raises(InputError, match=r"frame 1 is CH4, but .*frame 0 is H3N: .* one molecule"):
        molecules_from_frames(frames_of(molecule("NH3"), molecule("CH4")))


def test_elements_in_another_order():
    ethanol = molecule("CH3CH2OH")
    other = ethanol[[1, 0, 3, 2, 4, 5, 6, 7, 8]]
    with pytest.raises(InputError, match=r"frame 1: atom 2 is H, but in .*frame 0 it is O.*same order"):
        molecules_from_frames(frames_of(ethanol, other))


def test_atoms_of_one_element_in_another_order():
    """A hydrogen of CH2 and one of CH3 changed places: only the bonds show it."""
    ethanol = molecule("CH3CH2OH")
    hydrogens = [index for index in range(9) if ethanol.symbols[index] == "H"]
    oxygen = ethanol.get_distances(2, hydrogens).argmin()
    order = list(range(9))
    order[hydrogens[oxygen]], order[8 if hydrogens[oxygen] != 8 else 7] = (
        order[8 if hydrogens[oxygen] != 8 else 7],
        hydrogens[oxygen],
    )
    with pytest.raises(InputError, match=r"frame 2: the atoms .* bonded in .*another order"):
        molecules_from_frames(frames_of(ethanol, ethanol.copy(), ethanol[order]))


def test_symmetric_atoms_and_moving_protons_may_change_places():
    expected = ammonia(30, permuted=True)
    assert molecules_from_frames(as_frames(expected)).n_frames == 30
    water = Atoms(
        "OHHOHH", [[0, 0, 0], [0, 0.76, 0.59], [0, -0.76, 0.59], [2.6, 0, 0], [2.6, 0.76, 0.59], [1.65, 0, 0]]
    )
    moved = water.copy()
    moved.positions[5] = [0.95, 0, 0]  # one proton goes over
    assert molecules_from_frames(frames_of(water, moved)).n_frames == 2


def test_atoms_at_one_place():
    atoms = molecule("NH3")
    broken = atoms.copy()
    broken.positions[2] = broken.positions[1]
    with pytest.raises(InputError, match=r"frame 1: the atoms H2 and H1 are 0.000 Å apart"):
        molecules_from_frames(frames_of(atoms, broken))


def test_cells():
    atoms = molecule("NH3", cell=[8, 8, 8], pbc=True)
    assert molecules_from_frames(frames_of(atoms, atoms.copy())).cell.shape == (3, 3)
    larger, slab = atoms.copy(), atoms.copy()
    larger.set_cell([9, 8, 8])
    slab.pbc = [True, True, False]
    with pytest.raises(InputError, match="different cells"):
        molecules_from_frames(frames_of(atoms, larger))
    with pytest.raises(InputError, match="some directions only"):
        molecules_from_frames(frames_of(atoms, slab))


def test_labels_are_needed():
    with pytest.raises(InputError, match="no frames"):
        molecules_from_frames([])
    with pytest.raises(InputError, match="trained on forces"):
        molecules_from_frames(as_frames(ammonia(2)), LabelKeys(forces=None))
    with pytest.raises(InputError, match="no entry 'energy'"):
        molecules_from_frames([Frame(molecule("NH3"), "data.xyz, frame 0")])
    broken = ammonia(2)
    broken = replace(broken, forces=broken.forces * float("nan"))
    with pytest.raises(InputError, match="finite"):
        molecules_from_frames(as_frames(broken))


def test_stratified_sample_keeps_the_distribution():
    random = np.random.default_rng(0)
    energies = np.concatenate([random.normal(0.0, 1.0, 5000), [9.0, 9.1]])
    sample = stratified_sample(energies, 100, random)
    assert len(set(sample)) == 100
    assert (energies[sample] > 8.9).any()  # a rare energy is there
    quantiles = np.linspace(0.1, 0.9, 9)
    differences = np.quantile(energies[sample], quantiles) - np.quantile(energies, quantiles)
    assert np.abs(differences).max() < 0.25


@pytest.mark.parametrize("n_frames", [1, 2, 3, 50, 99, 100])
def test_sample_of_any_size(n_frames):
    random = np.random.default_rng(1)
    energies = random.exponential(size=130)
    excluded = np.arange(30)
    sample = stratified_sample(energies, n_frames, random, excluded)
    assert len(set(sample)) == n_frames
    assert not set(sample) & set(excluded)
    assert len(stratified_sample(np.zeros(130), n_frames, random)) == n_frames
