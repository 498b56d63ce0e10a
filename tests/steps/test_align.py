"""Viterbi alignment of a toy language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("kaldi_decoder")

from nnet.formats.model import am_nnet, read_am
from nnet.formats.topology import read_topology_file
from nnet.formats.transitions import transition_model
from nnet.formats.tree import monophone_tree
from steps.ali_dir import AliDir
from steps.align import Aligner, AlignOptions, align_data
from steps.align_command import main
from steps.lang import chain_topology_text, make_lang, write_lang
from tests.steps.toy import LEXICON, toy_feats, toy_ids, toy_lang, toy_model, write_toy_data

OPTIONS = AlignOptions(acoustic_scale=1.0)


def test_frames_are_given_back_to_their_states(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    phones = {"a": ["SIL", "n", "o"], "b": ["o", "n", "SIL", "n", "o"]}
    truth = {u: toy_ids(lang, model, p, 7 * len(p)) for u, p in phones.items()}
    feats = {u: toy_feats(model, ids) for u, ids in truth.items()}
    write_toy_data(tmp_path / "data", feats, {"a": "no", "b": "on no"})
    counts = align_data(
        toy_model(tmp_path, model, lang), tmp_path / "lang", tmp_path / "data", tmp_path / "ali", OPTIONS
    )
    assert counts.line() == (
        "aligned 2 utterances (0 with the wider beam), left out 0 without a path, 0 without words"
    )
    ali = AliDir(tmp_path / "ali")
    ali.check()
    assert ali.num_pdfs == model.num_pdfs
    found = dict(ali.alignments())
    assert {u: ids.tolist() for u, ids in found.items()} == {u: ids.tolist() for u, ids in truth.items()}


def test_the_words_are_believed_against_the_features(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    feats = {"a": toy_feats(model, toy_ids(lang, model, ["n", "o"], 20))}
    write_toy_data(tmp_path / "data", feats, {"a": "on"})
    align_data(
        toy_model(tmp_path, model, lang), tmp_path / "lang", tmp_path / "data", tmp_path / "ali", OPTIONS
    )
    ids = dict(AliDir(tmp_path / "ali").alignments())["a"]
    phones = model.phone_of(ids)
    spoken = [p for p in phones[np.flatnonzero(np.diff(phones, prepend=0))] if p != lang.phones["SIL"]]
    assert spoken == [lang.phones["o"], lang.phones["n"]]


def test_what_cannot_be_aligned_is_left_out_and_told(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    good = toy_feats(model, toy_ids(lang, model, ["n", "o"], 12))
    feats = {"a": good, "short": good[:5], "silent": good}
    write_toy_data(tmp_path / "data", feats, {"a": "no", "short": "no"})
    told: list[str] = []
    model_path = toy_model(tmp_path, model, lang)
    counts = align_data(
        model_path, tmp_path / "lang", tmp_path / "data", tmp_path / "ali", OPTIONS, told.append
    )
    assert (counts.done, counts.failed, counts.no_words) == (1, 1, 1)
    assert told[0] == "short: no path for 'no' in 5 frames"
    assert told[1].startswith("silent: no words")
    assert list(dict(AliDir(tmp_path / "ali").alignments())) == ["a"]


def test_a_narrow_beam_is_widened_once(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    misleading = toy_feats(
        model, np.full(60, toy_ids(lang, model, ["n"], 3)[0])
    )  # the first state, on and on
    write_toy_data(tmp_path / "data", {"a": misleading}, {"a": " ".join(["no"] * 8)})
    options = AlignOptions(acoustic_scale=1.0, beam=0.5, retry_beam=1000.0)
    model_path = toy_model(tmp_path, model, lang)
    counts = align_data(model_path, tmp_path / "lang", tmp_path / "data", tmp_path / "ali", options)
    assert (counts.done, counts.retried) == (1, 1)


def test_nothing_aligned_is_an_error(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    write_toy_data(tmp_path / "data", {"a": np.zeros((3, model.num_pdfs), np.float32)}, {"a": "no"})
    with pytest.raises(ValueError, match=r"no utterance of .* could be aligned"):
        align_data(
            toy_model(tmp_path, model, lang), tmp_path / "lang", tmp_path / "data", tmp_path / "ali", OPTIONS
        )
    assert not (tmp_path / "ali").exists()


def test_the_model_that_aligns_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [f"--{name}={tmp_path / 'x'}" for name in ("lang", "data")]
    assert main([*given, f"--model={tmp_path}/final.mdl", f"--dir={tmp_path}"]) == 1
    assert "is where --model is, which would be overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(("with_priors", "scale", "loop_scale"), [(True, 0.1, 0.1), (False, 1.0, 1.0)])
def test_a_model_without_priors_is_a_chain_model_whatever_its_frame_rate(
    tmp_path: Path, with_priors: bool, scale: float, loop_scale: float
) -> None:
    lang = make_lang(LEXICON)
    write_lang(lang, tmp_path / "lang", chain_topology_text)
    topo = read_topology_file(str(tmp_path / "lang/topo"))
    tree = monophone_tree(dict.fromkeys(lang.phones.values(), 2))
    model = transition_model(tree, topo)
    (tmp_path / "exp").mkdir()
    am = read_am(str(toy_model(tmp_path, model, lang, tree)))
    aligner = Aligner(am if with_priors else am_nnet(model, am.nnet), tree, lang)
    assert (aligner.acoustic_scale, aligner.graph_options.self_loop_scale) == (scale, loop_scale)
    given = Aligner(am, tree, lang, AlignOptions(acoustic_scale=0.5, beam=3.0))
    assert (given.acoustic_scale, given.beams) == (0.5, (3.0, 40.0))
