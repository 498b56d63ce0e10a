"""Features, i-vectors and labels that do not fit: one line with utterance and numbers, nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import INT_VECTOR, MATRIX, POSTERIOR, VECTOR
from tests.nnet.programs.workshop import (
    CLASSES,
    DIM,
    IVECTOR,
    LENGTHS,
    error_of,
    features,
    read,
    refused,
    run,
    write,
)

NAN = float("nan")


class TestFeatures:
    @pytest.mark.parametrize(
        ("dims", "message"),
        [
            ({}, "utterance u0: the network expects features of dim 5, they have 6"),
            ({"u0": DIM}, "utterance u1: the network expects features of dim 5, they have 6"),
        ],
    )
    def test_of_another_dim_are_told_with_their_utterance(self, shop, rng, capfd, dims, message):
        write("x", MATRIX, {u: rng.random((9, dims.get(u, 6)), np.float32) for u in ("u0", "u1")})
        assert refused("nnet3-compute raw ark:x ark:out", capfd) == message

    def test_of_changing_dim_make_no_examples(self, shop, rng, capfd):
        x = features(rng)
        write("x", MATRIX, x | {"u1": x["u1"][:, :4]})
        message = refused("nnet3-get-egs --num-pdfs=4 --num-frames=4 ark:x ark:post ark:out", capfd)
        assert message == "utterance u1: features of dim 4, those before have 5"

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_with_a_nan_are_told_with_utterance_and_row(self, shop, rng, capfd, value):
        x = features(rng)
        x["u1"][3, 2] = value
        write("x", MATRIX, x)
        message = refused("nnet3-compute raw ark:x ark:out", capfd)
        assert message == "utterance u1: the features have a NaN or an infinity, first at (3, 2) of (24, 5)"
        for compress in ("true", "false"):
            options = f"--num-pdfs=4 --num-frames=4 --compress={compress}"
            message = refused(f"nnet3-get-egs {options} ark:x ark:post ark:out", capfd)
            assert message == "utterance u1: features have a NaN or an infinity in row 3"

    def test_shorter_than_the_context_are_padded_by_their_edges(self, shop, rng, kaldi):
        write("x", MATRIX, features(rng, lengths={"u0": 1, "u1": 2}))
        write("y", POSTERIOR, {"u0": [[(1, 1.0)]], "u1": [[(2, 1.0)], [(3, 1.0)]]})
        command = "nnet3-get-egs --num-pdfs=4 --left-context=9 --right-context=7 --compress=false ark:x ark:y"
        assert run(f"{command} ark:out") == 0
        x, eg = read("x"), read("out", EXAMPLE)["u1-1"]
        assert eg.io[0].features.shape == (17, DIM)
        np.testing.assert_array_equal(eg.io[0].features[:9], np.repeat(x["u1"][:1], 9, 0)[:9])
        np.testing.assert_array_equal(eg.io[0].features[9:], np.repeat(x["u1"][1:], 8, 0))
        kaldi(*command.split(), "ark:theirs")
        assert Path("theirs").read_bytes() == Path("out").read_bytes()


class TestIvectors:
    @pytest.mark.parametrize(
        ("command", "message"),
        [
            ("raw ark:feats", "the network expects no i-vector, one of dim 3 was given"),
            ("iraw ark:feats", None),
        ],
    )
    def test_for_a_network_without_them_are_refused(self, shop, capfd, command, message):
        line = f"nnet3-compute --ivectors=ark:ivectors {command} ark:out"
        if message is None:
            assert run(line) == 0
        else:
            assert refused(line, capfd) == f"utterance u0: {message}"

    def test_that_are_needed_and_not_given_are_told(self, shop, capfd):
        message = refused("nnet3-compute iraw ark:feats ark:out", capfd)
        assert message == "utterance u0: the network expects an i-vector of dim 3, none was given"

    @pytest.mark.parametrize("dim", [0, 7])
    def test_of_another_dim_are_told_with_both_dims(self, shop, capfd, dim):
        write("v", VECTOR, {u: np.ones(dim, np.float32) for u in LENGTHS})
        write(
            "o",
            MATRIX,
            {u: np.ones((-(-n // 10) if dim else 0, dim), np.float32) for u, n in LENGTHS.items()},
        )
        for options in ("--ivectors=ark:v", "--online-ivectors=ark:o --online-ivector-period=10"):
            message = refused(f"nnet3-compute {options} iraw ark:feats ark:out", capfd)
            expected = f"the network expects an i-vector of dim {IVECTOR}, one of dim {dim} was given"
            assert message == f"utterance u0: {expected}"

    def test_that_end_too_early_are_told_with_frame_and_period(self, shop, capfd):
        write("o", MATRIX, {u: np.ones((1, IVECTOR), np.float32) for u in LENGTHS})
        options = "--online-ivectors=ark:o --online-ivector-period=3"
        message = refused(f"nnet3-compute {options} iraw ark:feats ark:out", capfd)
        assert message.startswith("utterance u0: no i-vector for frame 55: 1 of them, one for every 3 frames")

    def test_with_a_nan_are_told(self, shop, capfd):
        write("v", VECTOR, {u: np.array([0, NAN, 1], np.float32) for u in LENGTHS})
        message = refused("nnet3-compute --ivectors=ark:v iraw ark:feats ark:out", capfd)
        assert message == "utterance u0: the i-vectors have a NaN or an infinity, first at (1,) of (3,)"

    def test_of_changing_dim_make_no_examples(self, shop, rng, capfd):
        rows = {u: -(-n // 10) for u, n in LENGTHS.items()}
        write("o", MATRIX, {u: rng.random((n, 4 if u == "u3" else 3), np.float32) for u, n in rows.items()})
        options = "--num-pdfs=4 --num-frames=4 --online-ivectors=ark:o --online-ivector-period=10"
        message = refused(f"nnet3-get-egs {options} ark:feats ark:post ark:out", capfd)
        assert message == "utterance u3: i-vectors of dim 4, those before have 3"


class TestLabels:
    OPTIONS = "--num-pdfs=4 --num-frames=4"

    def test_beyond_num_pdfs_are_told_with_their_utterance(self, shop, capfd):
        labels = read("post", POSTERIOR)
        write("y", POSTERIOR, labels | {"u1": [[(CLASSES, 1.0)]] * LENGTHS["u1"]})
        message = refused(f"nnet3-get-egs {self.OPTIONS} ark:feats ark:y ark:out", capfd)
        assert message == "utterance u1: class 4 is not in 0 ... 3 (--num-pdfs=4)"

    def test_that_are_not_finite_are_told_with_their_utterance(self, shop, capfd):
        write("y", POSTERIOR, read("post", POSTERIOR) | {"u1": [[(1, NAN)]] * LENGTHS["u1"]})
        message = refused(f"nnet3-get-egs {self.OPTIONS} ark:feats ark:y ark:out", capfd)
        assert message == "utterance u1: the targets have a NaN or an infinity"

    def test_of_another_length_are_warned_of_and_counted(self, shop, capfd):
        write("y", POSTERIOR, read("post", POSTERIOR) | {"u1": [[(1, 1.0)]] * 10})
        assert run(f"nnet3-get-egs {self.OPTIONS} ark:feats ark:y ark:out") == 0
        log = capfd.readouterr().err
        assert "utterance u1: expected length = 24, got 10" in log
        assert "1 utterances had errors and could not be processed." in log
        assert {key.split("-")[0] for key in read("out", EXAMPLE)} == {"u0", "u3"}

    def test_of_another_length_everywhere_are_a_failure(self, shop, capfd):
        write("y", POSTERIOR, {u: [[(1, 1.0)]] * (n + 9) for u, n in LENGTHS.items()})
        assert run(f"nnet3-get-egs {self.OPTIONS} ark:feats ark:y ark:out") == 1
        error_of(capfd.readouterr().err)

    def test_that_no_transition_has_are_told(self, shop, capfd):
        write("y", INT_VECTOR, {"u0": np.array([1, 2, 999])})
        message = refused("ali-to-pdf mdl ark:y ark:out", capfd)
        assert message.startswith("alignment of u0: 999 is no transition-id of this model, which has 1 to 8")
        assert "999 is no transition-id" in refused("nnet3-am-train-transitions mdl ark:y out", capfd)
