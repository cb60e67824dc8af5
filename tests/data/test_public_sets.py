"""Published sets of labelled frames, read as a user would, are left in peace; stresses in their units are told."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.label_warnings import label_warnings
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.suspect_frames import check_energies

DATA = Path(__file__).parents[2] / "../shared/data"
OWN = Path(__file__).parents[2] / "training"

PUBLIC = {
    "rMD17 ethanol": (["rmd17/rmd17_ethanol_train_01.npz"], {}, {}),
    "rMD17 benzene": (["rmd17/rmd17_benzene_train_01.npz"], {}, {}),
    "ethanol, CCSD(T)": (["ethanol_ccsdt/ethanol_ccsd_t-train.npz"], {}, {}),
    "3BPA": (["3bpa/train_mixedT.xyz"], {}, {}),
    "acetylacetone": (["acac/train_300K.xyz"], {}, {}),
    "TiO2": (["tio2/tio2_1000.extxyz.gz"], {}, {}),
    "water, DeePMD": (["water_pbe0ts_deepmd/data/data_0"], {}, {}),
    "water, DeePMD with virials": (["water_pbe0ts_deepmd/dplr/train/data"], {"virial": "virial"}, {}),
    "dimers": (["longrange/lode_dimers/train-id0.xyz"], {}, {}),
    "dipeptides": (["longrange/spice_dipeptides_dipolar/spice-dipep-dipolar_train.xyz"], {"forces": "force"}, {}),
    "carbon chains, n2p2": (["longrange/n2p2_4g/Carbon_chain_4G.input.data"], {"total_charge": "total_charge"}, {}),
    "ice, n2p2": (["longrange/n2p2_4g/H2O_RPBE-D3_4G.input.data"], {}, {}),
    "oxides, relaxed": (["ocp_samples/core/fine-tuning/oxides.db"], {}, {}),
    "combustion": (["h2_combustion/02_irc.npz"], {}, {"energy": "kcal/mol"}),
    "combustion, normal modes": (["h2_combustion/11_nm.npz"], {}, {"energy": "kcal/mol"}),
    "NaCl": (["generated/nacl64_gfn1.extxyz"], {"stress": "stress"}, {}),
    "diglyme": (["generated/diglyme_gfn2_500K.extxyz"], {}, {}),
}
"""Name -> files, keys and units; read as a user would."""


def doubts_of(frames, keys, units, most=120):
    frames = frames[:: max(1, len(frames) // most)]
    check_energies(frames, keys)
    batches = [frame_to_batch(frame, 1.0, keys, units, allow_missing=True) for frame in frames]
    return label_warnings(frames, batches, keys, units)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets_are_left_in_peace(name):
    files, keys, units = PUBLIC[name]
    files = [DATA / file for file in files]
    if not files[0].exists():
        pytest.skip(f"{files[0].name} is not here")
    assert doubts_of(read_frames(files), LabelKeys(**keys), LabelUnits(**units)) == []


@pytest.mark.parametrize("name", ["nacl/nacl64", "water/water64"])
def test_own_sets_are_left_in_peace(name):
    frames = read_frames([OWN / f"{name}.extxyz.xz"])
    assert doubts_of(frames, LabelKeys(stress="stress"), LabelUnits()) == []


@pytest.mark.parametrize(("element", "order"), [("Li", "vasp"), ("Si", "vasp"), ("Cu", "lammps")])
def test_published_stresses_in_kbar(element, order):
    """The files of mlearn have VASP's sign and kbar; those of copper have their shear stresses in another order."""
    path = DATA / f"mlearn/{element}/test.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    frames = []
    for index, entry in enumerate(json.loads(path.read_text())):
        structure, labels = entry["structure"], entry["outputs"]
        atoms = Atoms(
            [site["species"][0]["element"] for site in structure["sites"]],
            [site["xyz"] for site in structure["sites"]],
            cell=structure["lattice"]["matrix"],
            pbc=True,
            info={"s": np.array(labels["virial_stress"])},
        )
        atoms.calc = SinglePointCalculator(atoms, energy=labels["energy"], forces=np.array(labels["forces"]))
        frames.append(Frame(atoms, f"{path}, frame {index}"))
    keys = LabelKeys(stress="s")
    right = LabelUnits(stress="-kbar", stress_order=order)
    assert doubts_of(frames, keys, right) == []
    assert any("stresses in kbar" in said for said in doubts_of(frames, keys, LabelUnits(stress_order=order)))
    sign = doubts_of(frames, keys, LabelUnits(stress="kbar", stress_order=order))
    assert any("sign is the opposite" in said for said in sign)
    if element == "Cu":
        other = doubts_of(frames, keys, LabelUnits(stress="-kbar", stress_order="vasp"))
        assert any("stress_order" in said for said in other)
    assert voigt_6_to_full_3x3_stress(np.arange(6))[1, 2] == 3  # ASE's order, which `stress_order: ase` means
