"""Scores on data with alignments, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.tree import monophone_tree
from steps.evaluate import score_data
from steps.monophone import monophone_model
from steps.write_ali import write_ali_dir
from tests.steps.toy import toy_feats, toy_ids, toy_lang, toy_model, write_toy_data


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Two utterances whose posterior of the right pdf is 0.9 and 0.2."""
    lang, model = toy_lang(tmp_path)
    toy_model(tmp_path, model, lang)
    ids = {u: toy_ids(lang, model, ["n", "o"], 16) for u in ("a", "b")}
    feats = {"a": toy_feats(model, ids["a"], 0.9), "b": toy_feats(model, ids["b"], 0.05)}
    write_toy_data(tmp_path / "data", feats, {"a": "no", "b": "no"})
    tree, _ = monophone_model(tmp_path / "lang", lang)
    write_ali_dir(tmp_path / "ali", ids.items(), tree, model, tmp_path / "lang" / "phones.txt")
    return tmp_path


def test_the_score_is_the_mean_log_posterior_of_the_labels(toy: Path) -> None:
    score = score_data(toy / "exp" / "final.mdl", toy / "data", toy / "ali")
    assert score.weight == 32
    assert score.average() == pytest.approx((np.log(0.9) + np.log(0.05)) / 2, rel=1e-3)
    assert score.accuracy() == 0.5


def test_alignments_of_another_model_are_refused(toy: Path) -> None:
    lang, model = toy_lang(toy)
    tree = monophone_tree({p: 2 for p in lang.phones.values()})
    write_ali_dir(toy / "other", [], tree, model, toy / "lang" / "phones.txt")
    with pytest.raises(ValueError, match=r"other has 6 pdfs, .*final\.mdl has 9"):
        score_data(toy / "exp" / "final.mdl", toy / "data", toy / "other")


def test_nothing_to_score_is_an_error(toy: Path) -> None:
    lang, model = toy_lang(toy)
    tree, _ = monophone_model(toy / "lang", lang)
    write_ali_dir(toy / "none", [], tree, model, toy / "lang" / "phones.txt")
    with pytest.raises(ValueError, match="have no utterance of 8 frames in common"):
        score_data(toy / "exp" / "final.mdl", toy / "data", toy / "none")
