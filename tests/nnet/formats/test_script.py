"""Script files: where a key ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnet.formats.script import read_script


def test_keys_end_at_ascii_space_and_lines_at_newlines(tmp_path: Path) -> None:
    text = "a\u00a0b \t c d.ark:1 \r\ne\u2028f\u0085 \u3000g.ark\n"
    (tmp_path / "x.scp").write_text(text, encoding="utf-8", newline="")
    assert read_script(str(tmp_path / "x.scp")) == [
        ("a\u00a0b", "c d.ark:1"),
        ("e\u2028f\u0085", "\u3000g.ark"),
    ]


@pytest.mark.parametrize("line", ["", "a", "a \t", "a\u00a0b.ark"])
def test_a_line_without_a_file_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.scp").write_text(f"k f\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: expected a key and a file"):
        read_script(str(tmp_path / "x.scp"))
