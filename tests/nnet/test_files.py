"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from nnet.files import atomic_write


def test_content_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a"
    with atomic_write(path) as stream:
        stream.write(b"\0new")
        assert not path.exists()
    assert path.read_bytes() == b"\0new"
    assert os.listdir(tmp_path) == ["a"]


def test_text_keeps_newlines_and_is_utf8(tmp_path):
    with atomic_write(tmp_path / "a", text=True) as stream:
        stream.write("é\n")
    assert (tmp_path / "a").read_bytes() == "é\n".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError, SystemExit])
def test_a_failure_leaves_the_old_content_and_no_other_file(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error), atomic_write(tmp_path / "a") as stream:
        stream.write(b"half")
        raise error
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_permissions_of_a_replaced_file_stay(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    os.chmod(tmp_path / "a", 0o640)
    with atomic_write(tmp_path / "a") as stream:
        stream.write(b"new")
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640


def test_a_new_file_follows_the_umask(tmp_path):
    with atomic_write(tmp_path / "a"):
        pass
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o666 & ~mask


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with atomic_write(tmp_path / "link") as stream:
        stream.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_device_is_written_directly():
    with atomic_write("/dev/null") as stream:
        stream.write(b"gone")
    assert not os.path.isfile("/dev/null")


def test_a_missing_directory_is_an_error_with_the_files_own_name(tmp_path):
    path = tmp_path / "no" / "a"
    with pytest.raises(FileNotFoundError) as info, atomic_write(path):
        pass
    assert info.value.filename == str(path)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), atomic_write(tmp_path / "a") as stream:
        stream.write(b"x")
    assert os.listdir(tmp_path) == []
