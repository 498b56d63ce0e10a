"""nnet3-get-egs-dense-targets, -get-egs-simple, -xvector-get-egs, -egs-augment-image on the command line."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.matrix import compress, dense, from_pairs
from nnet.formats.tables import GENERAL_MATRIX, MATRIX
from nnet.programs import nnet3_egs_augment_image
from tests.nnet.examples.toys import indexes
from tests.nnet.programs.workshop import error_of, log_lines, read, run, write

RANGES = """u0 0 7 0 20 3
u0 2 7 25 20 0
u1 1 7 20 10 4
u1 0 7 3 24 1
u2 1 7 0 20 2
u9 1 7 0 20 2
"""


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    """Features (dense, compressed), dense and sparse targets, i-vectors, ranges and examples with images."""
    monkeypatch.chdir(tmp_path)
    lengths = {"u0": 48, "u1": 24, "u2": 9, "u3": 36, "u4": 60}
    feats = {u: rng.standard_normal((n, 5)).astype(np.float32) for u, n in lengths.items()}
    write("feats", MATRIX, feats)
    write("packed", GENERAL_MATRIX, {u: compress(x) for u, x in feats.items()})
    write(
        "thirds",
        MATRIX,
        {u: rng.standard_normal((-(-n // 3), 4)).astype(np.float32) for u, n in lengths.items()},
    )
    targets = {
        u: rng.standard_normal((n + n % 2, 4)).astype(np.float32) for u, n in lengths.items() if u != "u3"
    }
    write("targets", MATRIX, targets)
    write("sparse", GENERAL_MATRIX, {u: from_pairs([[(2, 1.0)]] * 2, 6) for u in ("u0", "u1", "u4")})
    write("ivectors", MATRIX, {u: np.full((-(-n // 10), 3), n, np.float32) for u, n in lengths.items()})
    (tmp_path / "ranges").write_text(RANGES)
    write("images", EXAMPLE, {f"i{k}": image_example(rng, k) for k in range(12)})
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def image_example(rng, k, width=9, height=6, channels=3):
    x = rng.random((width, height * channels)).astype(np.float32)
    label = from_pairs([[(k % 4, 1.0)]], 4)
    return NnetExample(
        [
            NnetIo("input", indexes(range(width)), compress(x) if k % 2 else x),
            NnetIo("output", indexes([0]), label),
        ]
    )


DENSE = "nnet3-get-egs-dense-targets"


@pytest.mark.parametrize(
    "command",
    [
        f"{DENSE} --num-targets=4 --num-frames=12 ark:feats ark:targets ark:{{}}",
        f"{DENSE} --num-frames=12 ark:packed ark:targets ark:{{}}",
        f"{DENSE} --num-frames=12 --num-frames-overlap=4 --left-context=3 --right-context=2 "
        "ark:packed ark:targets ark:{}",
        f"{DENSE} --num-frames=12 --compress=false --online-ivectors=ark:ivectors --online-ivector-period=10 "
        "ark:feats ark:targets ark:{}",
        f"{DENSE} --num-frames=12 --frame-subsampling-factor=3 ark:feats ark:thirds ark:{{}}",
        f"{DENSE} --num-frames=500 ark:feats ark:targets ark:{{}}",
        "nnet3-get-egs-simple input=ark:feats ark:{}",
        "nnet3-get-egs-simple input=ark:packed out=ark:sparse ark:{}",
        "nnet3-get-egs-simple input=ark:feats output=ark:targets x=ark:ivectors ark,t:{}",
        "nnet3-get-egs-simple input=ark:empty ark:{}",
        "nnet3-egs-augment-image --num-channels=3 ark:images ark:{}",
        "nnet3-egs-augment-image --horizontal-flip-prob=1 ark:images ark:{}",
        "nnet3-egs-augment-image --horizontal-flip-prob=1 --fill-mode=reflect ark:images ark:{}",
        "nnet3-egs-augment-image --rotation-prob=1 --horizontal-shift=0.04 ark:images ark:{}",
        "nnet3-egs-augment-image ark:empty ark:{}",
    ],
)
def test_output_and_status_are_kaldis_byte_for_byte(folder, kaldi, command):
    program, *arguments = command.format("theirs").split()
    status = kaldi(program, *arguments, check=False).returncode
    assert run(command.format("ours")) == status
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


@pytest.mark.parametrize("options", ["--num-pdfs=6", "--num-pdfs=5 --compress=false"])
def test_xvector_examples_are_kaldis_byte_for_byte(folder, kaldi, options):
    command = f"nnet3-xvector-get-egs {options} ranges ark:packed ark:{{0}}0 ark:{{0}}1 ark,t:{{0}}2"
    program, *arguments = command.format("theirs").split()
    theirs = kaldi(program, *arguments)
    assert run(command.format("ours")) == 0
    for i in range(3):
        assert (folder / f"ours{i}").read_bytes() == (folder / f"theirs{i}").read_bytes()
    assert b"wrote 4 examples; 2 files had errors." in theirs.stderr


def test_ranges_that_do_not_fit_are_told_of(folder, capsys):
    assert run("nnet3-xvector-get-egs --num-pdfs=6 ranges ark:feats ark:a ark:b ark:c") == 0
    text = capsys.readouterr().err
    assert "Requested chunk size of 20 but utterance has only 9 frames." in text
    assert "Could not create examples from utterance u3 because it has no entry" in text
    assert log_lines(text) == [
        "Finished generating examples, successfully processed 3 feature files, wrote 4 examples; "
        "2 files had errors."
    ]
    egs = read("a", EXAMPLE) | read("b", EXAMPLE)
    assert list(egs) == ["u0-0-20-3", "u1-3-24-1", "u1-20-10-4"]
    late = dense(egs["u1-20-10-4"].io[0].features)  # moved back to end with the utterance
    np.testing.assert_allclose(late, read("feats")["u1"][14:], atol=0.03)


def test_dense_targets_count_short_utterances_as_errors(folder, capsys):
    assert run(f"{DENSE} --num-frames=30 ark:feats ark:targets ark:out") == 0
    text = capsys.readouterr().err
    assert "No target matrix for key u3" in text and "u2 because it is too short: 9 frames." in text
    assert "3 utterances had errors and could not be processed." in text


def test_simple_examples_leave_out_keys_that_a_table_lacks(folder, capsys):
    assert run("nnet3-get-egs-simple input=ark:feats output=ark:sparse ark:out") == 0
    assert list(read("out", EXAMPLE)) == ["u0", "u1", "u4"]
    text = capsys.readouterr().err
    assert "Could not find input for key u2 for io-name=output" in text
    assert "2 utterances had errors and could not be processed." in text


class KaldiRandom:
    """Kaldi's random numbers: the C library's, in the order that Kaldi's programs draw them."""

    def __init__(self, seed):
        self.c = ctypes.CDLL(None)
        self.c.srand(seed)

    def random(self):
        return float(np.float32((self.c.rand() + 1.0) / (2**31 + 1.0)))


@pytest.mark.parametrize(
    "options",
    [
        "--horizontal-shift=0.4 --vertical-shift=0.6",
        "--horizontal-shift=0.9 --vertical-shift=0.9 --fill-mode=reflect",
        "--horizontal-shift=0.3 --horizontal-flip-prob=0.5 --num-channels=3",
        "--rotation-degree=60 --rotation-prob=0.7 --num-channels=3",
        "--rotation-degree=180 --rotation-prob=1 --fill-mode=reflect --num-channels=3",
        "--rotation-degree=30 --rotation-prob=1 --vertical-shift=0.2 --horizontal-flip-prob=0.3",
    ],
)
def test_given_kaldis_random_numbers_images_change_as_kaldis(folder, kaldi, monkeypatch, options):
    program, seed = "nnet3-egs-augment-image", "--srand=17"
    kaldi(program, seed, *options.split(), "ark:images", "ark:theirs")
    source = SimpleNamespace(default_rng=KaldiRandom)
    monkeypatch.setattr(nnet3_egs_augment_image, "np", SimpleNamespace(random=source))
    assert run(f"{program} {seed} {options} ark:images ark:ours") == 0
    before, ours, theirs = (read(name, EXAMPLE) for name in ("images", "ours", "theirs"))
    changed = 0
    for key, eg in ours.items():
        x, y = eg.io[0].features, theirs[key].io[0].features
        np.testing.assert_allclose(x, y, atol=2e-5, err_msg=key)
        changed += not np.array_equal(x, dense(before[key].io[0].features))
    assert changed > 6


def test_the_seed_decides_the_images(folder, capsys):
    contents = []
    for seed in (1, 1, 2):
        assert run(f"nnet3-egs-augment-image --srand={seed} --horizontal-shift=0.5 ark:images ark:out") == 0
        contents.append((folder / "out").read_bytes())
    assert contents[0] == contents[1] != contents[2]
    assert log_lines(capsys.readouterr().err)[0] == "Perturbed 12 neural-network training images."


@pytest.mark.parametrize(
    "command, message",
    [
        (
            f"{DENSE} --num-targets=3 ark:feats ark:targets ark:o",
            "utterance u0: targets have 4 columns, expected 3",
        ),
        ("nnet3-get-egs-simple feats ark:o", "feats: expected a name and a table, as in input=ark:feats.ark"),
        ("nnet3-get-egs-simple input=feats ark:o", "input=feats: expected a name and a table"),
        ("nnet3-get-egs-simple =ark:feats ark:o", "=ark:feats: expected a name and a table"),
        ("nnet3-xvector-get-egs ranges ark:feats ark:o", "--num-pdfs=N is required"),
        (
            "nnet3-xvector-get-egs --num-pdfs=5 ranges ark:feats ark:o",
            "ranges, line 2: the output is 2, but must be in 0 ... 0",
        ),
        (
            "nnet3-xvector-get-egs --num-pdfs=2 ranges ark:feats ark:o ark:p ark:q",
            "line 1: the class is 3, but must be in 0 ... 1",
        ),
        ("nnet3-xvector-get-egs --num-pdfs=5 five ark:feats ark:o", "five, line 1: expected six fields"),
        ("nnet3-xvector-get-egs --num-pdfs=5 words ark:feats ark:o", "words, line 1: expected integers"),
        (
            "nnet3-xvector-get-egs --num-pdfs=5 early ark:feats ark:o",
            "early, line 1: the first frame is -1, but must be at least 0",
        ),
        (
            "nnet3-egs-augment-image --fill-mode=x ark:images ark:o",
            "--fill-mode=x: expected one of nearest, reflect",
        ),
        (
            "nnet3-egs-augment-image --num-channels=4 ark:images ark:o",
            "example i0 has 18 columns, not a multiple",
        ),
        ("nnet3-egs-augment-image --num-channels=0 ark:images ark:o", "--num-channels=0 must be at least 1"),
        (
            "nnet3-egs-augment-image --rotation-degree=200 ark:images ark:o",
            "--rotation-degree=200 is not in [0, 180]",
        ),
        ("nnet3-egs-augment-image ark:blind ark:o", "example b has no 'input', only output"),
    ],
)
def test_mistakes_end_in_one_line_and_status_one(folder, capsys, command, message):
    (folder / "five").write_text("u0 0 7 0 20\n")
    (folder / "words").write_text("u0 0 7 0 20 spk\n")
    (folder / "early").write_text("u0 0 7 -1 20 1\n")
    write("blind", EXAMPLE, {"b": NnetExample([NnetIo("output", indexes([0]), from_pairs([[(1, 1.0)]], 4))])})
    assert run(command) == 1
    assert message in error_of(capsys.readouterr().err)
    assert not (folder / "o").exists()
