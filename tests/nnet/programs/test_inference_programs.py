"""nnet3-compute-batch, nnet3-xvector-compute, nnet3-xvector-compute-batched."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.formats.kinds import MATRIX, VECTOR
from nnet.formats.model import write_nnet
from nnet.xvector_chunks import chunk_starts
from tests.networks import network
from tests.nnet.programs.workshop import DIM, error_of, log_lines, read, run, write

XVECTOR = """
input-node name=input dim=5
component name=a type=NaturalGradientAffineComponent input-dim=15 output-dim=6
component-node name=a component=a input=Append(Offset(input, -1), input, Offset(input, 1))
component name=relu type=RectifiedLinearComponent dim=6
component-node name=relu component=relu input=a
component name=ex type=StatisticsExtractionComponent input-dim=6 include-variance=true
component-node name=ex component=ex input=relu
component name=p type=StatisticsPoolingComponent left-context=0 input-dim=13 right-context=99 output-stddevs=true
component-node name=pool component=p input=ex
component name=b type=AffineComponent input-dim=12 output-dim=4
component-node name=b component=b input=Round(pool, 1)
output-node name=output input=b
"""  # noqa: E501 - config lines are as long as they are
LSTM_LIKE = """
input-node name=input dim=5
component name=a type=AffineComponent input-dim=9 output-dim=4
component-node name=a component=a input=Append(Offset(input, -2), IfDefined(Offset(h, -1)))
component name=h type=TanhComponent dim=4
component-node name=h component=h input=a
output-node name=output input=Offset(h, 1)
"""


@pytest.fixture
def models(shop):
    """The workshop with a network for x-vectors and a recurrent one."""
    write_nnet(network(XVECTOR), "xvector.raw")
    write_nnet(network(LSTM_LIKE), "recurrent.raw")
    # u2 has one frame: its variance is nothing but rounding
    write("moving", MATRIX, {u: x for u, x in read("feats").items() if len(x) > 1})
    return shop


def close(kind, tolerance=3e-6):
    """Whether tables `ours` and `theirs` have the same keys in the same order, and nearly the same values."""
    ours, theirs = read("ours", kind), read("theirs", kind)
    assert list(ours) == list(theirs) and len(ours) > 0
    for key, y in theirs.items():
        assert ours[key].shape == y.shape
        np.testing.assert_allclose(ours[key], y, atol=tolerance * np.abs(y).max(), err_msg=key)


ONLINE = "--online-ivectors=ark:online --online-ivector-period=10 iraw"


@pytest.mark.parametrize(
    "options",
    [
        "raw",
        "--frames-per-chunk=20 --minibatch-size=2 raw",
        "--frames-per-chunk=20 --frame-subsampling-factor=3 raw",
        "--frames-per-chunk=200 --ensure-exact-final-context=true recurrent.raw",
        "--frames-per-chunk=40 --minibatch-size=3 recurrent.raw",
        "--frames-per-chunk=9 --extra-left-context=5 --extra-left-context-initial=0 --edge-minibatch-size=1 "
        "--extra-right-context=2 --extra-right-context-final=4 recurrent.raw",
        f"--frames-per-chunk=12 {ONLINE}",
        f"--frames-per-chunk=150 {ONLINE}",
        "--ivectors=ark:ivectors iraw",
        "--apply-exp=true --use-priors=true mdl",
    ],
)
def test_batched_outputs_are_kaldis(models, kaldi, options):
    kaldi("nnet3-compute-batch", "--use-gpu=no", *options.split(), "ark:feats", "ark:theirs")
    assert run(f"nnet3-compute-batch --use-gpu=no {options} ark:feats ark:ours") == 0
    close(MATRIX)


def test_batches_do_not_change_the_outputs_of_a_feed_forward_network(models):
    for count in ("1", "3", "128"):
        for size in ("7", "50"):
            options = f"--minibatch-size={count} --frames-per-chunk={size}"
            assert run(f"nnet3-compute-batch {options} raw ark:feats ark:ours") == 0
            assert run("nnet3-compute raw ark:feats ark:theirs") == 0
            close(MATRIX)


def test_chunks_that_wait_too_long_are_computed(models, rng):
    write(
        "many",
        MATRIX,
        {f"u{i}": rng.standard_normal((9 + i % 40, DIM)).astype(np.float32) for i in range(90)},
    )
    options = "--frames-per-chunk=30 --ensure-exact-final-context=true"
    assert run(f"nnet3-compute-batch --minibatch-size=2 {options} raw ark:many ark:ours") == 0
    assert run("nnet3-compute raw ark:many ark:theirs") == 0
    close(MATRIX)


def test_utterances_without_frames_or_ivectors_are_left_out(models, capsys):
    write("gaps", MATRIX, read("feats") | {"empty": np.zeros((0, 0), np.float32)})
    write("few", VECTOR, {u: x for u, x in read("ivectors", VECTOR).items() if u != "u1"})
    assert run("nnet3-compute-batch --ivectors=ark:few iraw ark:gaps ark:out") == 0
    text = capsys.readouterr().err
    assert "Zero-length utterance: empty" in text and "No iVector available for utterance u1" in text
    assert log_lines(text)[-1] == "Done 3 utterances, failed for 2" and list(read("out")) == [
        "u0",
        "u2",
        "u3",
    ]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--min-chunk-size=10",
        "--chunk-size=20 --min-chunk-size=8",
        "--chunk-size=25 --min-chunk-size=12 --pad-input=false",
        "--pad-input=false --min-chunk-size=2 --chunk-size=500",
    ],
)
def test_xvectors_are_kaldis(models, kaldi, options):
    kaldi("nnet3-xvector-compute", *options.split(), "xvector.raw", "ark:moving", "ark:theirs")
    assert run(f"nnet3-xvector-compute {options} xvector.raw ark:moving ark:ours") == 0
    close(VECTOR)


@pytest.mark.parametrize(
    "options", ["", "--chunk-size=12 --batch-size=3", "--chunk-size=20", "--chunk-size=24 --batch-size=2"]
)
def test_batched_xvectors_are_kaldis(models, kaldi, options):
    kaldi("nnet3-xvector-compute-batched", *options.split(), "xvector.raw", "ark:moving", "ark:theirs")
    assert run(f"nnet3-xvector-compute-batched {options} xvector.raw ark:moving ark:ours") == 0
    close(VECTOR)


def test_a_batched_xvector_is_the_mean_over_its_chunks(models):
    assert (
        run("nnet3-xvector-compute-batched --chunk-size=20 --batch-size=5 xvector.raw ark:moving ark:ours")
        == 0
    )
    feats, ours = read("feats"), read("ours", VECTOR)
    starts = chunk_starts(len(feats["u0"]), 20, 1)
    assert starts == [0, 20, 40]
    write("parts", MATRIX, {f"{t}": feats["u0"][t : t + 20] for t in starts})
    assert run("nnet3-xvector-compute --min-chunk-size=1 xvector.raw ark:parts ark:theirs") == 0
    mean = np.mean(list(read("theirs", VECTOR).values()), axis=0)
    np.testing.assert_allclose(ours["u0"], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "frames, chunk, context, starts",
    [
        (10, 20, 4, [0]),
        (20, 20, 4, [0]),
        (36, 20, 4, [0, 16]),  # fits exactly
        (39, 20, 4, [1, 18]),  # three frames to spare, in three gaps
        (50, 20, 4, [0, 15, 30]),  # two frames used twice
        (1004, 104, 4, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]),
    ],
)
def test_chunks_have_the_least_gaps_or_overlaps(frames, chunk, context, starts):
    assert chunk_starts(frames, chunk, context) == starts


def test_short_utterances_are_left_out_where_they_are_not_padded(models, capsys):
    write("gaps", MATRIX, read("feats") | {"empty": np.zeros((0, 0), np.float32)})
    assert (
        run("nnet3-xvector-compute --pad-input=false --min-chunk-size=30 xvector.raw ark:gaps ark:out") == 0
    )
    assert (
        run("nnet3-xvector-compute-batched --pad-input=false --chunk-size=30 xvector.raw ark:gaps ark:some")
        == 1
    )
    text = capsys.readouterr().err
    assert list(read("out", VECTOR)) == list(read("some", VECTOR)) == ["u0", "u3"]
    assert "Minimum chunk size of 30 is greater than the number of rows in utterance: u1" in text
    assert (
        "Zero-length utterance: empty" in text and "24 frames are fewer than the chunk size of 30: u1" in text
    )
    lines = log_lines(text)
    assert "Done 2 utterances, failed for 3" in lines and lines[-1] == "Read 4 utterances, wrote 2 xvectors."
    assert "Left/right context is 0, 1" in lines


def test_utterances_all_of_whose_chunks_are_too_short_are_left_out(models, capsys):
    options = "--pad-input=false --chunk-size=12 --min-chunk-size=20"
    assert run(f"nnet3-xvector-compute {options} xvector.raw ark:feats ark:o") == 1
    text = capsys.readouterr().err
    assert "All chunks are shorter than the minimum of 20: u0" in text
    assert error_of(text) == "ark:feats: none of 4 utterances could be computed"


@pytest.mark.parametrize(
    "command, message",
    [
        (
            "nnet3-compute-batch --minibatch-size=0 raw ark:feats ark:o",
            "--minibatch-size=0 must be at least 1",
        ),
        ("nnet3-compute-batch raw ark:online ark:o", "utterance u0: the network expects features of dim 5"),
        ("nnet3-compute-batch --frames-per-chunk=0 raw ark:feats ark:o", "--frames-per-chunk=0"),
        ("nnet3-compute-batch raw ark:none ark:o", "ark:none: none of 0 utterances"),
        (
            "nnet3-xvector-compute --chunk-size=0 xvector.raw ark:feats ark:o",
            "--chunk-size=0 must be at least 1",
        ),
        (
            "nnet3-xvector-compute xvector.raw ark:online ark:o",
            "utterance u0: the network expects features of dim 5",
        ),
        ("nnet3-xvector-compute iraw ark:feats ark:o", "x-vectors need 'input' alone"),
        (
            "nnet3-xvector-compute xvector.raw ark:nan ark:o",
            "utterance n: the features have a NaN or an infinity in frame 3",
        ),
        (
            "nnet3-xvector-compute-batched --chunk-size=1 xvector.raw ark:feats ark:o",
            "--chunk-size=1 must be more than",
        ),
        (
            "nnet3-xvector-compute-batched xvector.raw ark:online ark:o",
            "utterance u0: the network expects features",
        ),
        ("nnet3-to-onnx recurrent.raw o", "is recurrent; only feed-forward networks can be exported to ONNX"),
        ("nnet3-to-onnx --outputs=x raw o", "the network has no output-node x"),
        ("nnet3-to-npz nothing.raw o", "nothing.raw"),
    ],
)
def test_mistakes_end_in_one_line_and_status_one(models, capsys, command, message):
    bad = np.zeros((200, DIM), np.float32)
    bad[3, 1] = np.nan
    write("nan", MATRIX, {"n": bad})
    write("none", MATRIX, {})
    assert run(command) == 1
    assert message in error_of(capsys.readouterr().err)
    assert not (models / "o").exists()
