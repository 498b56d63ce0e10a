"""Small text files and the errors of the system, which always name the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.egs_job import Shares
from steps.texts import first_word, naming, read_int, read_lines, write_number


@pytest.mark.parametrize(
    ("line", "words"),
    [("a  b c ", ("a", "b c")), ("\ta\u00a0b\tc\r", ("a\u00a0b", "c")), ("a", ("a", "")), ("", ("", ""))],
)
def test_words_end_at_ascii_space(line: str, words: tuple[str, str]) -> None:
    assert first_word(line) == words


@pytest.mark.parametrize(
    ("text", "lines"), [("", []), ("a", ["a"]), ("a\u2028b\n\nc\n", ["a\u2028b", "", "c"])]
)
def test_only_newlines_end_lines(tmp_path: Path, text: str, lines: list[str]) -> None:
    (tmp_path / "list").write_text(text, encoding="utf-8")
    assert read_lines(tmp_path / "list") == lines


def test_a_number_comes_back(tmp_path: Path) -> None:
    write_number(tmp_path / "srand", 7)
    assert read_int(tmp_path / "srand") == 7


def test_errors_get_the_name_they_lack(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device: 'here'"), naming(Path("here")):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError, match="there"), naming(Path("here")):
        (tmp_path / "there").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told_with_the_share_of_the_examples(tmp_path: Path) -> None:
    (tmp_path / "1.1.bytes").symlink_to("/dev/full")
    shares = Shares(tmp_path, 1, 1)
    shares.add(0, b"example")
    with pytest.raises(OSError, match=r"No space left on device: '.*1\.1\.bytes'"):
        shares.flush()
