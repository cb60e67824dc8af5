"""Every term that a model file may hold, by the tests that all terms pass.

Runs in LAMMPS are left to tests/lammps where these have them already, on as many ranks and with empty ones.
"""

from mliap_hybrid.testing.gdml_molecules import ammonia, as_frames, box_of_ammonia, molecule_model
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.term_tests import TermTests


class TestBaselineAndNetwork(TermTests):
    kind = "network"
    test_lammps_says_what_python_says = None  # test_hybrid_in_lammps.py

    def model(self):
        return sodium_chloride_model(None)


class TestRepulsion(TermTests):
    kind = "zbl"
    test_lammps_says_what_python_says = None  # test_hybrid_in_lammps.py

    def model(self):
        return sodium_chloride_model(None)

    def structure(self, periodic=True):
        atoms = super().structure(periodic)
        atoms.positions[1] = atoms.positions[0] + [0.0, 0.9, 1.2]  # close enough for the repulsion
        return atoms


class TestFixedCharges(TermTests):
    kind = "electrostatics"
    test_lammps_says_what_python_says = None  # test_hybrid_in_lammps.py

    def model(self):
        return sodium_chloride_model()


class TestChargesWithAShift(TermTests):
    kind = "electrostatics"
    test_lammps_says_what_python_says = None  # test_predicted_charges_in_runs.py

    def model(self):
        return charge_predicting_model("shift")


class TestChargesByIncrements(TermTests):
    kind = "electrostatics"

    def model(self):
        return charge_predicting_model("increments")


class TestMolecules(TermTests):
    kind = "molecules"
    test_lammps_says_what_python_says = None  # test_molecules_in_runs.py
    any_order = False

    def model(self):
        return molecule_model()

    def structure(self, periodic=True):
        return box_of_ammonia(2) if periodic else as_frames(ammonia(1))[0].atoms
