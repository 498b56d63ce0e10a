"""Script files: commands inside them, places they point to, lines that are damaged."""

from __future__ import annotations

import gzip
import logging
import os
import threading

import numpy as np
import pytest

from nnet.formats.tables import MATRIX, read_table
from tests.nnet.formats.tables import X, write


@pytest.mark.parametrize(
    "place", ["touch {0}/pwned; cat {0}/a |", "touch {0}/pwned|", "cat {0}/a | tee {0}/pwned |[0:1]"]
)
def test_a_command_inside_a_script_file_does_not_run(ten, place):
    folder, _ = ten
    (folder / "r.scp").write_text(f"k {place.format(folder)}\n")
    with pytest.raises(ValueError, match=r"wants to run the command.*--allow-pipes-in-scp=true.*scp,pipes:"):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))
    assert not (folder / "pwned").exists()


def test_a_command_inside_a_script_file_runs_with_consent(ten):
    folder, x = ten
    (folder / "r.scp").write_text(f"k tail -c +6 {folder}/a | cat |\n")
    assert np.array_equal(next(read_table(f"scp,pipes:{folder}/r.scp", MATRIX))[1], x)
    assert np.array_equal(next(read_table(f"scp:{folder}/r.scp", MATRIX, allow_pipes=True))[1], x)


def test_a_position_inside_a_compressed_file_is_refused(ten):
    folder, _ = ten
    write(f"ark:{folder}/a.gz", MATRIX, [X])
    (folder / "r.scp").write_text(f"k {folder}/a.gz:5\n")
    with pytest.raises(ValueError, match="inside a compressed file"):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))


def test_a_named_pipe_may_stand_in_a_script_file(ten):
    folder, x = ten
    os.mkfifo(folder / "pipe")
    (folder / "r.scp").write_text(f"k {folder}/pipe\n")
    data = (folder / "a").read_bytes()[5:]
    threading.Thread(target=lambda: (folder / "pipe").write_bytes(data)).start()
    assert np.array_equal(next(read_table(f"scp:{folder}/r.scp", MATRIX))[1], x)


def test_a_plain_gunzip_inside_a_script_file_needs_no_consent(ten):
    folder, x = ten
    with gzip.open(folder / "m.gz", "wb") as stream:
        stream.write((folder / "a").read_bytes()[5:])
    (folder / "r.scp").write_text(f"a gunzip -c {folder}/m.gz |\nb {folder}/m.gz\n")
    assert all(np.array_equal(v, x) for _, v in read_table(f"scp:{folder}/r.scp", MATRIX))


def test_a_writing_command_inside_a_script_file_does_not_run(tmp_path):
    (tmp_path / "a.scp").write_text(f"key0 | cat > {tmp_path}/pwned\n")
    with pytest.raises(ValueError, match="wants to run"):
        write(f"scp:{tmp_path}/a.scp", MATRIX, [X])
    assert not (tmp_path / "pwned").exists()
    write(f"scp,pipes:{tmp_path}/a.scp", MATRIX, [X])
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("line", ["", "key", "key  "])
def test_a_bad_line_of_a_script_file_is_named(line, tmp_path):
    (tmp_path / "a.scp").write_text(f"k /dev/null\n{line}\nk /dev/null\n")
    with pytest.raises(ValueError, match="line 2: expected a key and a file"):
        list(read_table(f"scp:{tmp_path}/a.scp", MATRIX))


def test_permissive_reading_skips_with_a_warning(ten, caplog):
    folder, _ = ten
    (folder / "r.scp").write_text(f"a {folder}/missing\nb {folder}/a:5\n")
    with pytest.raises(FileNotFoundError):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))
    with caplog.at_level(logging.WARNING):
        assert [k for k, _ in read_table(f"scp,p:{folder}/r.scp", MATRIX)] == ["b"]
        (folder / "cut").write_bytes((folder / "a").read_bytes() + b"next \0BFM ")
        assert [k for k, _ in read_table(f"ark,p:{folder}/cut", MATRIX)] == ["key0"]
    assert [r.message.count("option p") for r in caplog.records] == [1, 1]
