import pytest

from mliap_hybrid.whole_file import UNFINISHED, whole_file


@pytest.mark.parametrize("several_writers", [False, True])
def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path, several_writers):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with whole_file(path, several_writers) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert len(list(tmp_path.glob(UNFINISHED))) == 1
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("several_writers", [False, True])
def test_an_error_changes_nothing(tmp_path, several_writers):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted():
        with whole_file(path, several_writers) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_several_writers_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "file"
    with whole_file(path, several_writers=True) as first:
        first.write(b"first")
        with whole_file(path, several_writers=True) as second:
            second.write(b"the second one")
        first.write(b" one")
    assert path.read_bytes() == b"first one"


def test_what_a_killed_process_left_is_written_over(tmp_path):
    path = tmp_path / "file"
    (tmp_path / ".file.writing").write_bytes(b"the half of an older file")
    with whole_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
