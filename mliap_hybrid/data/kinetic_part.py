"""Is the pressure of molecular dynamics, with its kinetic part, taken for a stress of the energy?

Instantaneous momenta have nothing to do with the virial of the forces. Where the entries off the diagonal of the
virials follow those of sum_i p_i p_i / m_i with a slope of one, this has been added to them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mliap_hybrid.data.frames import Frame
from mliap_hybrid.structure import Batch

LEAST_FRAMES = 20

CLEAR = 5.0
"""Standard errors by which the slope must differ from zero."""


def kinetic_part_warning(frames: Sequence[Frame], batches: Sequence[Batch]) -> str | None:
    """A sentence where stresses hold a kinetic part; None where they do not, or frames have no momenta.

    Parameters
    ----------
    frames : sequence of Frame
        With ASE's momenta.
    batches : sequence of Batch
        The same, with virials in eV.
    """
    kinetic, virial = [], []
    for frame, batch in zip(frames, batches, strict=True):
        atoms = frame.atoms
        if batch.virials is None or not atoms.has("momenta"):
            continue
        momenta = atoms.get_momenta()  # (n_atoms, 3)
        tensor = momenta.T @ (momenta / atoms.get_masses()[:, None])  # (3, 3) eV
        kinetic.append(tensor[[1, 0, 0], [2, 2, 1]])
        virial.append(batch.virials[0].numpy()[[1, 0, 0], [2, 2, 1]])
    if len(kinetic) < LEAST_FRAMES:
        return None
    x, y = np.concatenate(kinetic), np.concatenate(virial)  # (3 n_frames,) each
    size = float(x @ x)
    if size == 0.0:
        return None
    slope = float(x @ y) / size
    error = float(np.sqrt(np.square(y - slope * x).mean() / size))
    if slope < CLEAR * error or abs(slope - 1.0) > CLEAR * error:
        return None
    return (
        f"the virials follow the momenta of {len(kinetic)} frames with a slope of {slope:.2f} ± {error:.2f}, where 0 "
        "was expected: the stresses are pressures of molecular dynamics, with a kinetic part that no energy has; write "
        "them without it (`compute pressure NULL virial` in LAMMPS)"
    )
