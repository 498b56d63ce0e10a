"""nnet3-compute: Kaldi's outputs, chunks and contexts, i-vectors, priors, what is counted as failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.combination import set_test_modes
from nnet.formats.kinds import MATRIX, TOKEN, VECTOR
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.context import sees_windows
from nnet.inference import ChunkOptions, Inference
from tests.networks import network
from tests.nnet.programs.workshop import (
    GOLDEN,
    LENGTHS,
    PLAIN,
    WITH_IVECTOR,
    error_of,
    features,
    log_lines,
    read,
    run,
    settled,
    write,
)

WIDE = PLAIN.replace("Offset(input, -1)", "Offset(input, -4)").replace("Offset(input, 1)", "Offset(input, 3)")


def outputs(options: str = "", model: str = "raw", feats: str = "feats") -> dict[str, np.ndarray]:
    """The outputs of a model for all utterances."""
    assert run(f"nnet3-compute {options} {model} ark:{feats} ark:out") == 0
    return read("out")


def close(a: dict[str, np.ndarray], b: dict[str, np.ndarray], tolerance: float = 1e-5) -> bool:
    """Whether two tables have the same keys and nearly the same matrices."""
    return list(a) == list(b) and all(
        a[k].shape == b[k].shape and np.allclose(a[k], b[k], rtol=tolerance, atol=tolerance) for k in a
    )


def test_outputs_are_kaldis(tmp_path, monkeypatch):
    monkeypatch.chdir(GOLDEN)
    assert run(f"nnet3-compute --use-gpu=no --frames-per-chunk=20 0.raw ark:feats.ark ark:{tmp_path}/o") == 0
    assert close(read(f"{tmp_path}/o"), read("output.ark"))


@pytest.mark.parametrize("text", [PLAIN, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("options", [
    "--frames-per-chunk=1", "--frames-per-chunk=7", "--frames-per-chunk=50", "--frames-per-chunk=61",
    "--frames-per-chunk=9 --extra-left-context=5 --extra-right-context=2",
    "--frames-per-chunk=9 --extra-left-context-initial=0 --extra-right-context-final=4",
])  # fmt: skip
def test_chunks_and_contexts_make_no_difference_to_a_feed_forward_network(shop, text, options):
    write_nnet(settled(text), "raw")
    whole = outputs("--frames-per-chunk=1000")
    assert {u: y.shape for u, y in whole.items()} == {u: (n, 4) for u, n in LENGTHS.items()}
    assert close(outputs(options), whole)


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("longest", [20, 33, 2048])
def test_long_pieces_give_what_chunks_give(shop, monkeypatch, longest, factor):
    monkeypatch.setattr("nnet.inference.LONGEST", longest)
    monkeypatch.setattr("nnet.inference.LENGTHS", 4)
    options = ChunkOptions(frames_per_chunk=12, frame_subsampling_factor=factor)
    pieces, chunks = (Inference(set_test_modes(settled(WIDE)), options) for _ in range(2))
    assert not pieces.chunks_matter
    chunks.chunks_matter = True
    feats = read("feats")
    expected = {u: chunks.compute(x) for u, x in feats.items()}
    assert close({u: pieces.compute(x) for u, x in feats.items()}, expected)


def test_chunks_matter_to_what_sees_edges_of_the_input_or_the_minibatch():
    assert not sees_windows(settled(PLAIN))  # batch-norm is not in test mode
    at_zero = PLAIN.replace("Offset(input, 1)", "ReplaceIndex(input, t, 0)")
    for text, local in ((WITH_IVECTOR, True), (RECURRENT, False), (at_zero, False)):
        assert sees_windows(set_test_modes(network(text))) == local


RECURRENT = """
input-node name=input dim=5
component name=a type=AffineComponent input-dim=13 output-dim=8
component-node name=a component=a input=Append(input, IfDefined(Offset(t, -3)))
component name=t type=TanhComponent dim=8
component-node name=t component=t input=a
output-node name=output input=t
"""
LIKE_KALDI = [
    "", "--frames-per-chunk=10", "--frames-per-chunk=10 --extra-left-context=4",
    "--frames-per-chunk=10 --extra-left-context=6 --extra-left-context-initial=0 --extra-right-context=2",
    "--frames-per-chunk=12 --frame-subsampling-factor=3", "--acoustic-scale=0.3", "--apply-exp=true",
    "--acoustic-scale=0.5 --apply-exp=true --frame-subsampling-factor=4 --frames-per-chunk=7",
]  # fmt: skip


@pytest.mark.parametrize("options", LIKE_KALDI)
@pytest.mark.parametrize("text", [PLAIN, RECURRENT], ids=["feed-forward", "recurrent"])
def test_every_option_does_what_kaldis_does(shop, kaldi, text, options):
    write_nnet(settled(text) if text == PLAIN else network(text), "raw")
    kaldi("nnet3-compute", *options.split(), "raw", "ark:feats", "ark:theirs")
    assert close(outputs(options), read("theirs"))


@pytest.mark.parametrize("options", [
    "--ivectors=ark:ivectors",
    "--online-ivectors=ark:online --online-ivector-period=10",
    "--online-ivectors=ark:online --online-ivector-period=10 --frames-per-chunk=8",
    "--online-ivectors=ark:online --online-ivector-period=10 --frames-per-chunk=21 --extra-left-context=3",
    "--online-ivectors=ark:online --online-ivector-period=10 --frames-per-chunk=9 "
    "--frame-subsampling-factor=3",
])  # fmt: skip
def test_ivectors_are_those_that_kaldi_takes(shop, kaldi, options):
    kaldi("nnet3-compute", *options.split(), "iraw", "ark:feats", "ark:theirs")
    assert close(outputs(options, "iraw"), read("theirs"))


def test_ivectors_of_speakers_are_found_by_the_map(shop):
    vectors = {"s0": np.array([1, 2, 3], np.float32), "s1": np.array([-1, 0, 1], np.float32)}
    write("speakers", VECTOR, vectors)
    write("utt2spk", TOKEN, {u: "s0" if u < "u2" else "s1" for u in LENGTHS})
    write("each", VECTOR, {u: vectors["s0" if u < "u2" else "s1"] for u in LENGTHS})
    by_speaker = outputs("--ivectors=ark:speakers --utt2spk=ark:utt2spk", "iraw")
    assert close(by_speaker, outputs("--ivectors=ark:each", "iraw"), 0)


def test_an_online_ivector_is_held_beyond_the_last_row_for_half_a_second(shop, rng):
    """Chunks of 10 frames of an utterance of 61: rows for the first 20 serve 50 more, but no further."""
    inference = Inference(read_nnet("iraw"), ChunkOptions(frames_per_chunk=10))
    x, vectors = features(rng)["u0"], rng.standard_normal((2, 3)).astype(np.float32)
    held = inference.compute(x, np.concatenate([vectors, np.repeat(vectors[1:], 5, 0)]), 10)
    np.testing.assert_array_equal(inference.compute(x, vectors, 10), held)
    longer = np.concatenate([x, x])
    with pytest.raises(ValueError, match=r"no i-vector for frame 74: 2 of them, one for every 10 frames"):
        inference.compute(longer, vectors, 10)


def test_utterances_without_ivector_are_counted(shop, capfd):
    vectors = read("ivectors", VECTOR)
    del vectors["u1"]
    write("some", VECTOR, vectors)
    assert list(outputs("--ivectors=ark:some", "iraw")) == ["u0", "u2", "u3"]
    log = capfd.readouterr().err
    assert "WARNING" in log and "u1: no i-vector" in log
    assert log_lines(log)[-1] == "Done 3 utterances, failed for 1"
    write("map", TOKEN, {"u0": "u0"})
    assert list(outputs("--ivectors=ark:some --utt2spk=ark:map", "iraw")) == ["u0"]


def test_empty_utterances_are_counted(shop, rng, capfd):
    write("x", MATRIX, {"a": np.zeros((0, 0), np.float32)} | features(rng))
    assert list(outputs(feats="x")) == list(LENGTHS)
    log = capfd.readouterr().err
    assert "a: zero-length utterance" in log and log_lines(log)[-1] == "Done 4 utterances, failed for 1"
    assert log_lines(log)[-2].startswith("Time taken ")
    assert "real-time factor assuming 100 frames/sec is " in log_lines(log)[-2]


def test_nothing_computed_is_an_error_and_nothing_is_written(shop, capfd):
    write("x", MATRIX, {"a": np.zeros((0, 0), np.float32)})
    assert run("nnet3-compute raw ark:x ark:out") == 1
    assert error_of(capfd.readouterr().err) == "ark:x: none of 1 utterances could be computed"
    assert not Path("out").exists()


def test_priors_are_subtracted_before_the_scale(shop):
    plain = outputs(model="mdl")
    assert close(plain, outputs(model="raw"), 0)
    for options, scale in (("", 1.0), ("--acoustic-scale=0.5", 0.5)):
        expected = {u: scale * (y - np.log([0.1, 0.2, 0.3, 0.4])) for u, y in plain.items()}
        assert close(outputs(f"--use-priors=true {options}".strip(), "mdl"), expected)


def test_a_model_without_priors_is_refused_where_they_are_wanted(shop, capfd):
    assert run("nnet3-am-init mdl raw bare") == 0
    capfd.readouterr()
    assert run("nnet3-compute --use-priors=true bare ark:feats ark:out") == 1
    assert error_of(capfd.readouterr().err).startswith("bare has no priors; run nnet3-am-adjust-priors")


def test_tables_may_be_text_script_or_pipe(shop):
    assert run("copy-feats ark:feats ark,scp:f.ark,f.scp") == 0
    assert run("nnet3-compute raw scp:f.scp ark,t:out.txt") == 0
    assert close(read("out.txt"), outputs())


def test_random_components_do_not_act(shop):
    dropping = settled()
    dropping.components["h1.dropout"].test_mode = False
    dropping.components["h1.dropout"].dropout_proportion = 0.5
    write_nnet(dropping, "dropping")
    assert close(outputs(model="dropping"), outputs(), 0)


def test_chunks_are_rounded_up_to_what_the_network_repeats(shop):
    inference = Inference(network(RECURRENT), ChunkOptions(frames_per_chunk=10, frame_subsampling_factor=4))
    assert inference.frames_per_chunk == 12
    assert [(c.first, c.count) for c in inference.chunks(27)] == [(0, 3), (12, 3), (24, 1)]
