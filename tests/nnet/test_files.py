"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from nnet.files import atomic_copy, atomic_write, drop_link


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


def test_a_symbolic_link_is_replaced_and_its_target_stays(tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    (theirs / "target").write_bytes(b"old")
    (theirs / "target").chmod(0o400)
    (ours / "link").symlink_to("../theirs/target")
    with atomic_write(ours / "link") as stream:
        stream.write(b"new")
        assert os.listdir(theirs) == ["target"]
    assert not (ours / "link").is_symlink()
    assert (ours / "link").read_bytes() == b"new"
    assert (ours / "link").stat().st_mode & stat.S_IWUSR  # the mode is a new file's, not the target's
    assert (theirs / "target").read_bytes() == b"old"


def test_a_link_that_leads_nowhere_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to("missing")
    with atomic_write(tmp_path / "link") as stream:
        stream.write(b"new")
    assert sorted(os.listdir(tmp_path)) == ["link"]
    assert not (tmp_path / "link").is_symlink()


def test_a_link_stays_if_the_new_content_fails(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(ValueError, match="half"), atomic_write(tmp_path / "link"):
        raise ValueError("half")
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_a_link_to_a_device_is_written_through(tmp_path):
    (tmp_path / "link").symlink_to("/dev/null")
    with atomic_write(tmp_path / "link") as stream:
        stream.write(b"gone")
    assert (tmp_path / "link").is_symlink()


def test_a_link_to_a_directory_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(IsADirectoryError), atomic_write(tmp_path / "link"):
        pass
    assert (tmp_path / "link").is_symlink()


def test_a_name_without_a_directory_is_written_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write("a") as stream:
        stream.write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_copy_replaces_a_link_and_has_the_mode_of_a_new_file(tmp_path):
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "source").chmod(0o400)
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    atomic_copy(tmp_path / "source", tmp_path / "link")
    assert (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "link").stat().st_mode & stat.S_IWUSR
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_copy_onto_itself_stays(tmp_path):
    (tmp_path / "a").write_bytes(b"same")
    atomic_copy(tmp_path / "a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"same"


def test_only_links_to_files_and_to_nothing_are_dropped(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    for name, target in (("a", "file"), ("b", "missing"), ("c", "/dev/null")):
        (tmp_path / name).symlink_to(target)
        drop_link(tmp_path / name)
    drop_link(tmp_path / "file")
    drop_link(tmp_path / "nothing")
    assert sorted(os.listdir(tmp_path)) == ["c", "file"]


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
