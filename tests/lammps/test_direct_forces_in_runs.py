"""A model with direct forces on its way to LAMMPS: refused, and where it is forced, the forces of Python."""

import numpy as np
import pytest

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.exporter import export_model, load_exported
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.lammps.single_points import lammps_result
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.model_file import SCHEMA_VERSION
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.models import ION_CHARGES, direct_force_model
from mliap_hybrid.testing.structures import random_structure, rock_salt

SHEARED_CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])


def test_export_is_refused_unless_allowed(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.raises(InputError, match=r"do not conserve energy.*network\.forces: conservative.*--allow-non-cons"):
        export_model(direct_force_model(), path)
    assert not path.exists()
    manifest = export_model(direct_force_model(), path, allow_non_conservative=True)
    assert manifest.description.head("energy").direct_hidden == [8, 8]
    assert "# direct forces: not the gradient of the energy" in potential_block(manifest, str(path))


def test_the_same_model_comes_back(tmp_path):
    model, batch = direct_force_model(), frame_to_batch(rock_salt(1), 4.5)
    export_model(model, tmp_path / "model.pt", allow_non_conservative=True)
    loaded, manifest = load_exported(tmp_path / "model.pt")
    assert manifest.schema_version == SCHEMA_VERSION
    assert not loaded.is_conservative
    assert relative_difference(predict(loaded, batch).forces, predict(model, batch).forces) < 1e-9
    assert not open_unified(str(tmp_path / "model.pt")).model.is_conservative


@pytest.mark.mpi
@pytest.mark.parametrize("charges", [None, ION_CHARGES], ids=["short-range", "charged"])
def test_lammps_says_what_python_says(tmp_path, charges):
    """On 1 and 2 ranks; in LAMMPS, too, the forces are not those of the energy."""
    path, atoms = tmp_path / "model.pt", random_structure(24, ["Na", "Cl"], SHEARED_CELL, seed=2, closest=2.0)
    model = direct_force_model(charges)
    export_model(model, path, allow_non_conservative=True)
    for comparison in check_model(path, ranks=(1, 2), atoms=atoms):
        assert comparison.ok, comparison
    if charges is None:
        forces = lammps_result(path, atoms, ranks=1).forces[0]
        with_gradient = Head("energy", [model.heads["energy"].networks[0].energy])
        conservative = HybridModel(
            model.features, model.all_terms, model.all_parameters, [with_gradient], model.whitening
        ).double()
        conservative = predict(conservative, frame_to_batch(atoms, model.cutoff)).forces[0].numpy()
        assert np.abs(forces - conservative).max() > 0.01
