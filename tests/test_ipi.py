"""i-PI moves a ring polymer by the ASE calculator, over ASE's socket client, with the right energies and virials."""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from ase.calculators.socketio import SocketClient

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ipi") is None, reason="i-PI is not installed (pip install ipi)"),
]

N_BEADS, N_STEPS = 3, 3

INPUT = """<simulation verbosity='quiet'>
  <output prefix='run'>
    <properties filename='out'> [step, potential, virial_md, volume] </properties>
  </output>
  <total_steps>{n_steps}</total_steps>
  <prng><seed>1</seed></prng>
  <ffsocket name='model' mode='unix'><address>{address}</address></ffsocket>
  <system>
    <initialize nbeads='{n_beads}'>
      <file mode='ase'>start.extxyz</file>
      <velocities mode='thermal' units='kelvin'>300</velocities>
    </initialize>
    <forces><force forcefield='model'/></forces>
    <ensemble><temperature units='kelvin'>300</temperature><pressure units='bar'>1</pressure></ensemble>
    <motion mode='dynamics'>
      <dynamics mode='npt'>
        <timestep units='femtosecond'>0.5</timestep>
        <thermostat mode='pile_g'><tau units='femtosecond'>100</tau></thermostat>
        <barostat mode='isotropic'>
          <tau units='femtosecond'>200</tau>
          <thermostat mode='langevin'><tau units='femtosecond'>100</tau></thermostat>
        </barostat>
      </dynamics>
    </motion>
  </system>
</simulation>
"""

ORDER = [0, 1, 2, 5, 4, 3]
"""i-PI's xx yy zz xy xz yz from ASE's xx yy zz yz xz xy."""


def client_of(address, server):
    """Connected to i-PI as soon as it listens."""
    for _ in range(200):
        assert server.poll() is None, "i-PI has ended"
        try:
            return SocketClient(unixsocket=address)
        except OSError:
            time.sleep(0.2)
    raise AssertionError("i-PI does not listen")


def test_path_integrals_at_constant_pressure(tmp_path):
    export_model(sodium_chloride_model(), tmp_path / "model.pt")
    start = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=8, closest=2.0)
    ase.io.write(tmp_path / "start.extxyz", start)
    address = f"mliap_hybrid_{tmp_path.parent.name}"
    (tmp_path / "input.xml").write_text(INPUT.format(address=address, n_beads=N_BEADS, n_steps=N_STEPS))

    atoms = ase.io.read(tmp_path / "start.extxyz")
    atoms.calc = HybridCalculator(tmp_path / "model.pt")
    program = Path(sys.executable).parent / "i-pi"
    server = subprocess.Popen([str(program), "input.xml"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        asked = [atoms.copy() for _ in client_of(address, server).irun(atoms)]
        assert server.wait(60) == 0
    finally:
        server.kill()

    lines = [line.split() for line in (tmp_path / "run.out").read_text().splitlines() if not line.startswith("#")]
    printed = np.array(lines, dtype=float)  # (n_steps + 1, 9), bohr and Ha
    again = HybridCalculator(tmp_path / "model.pt")
    assert len(asked) == N_BEADS * (N_STEPS + 1)
    for step, row in enumerate(printed):
        beads = asked[step * N_BEADS : (step + 1) * N_BEADS]
        for bead in beads:
            bead.calc = again
        energies = [bead.get_potential_energy() for bead in beads]
        assert row[1] * units.Ha == pytest.approx(np.mean(energies), abs=1e-7)  # nine digits are printed
        volume = beads[0].get_volume()
        assert row[8] * units.Bohr**3 == pytest.approx(volume, rel=1e-7)
        virials = -volume * sum(bead.get_stress()[ORDER] for bead in beads)  # (6,) of all beads together
        np.testing.assert_allclose(row[2:8] * row[8] * units.Ha, virials, rtol=1e-7, atol=1e-7)
    assert np.ptp(printed[:, 8]) > 0
    assert np.ptp(printed[:, 1]) > 0
