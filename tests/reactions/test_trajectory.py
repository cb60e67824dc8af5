"""Broken trajectories are refused in one sentence, whatever the reader behind raises."""

import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.reactions.trajectory import read_trajectory
from mliap_hybrid.spectra.charged_frames import read_charged_frames

DUMP = """\
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0.0 8.0
0.0 8.0
0.0 8.0
ITEM: ATOMS id element q x y z
1 H 0.5 0 0 0
2 H -0.5 0.7 0 0
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ATOMS\n2\n", b"ATOMS\ntwo\n"),  # no number
        (b"NUMBER OF ATOMS", b"NUMBER OF"),  # ASE's reader then lacks what it wants
        (b"BOX BOUNDS pp pp pp\n", b""),
        (b"0.7", b"\xe4"),  # no UTF-8
        (b"TIMESTEP\n0\n", b"TIMESTEP\n" + 400 * b"9" + b"\n"),
    ],
)
def test_broken_dumps(tmp_path, old, new):
    file = tmp_path / "a.dump"
    file.write_text(DUMP)
    assert len(list(read_trajectory(file, 0.001, []))) == len(list(read_charged_frames(file, 0.001))) == 1
    file.write_bytes(DUMP.encode().replace(old, new))
    answers = [_answer(read, file) for read in (read_trajectory_of, read_charged_frames)]
    assert "refused" in answers  # one of the two readers may not need what is wrong


def read_trajectory_of(file, interval):
    return read_trajectory(file, interval, [])


def _answer(read, file):
    try:
        frames = list(read(file, 0.001))
    except InputError:
        return "refused"
    return f"{len(frames)} frames"


def test_two_charges_of_an_atom(tmp_path):
    (tmp_path / "a.xyz").write_text("1\nProperties=species:S:1:pos:R:3:charges:R:2\nNa 0 0 0 1 1\n")
    with pytest.raises(InputError, match=r"the charges are of type float64 and shape \(1, 2\)"):
        list(read_charged_frames(tmp_path / "a.xyz", 0.001))
