"""The files around examples that recipes make themselves."""

from __future__ import annotations

from pathlib import Path

from egs.examples import ONE_LABEL, table, write_info
from steps.egs_dir import find_examples, read_info


def test_info_says_what_training_asks_for(tmp_path: Path) -> None:
    write_info(tmp_path, num_archives=3, num_examples=31, feat_dim=40, context=(0, 15))
    info = read_info(tmp_path)
    assert (info.num_archives, info.frames_per_eg, info.feat_dim, info.ivector_dim) == (3, ONE_LABEL, 40, 0)
    assert (info.left_context, info.right_context, info.num_frames, info.egs_per_archive) == (0, 15, 31, 10)


def test_tables_are_where_training_looks_for_them(tmp_path: Path) -> None:
    (tmp_path / "valid_diagnostic.egs").touch()
    examples = find_examples(tmp_path)
    assert table(tmp_path, 2) == examples.archive(2)
    assert table(tmp_path, "combine") == examples.subset("combine")
