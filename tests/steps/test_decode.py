"""Decoding a toy language, counting errors, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("kaldi_decoder")
pytest.importorskip("kaldialign")

from nnet.formats.kinds import DOUBLE_MATRIX, INT_VECTOR, MATRIX
from nnet.formats.model import AmNnet, read_am
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.tree import monophone_tree
from steps.decode import DecodeOptions, Decoder, decode_data, error_rate
from steps.decode_command import Options, main
from steps.features import cmvn_stats
from steps.graph import decoding_graph, word_loop, write_graph
from steps.options import parse
from steps.search import best_path
from tests.steps.toy import toy_feats, toy_ids, toy_lang, toy_model, write_toy_data

SPOKEN = {"a": ["n", "o"], "b": ["SIL", "o", "n", "n", "o"], "c": ["n", "o", "SIL", "n", "o"]}
SAID = {"a": "no", "b": "on no", "c": "no no"}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A directory with lang, graph, exp/final.mdl and data."""
    lang, model = toy_lang(tmp_path)
    tree = monophone_tree(dict.fromkeys(lang.phones.values(), 3))
    write_graph(tmp_path / "graph", decoding_graph(word_loop(lang), tree, model), lang, model)
    toy_model(tmp_path, model, lang)
    feats = {u: toy_feats(model, toy_ids(lang, model, p, 6 * len(p))) for u, p in SPOKEN.items()}
    write_toy_data(tmp_path / "data", feats, SAID)
    return tmp_path


def decoded(top: Path) -> float:
    options = DecodeOptions(acoustic_scale=1.0)
    return decode_data(top / "exp/final.mdl", top / "graph", top / "data", top / "out", options).wer


def test_clear_speech_is_recognised(toy: Path) -> None:
    assert decoded(toy) == 0.0
    assert (toy / "out" / "hyp.txt").read_text() == "a no\nb on no\nc no no\n"
    assert (toy / "out" / "wer").read_text() == "%WER 0.00 [ 0 / 5, 0 ins, 0 del, 0 sub ]\n"


def test_kaldis_decoder_takes_model_and_graph_and_finds_the_same_path(
    toy: Path, kaldi: Callable[..., subprocess.CompletedProcess[bytes]]
) -> None:
    places = [toy / "exp/final.mdl", toy / "graph/HCLG.fst", f"scp:{toy}/data/feats.scp"]
    out = ["ark:/dev/null", f"ark:{toy}/words.ark", f"ark:{toy}/ali.ark"]
    kaldi("nnet3-latgen-faster", "--acoustic-scale=1.0", "--beam=15", *places, *out)
    theirs = {key: dict(read_table(f"ark:{toy}/{key}.ark", INT_VECTOR)) for key in ("words", "ali")}
    decoder = Decoder(read_am(str(toy / "exp/final.mdl")), toy / "graph")
    for utterance, feats in read_table(f"scp:{toy}/data/feats.scp", MATRIX):
        scores = decoder.model.by_transition_id(decoder.model.log_likelihoods(feats), 1.0)
        ours = best_path(decoder.fst, scores, 15.0)
        assert ours is not None
        assert ours.words == theirs["words"][utterance].tolist()
        assert ours.ids.tolist() == theirs["ali"][utterance].tolist()


def test_errors_are_counted_by_kind(toy: Path) -> None:
    (toy / "data" / "text").write_text("a on\nb on\nc no no no\n")
    rate = decode_data(
        toy / "exp/final.mdl", toy / "graph", toy / "data", toy / "out", DecodeOptions(acoustic_scale=1.0)
    )
    assert (rate.insertions, rate.deletions, rate.substitutions, rate.words) == (1, 1, 1, 5)
    assert (rate.utterances, rate.wrong_utterances) == (3, 3)
    assert rate.wer == 60.0


def test_the_command_gives_the_same_result(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = [f"--model={toy}/exp/final.mdl", f"--graph={toy}/graph", f"--data={toy}/data", f"--dir={toy}/o"]
    assert main([*places, "--acoustic-scale=1.0"]) == 0
    assert capsys.readouterr().out == "%WER 0.00 [ 0 / 5, 0 ins, 0 del, 0 sub ]\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--graph=nowhere"], "nowhere/HCLG.fst is missing or empty"),
        (["--beems=3"], "did you mean --beam"),
        (["--online-ivector-dir=nowhere"], "nowhere/ivector_period"),
    ],
)
def test_the_command_complains_in_one_line(
    toy: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    places = [f"--model={toy}/exp/final.mdl", f"--graph={toy}/graph", f"--data={toy}/data", f"--dir={toy}/o"]
    assert main([*places, *more]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_features_are_normalised_as_the_models_were(toy: Path) -> None:
    (toy / "exp" / "cmvn_opts").write_text("--norm-means=true --norm-vars=false\n")
    with pytest.raises(OSError, match=r"cmvn\.scp"):
        decoded(toy)
    stats = np.zeros((2, 10))
    stats[0, -1] = 7.0  # of mean 0
    with TableWriter(f"ark,scp:{toy}/data/cmvn.ark,{toy}/data/cmvn.scp", DOUBLE_MATRIX) as writer:
        for speaker in ("a", "b", "c"):
            writer.write(speaker, stats)
    assert decoded(toy) == 0.0
    (toy / "data" / "utt2spk").write_text("a a\nb b\nc unknown\n")
    with pytest.raises(ValueError, match=r"no cmvn statistics for utterance c \(speaker unknown\)"):
        decoded(toy)


def test_a_graph_for_another_model_is_refused(toy: Path) -> None:
    (toy / "graph" / "num_pdfs").write_text("96\n")
    with pytest.raises(ValueError, match="is for 96 pdfs, the model has 9"):
        decoded(toy)


def test_a_model_without_priors_is_refused(toy: Path) -> None:
    am = read_am(str(toy / "exp/final.mdl"))
    bare = AmNnet(am.transitions, am.nnet, 0, 0)
    with pytest.raises(ValueError, match="no priors; run nnet3-am-adjust-priors"):
        Decoder(bare, toy / "graph")


def test_an_utterance_without_reference_is_refused(toy: Path) -> None:
    (toy / "data" / "text").write_text("a no\n")
    with pytest.raises(ValueError, match=r"has no words for b \(2 utterances in all\)"):
        decoded(toy)


def test_a_word_that_words_txt_lacks_is_named(toy: Path) -> None:
    (toy / "graph" / "words.txt").write_text("<eps> 0\non 3\n")
    with pytest.raises(ValueError, match=r"word number 2, which its words\.txt lacks"):
        decoded(toy)


def test_missing_ivectors_are_named(toy: Path) -> None:
    with TableWriter(f"ark,scp:{toy}/iv.ark,{toy}/iv.scp", MATRIX) as writer:
        writer.write("z", np.zeros((1, 3), np.float32))
    options = DecodeOptions(online_ivectors=f"scp:{toy}/iv.scp")
    with pytest.raises(ValueError, match="no i-vectors for utterance a"):
        decode_data(toy / "exp/final.mdl", toy / "graph", toy / "data", toy / "out", options)


def test_an_empty_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="the reference has no words"):
        error_rate({"a": []}, {"a": ["no"]})


def test_statistics_are_sums_and_counts() -> None:
    stats = cmvn_stats(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
    assert stats.tolist() == [[4.0, 6.0, 2.0], [10.0, 20.0, 0.0]]


def test_the_period_of_ivectors_is_read_from_their_directory(tmp_path: Path) -> None:
    (tmp_path / "ivector_period").write_text("10\n")
    words = ["--model=m", "--graph=g", "--data=d", "--dir=o", f"--online-ivector-dir={tmp_path}"]
    settings = parse(Options, [*words, "--frames-per-chunk=40", "--beam=9"]).decoding()
    assert settings.online_ivectors == f"scp:{tmp_path}/ivector_online.scp"
    assert (settings.online_ivector_period, settings.chunks.frames_per_chunk, settings.beam) == (10, 40, 9.0)


def test_a_missing_package_is_one_line(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kaldi_decoder", None)
    places = [f"--model={toy}/exp/final.mdl", f"--graph={toy}/graph", f"--data={toy}/data", f"--dir={toy}/o"]
    assert main(places) == 1
    assert capsys.readouterr().err == "decode: kaldi_decoder is missing: pip install -e '.[decode]'\n"


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 1)])
def test_help_lists_the_options(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == status
    assert "--acoustic-scale" in capsys.readouterr().err
