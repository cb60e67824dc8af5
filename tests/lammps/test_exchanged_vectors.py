"""A term in which atoms ask their neighbours for vectors, several times, and send derivatives back: on any ranks."""

import numpy as np
import pytest

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump, write_data_file
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.testing.induced_dipoles import induced_dipole_model, write_induced_dipoles
from mliap_hybrid.testing.term_tests import TermTests

SCRIPT = """\
units           metal
atom_style      charge
atom_modify     map array
processors      {ranks} 1 1
read_data       structure.data
pair_style      mliap unified model.pkl 0 trusted yes
pair_coeff      * * Na Cl
dump            forces all custom 1 forces.dump id fx fy fz
dump_modify     forces sort id format float %.17g
run             0
variable        energy equal pe
print           "RESULT $(v_energy:%.17g)"
"""


class TestInducedDipoles(TermTests):
    kind = "induced_dipoles"
    is_isotropic = False  # the field has a direction

    def model(self):
        return induced_dipole_model()

    def test_plain_data_make_the_same_model(self):
        pytest.skip("the term has no place in files")

    @pytest.mark.mpi
    @pytest.mark.parametrize("ranks", [1, 2, 4])
    def test_lammps_says_what_python_says(self, tmp_path, ranks):
        """Slices along the long edge, of which the box leaves half empty."""
        write_induced_dipoles(tmp_path / "model.pkl")
        atoms = in_lammps_orientation(self.box())
        write_data_file(tmp_path / "structure.data", atoms, ["Na", "Cl"], None)
        (tmp_path / "in.test").write_text(SCRIPT.format(ranks=ranks))
        output = run_lammps(tmp_path / "in.test", ranks)
        energy = float(next(line for line in output.splitlines() if line.startswith("RESULT")).split()[1])
        model = self.model()
        expected = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
        assert energy == pytest.approx(float(expected.energies[0]), abs=1e-9)
        np.testing.assert_allclose(read_dump(tmp_path / "forces.dump"), expected.forces.numpy(), rtol=0, atol=1e-9)
