"""Tables read by key: script files, archives, and the options that save memory."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from nnet.formats.tables import INT, MATRIX, TableWriter, random_access


@pytest.fixture
def table(tmp_path):
    with TableWriter(f"ark,scp:{tmp_path}/a,{tmp_path}/a.scp", INT) as writer:
        for n, key in enumerate("bdfh"):
            writer.write(key, n)
    return tmp_path


@pytest.mark.parametrize("form", ["ark:{}/a", "scp:{}/a.scp", "ark,s:{}/a", "ark,o:{}/a", "ark:cat {}/a |"])
def test_values_are_found_by_key_in_any_order(table, form):
    with random_access(form.format(table), INT) as values:
        assert "c" not in values
        assert [values[k] for k in "hbfd"] == [3, 0, 2, 1]
        assert values.get("x") is None
        assert values.get("d", 7) == 1 or "o" in form
        with pytest.raises(ValueError, match=r"has no (value|entry) for x"):
            values["x"]


def test_sorted_archives_asked_for_in_order_forget_what_has_passed(table):
    values = random_access(f"ark,s,cs:{table}/a", INT)
    assert "a" not in values
    assert [values.get(k) for k in "bcdg"] == [0, None, 1, None]
    assert list(values._held) == ["f", "h"]
    with pytest.raises(ValueError, match="b asked for after g; remove the option cs"):
        values.get("b")
    values.close()


def test_a_sorted_archive_is_read_no_further_than_needed(table):
    values = random_access(f"ark,s:{table}/a", INT)
    assert "c" not in values
    assert list(values._held) == ["b", "d"]
    values.close()


def test_an_archive_that_is_not_sorted_is_an_error_with_the_option_s(tmp_path):
    (tmp_path / "a").write_text("b 1\na 2\n")
    values = random_access(f"ark,s:{tmp_path}/a", INT)
    with pytest.raises(ValueError, match="is not sorted: a follows b; remove the option s"):
        values.get("x")


def test_with_the_option_o_a_value_is_kept_until_another_is_asked_for(table):
    values = random_access(f"ark,o:{table}/a", INT)
    assert (values["f"], values["f"], values["b"]) == (2, 2, 0)
    assert "f" not in values


def test_a_damaged_value_counts_as_absent_only_when_permissive(tmp_path, caplog):
    (tmp_path / "a.scp").write_text(f"good {tmp_path}/x\nbad {tmp_path}/missing\n")
    with TableWriter(f"scp,p:{tmp_path}/a.scp", MATRIX) as writer:
        writer.write("good", np.ones((1, 1)))
    strict = random_access(f"scp:{tmp_path}/a.scp", MATRIX)
    assert "bad" in strict
    with pytest.raises(FileNotFoundError):
        strict["bad"]
    lenient = random_access(f"scp,p:{tmp_path}/a.scp", MATRIX)
    with caplog.at_level(logging.WARNING):
        assert "bad" not in lenient
    assert "good" in lenient


def test_the_first_of_equal_keys_counts(tmp_path):
    (tmp_path / "a").write_text("k 1\nk 2\nl 3\n")
    values = random_access(f"ark:{tmp_path}/a", INT)
    assert values["l"] == 3
    assert values["k"] == 1


def test_a_command_inside_a_script_file_does_not_run(tmp_path):
    (tmp_path / "a.scp").write_text(f"k touch {tmp_path}/pwned |\n")
    with pytest.raises(ValueError, match="allow-pipes-in-scp"):
        random_access(f"scp:{tmp_path}/a.scp", INT)["k"]
    assert not (tmp_path / "pwned").exists()
