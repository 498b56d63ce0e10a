"""matrix-sum-rows, vector-sum, copy-matrix, sum-lda-accs, nnet-get-feature-transform on the command line."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from nnet.examples.lda import LdaStats, write_stats
from nnet.formats.basic import open_input
from nnet.formats.matrix import compress
from nnet.formats.tables import GENERAL_MATRIX, MATRIX, VECTOR
from tests.nnet.programs.workshop import error_of, log_lines, read, run, write


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    """Matrices (dense, compressed), vectors of one and of several lengths, LDA statistics, single files."""
    monkeypatch.chdir(tmp_path)
    values = {f"u{i}": rng.standard_normal((n, 7)).astype(np.float32) for i, n in enumerate((3, 90, 1))}
    write("mats", MATRIX, values)
    write("packed", GENERAL_MATRIX, {u: compress(x) for u, x in values.items()})
    for name, keys in (("v1", "abcdef"), ("v2", "fbacde"), ("v3", "abde")):
        write(name, VECTOR, {k: rng.standard_normal(5).astype(np.float32) for k in keys})
    write("mixed", VECTOR, {k: np.ones(n, np.float32) for k, n in zip("abcd", (4, 0, 3, 4))})
    for i in range(3):
        (tmp_path / f"{i}.vec").write_text(f" [ 1.5 2 {i} ]\n")
        (tmp_path / f"{i}.mat").write_text(f" [\n  0.25 2 1e-30\n  {i} 4 9 ]\n")
        write_stats(lda_stats(rng), f"{i}.acc")
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def lda_stats(rng, classes=12, dim=6, frames=400):
    stats = LdaStats.zeros(classes, dim)
    label = rng.integers(0, classes - 1, frames)  # the last class is never seen
    x = rng.standard_normal((frames, dim)) @ np.diag(np.arange(1, dim + 1) * 0.1) + 0.3 * label[:, None] % 2
    stats.accumulate(x, label, rng.random(frames))
    return stats


@pytest.mark.parametrize(
    "command",
    [
        "matrix-sum-rows ark:mats ark:{}",
        "matrix-sum-rows ark:packed ark:{}",
        "vector-sum ark:v1 ark:v2 ark:{}",
        "vector-sum ark:v1 ark:v2 ark:v3 ark,t:{}",
        "vector-sum ark:v1 ark:{}",
        "vector-sum --binary=true ark:v1 {}",
        "vector-sum --binary=false ark:mixed {}",
        "vector-sum --average=true --binary=true ark:v2 {}",
        "vector-sum --binary=false 0.vec 1.vec 2.vec {}",
        "vector-sum --binary=true 0.vec {}",
        "copy-matrix ark:mats ark:{}",
        "copy-matrix ark:packed ark,t:{}",
        "copy-matrix 0.mat {}",
        "copy-matrix --scale=0.3 ark:mats ark:{}",
        "copy-matrix --binary=false --apply-power=0.5 1.mat {}",
        "copy-matrix --binary=false --apply-log=true --scale=2 2.mat {}",
        "sum-lda-accs {} 0.acc",
        "sum-lda-accs {} 0.acc 1.acc 2.acc",
        "sum-lda-accs --binary=false {} 1.acc 2.acc",
    ],
)
def test_output_and_status_are_kaldis_byte_for_byte(folder, kaldi, command):
    program, *arguments = command.format("theirs").split()
    status = kaldi(program, *arguments, check=False).returncode
    assert run(command.format("ours")) == status
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


@pytest.mark.parametrize(
    "option", ["--apply-exp=true", "--apply-softmax-per-row=true", "--apply-power=2.5 --scale=-1"]
)
def test_functions_of_matrices_are_kaldis_to_single_precision(folder, kaldi, option):
    source = "ark:copied" if "power" in option else "ark:mats"
    write("copied", MATRIX, {u: -np.abs(x) for u, x in read("mats").items()})
    kaldi("copy-matrix", *option.split(), source, "ark:theirs")
    assert run(f"copy-matrix {option} {source} ark:ours") == 0
    for (u, a), b in zip(read("ours").items(), read("theirs").values()):
        np.testing.assert_allclose(a, b, rtol=2e-6, err_msg=u)


def test_rows_are_summed_in_double_precision(folder, capsys):
    x = np.array([[1e8], [1.0], [-1e8]], np.float32)
    write("big", MATRIX, {"u": x})
    assert run("matrix-sum-rows ark:big ark:out") == 0
    assert read("out", VECTOR)["u"] == [1.0]
    assert log_lines(capsys.readouterr().err) == ["Summed rows 1 matrices, 3 rows in total."]


def test_missing_and_misshapen_vectors_are_warned_of_and_left_out(folder, capsys):
    assert run("vector-sum ark:v1 ark:v3 ark:mixed ark:out") == 1  # as many are missing as are not
    text = capsys.readouterr().err
    assert "No vector found for utterance c for system 2, rspecifier: ark:v3" in text
    assert "Dimension mismatch for utterance a : 4 for system 3, rspecifier: ark:mixed vs 5" in text
    assert "Produced output for 6 utterances; 4 total missing vectors" in text
    expected = read("v1", VECTOR)["a"] + read("v3", VECTOR)["a"]
    np.testing.assert_array_equal(read("out", VECTOR)["a"], expected)


def test_log_lines_name_what_was_summed(folder, capsys):
    assert run("vector-sum ark:mixed out.vec") == 1  # half the vectors are of another length
    assert run("vector-sum 0.vec 1.vec out.vec") == 0
    assert run("copy-matrix 0.mat out.mat") == 0
    assert run("copy-matrix ark:mats ark:out") == 0
    lines = log_lines(capsys.readouterr().err)
    assert lines[0] == "Summed 2 vectors, 2 with errors; wrote sum to out.vec"
    assert lines[1:] == [
        "Summed 2 vectors; wrote sum to out.vec",
        "Copied matrix to out.mat",
        "Copied 3 matrices.",
    ]


@pytest.mark.parametrize(
    "command", ["matrix-sum-rows ark:empty ark:o", "copy-matrix ark:empty ark:o", "vector-sum ark:empty o"]
)
def test_an_empty_table_is_a_failure(folder, command):
    assert run(command) == 1


@pytest.mark.parametrize(
    "command, message",
    [
        ("copy-matrix ark:mats o.mat", "both must be tables"),
        ("copy-matrix --apply-exp=true --apply-log=true 0.mat o", "exclude each other"),
        ("copy-matrix --apply-power=0.5 ark:mats ark:o", "to this power is no real number"),
        ("vector-sum ark:v1 0.vec o", "ark:v1 is a table but the output o is a file"),
        ("vector-sum 0.vec short.vec o", "short.vec has 1 elements, the vectors before it 3"),
        ("sum-lda-accs o 0.acc other.acc", "LDA statistics do not fit together"),
        ("nnet-get-feature-transform --dim=9 o 0.acc", "--dim=9 is more than the 6 dimensions"),
        ("nnet-get-feature-transform o nothing.acc", "nothing.acc"),
    ],
)
def test_mistakes_end_in_one_line_and_status_one(folder, rng, capsys, command, message):
    (folder / "short.vec").write_text(" [ 1 ]\n")
    write_stats(lda_stats(rng, dim=5), "other.acc")
    assert run(command) == 1
    assert message in error_of(capsys.readouterr().err)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--dim=4",
        "--within-class-factor=1.0 --max-singular-value=0 --remove-offset=false",
        "--max-singular-value=0.5",
    ],
)
def test_the_transform_is_kaldis_up_to_the_signs_of_its_rows(folder, kaldi, capsys, options):
    extra = f"{options} --binary=false --write-cholesky={{0}}.chol --write-within-covar={{0}}.var "
    extra += "{0} 0.acc 1.acc"
    theirs = kaldi("nnet-get-feature-transform", *extra.format("theirs").split()).stderr.decode()
    assert run("nnet-get-feature-transform " + extra.format("ours")) == 0
    ours = log_lines(capsys.readouterr().err)
    assert [line[:28] for line in ours] == [
        line.split(") ", 1)[1][:28] for line in theirs.splitlines() if "LOG (" in line
    ]
    a, b = matrix("ours"), matrix("theirs")
    assert a.shape == b.shape == (4 if "dim" in options else 6, 6 if "offset=false" in options else 7)
    signs = np.sign((a * b).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(signs * a, b, rtol=2e-3, atol=2e-4)
    for name in ("chol", "var"):
        np.testing.assert_allclose(packed(f"ours.{name}"), packed(f"theirs.{name}"), rtol=1e-4, atol=1e-6)


def test_binary_covariance_is_kaldis_to_the_last_bits(folder, kaldi):
    arguments = "--write-cholesky={0}.chol --write-within-covar={0}.var {0} 2.acc"
    kaldi("nnet-get-feature-transform", *arguments.format("theirs").split())
    assert run("nnet-get-feature-transform " + arguments.format("ours")) == 0
    for name in ("chol", "var"):
        ours, theirs = (folder / f"ours.{name}").read_bytes(), (folder / f"theirs.{name}").read_bytes()
        assert ours[:10] == theirs[:10] and len(ours) == len(theirs) == 10 + 4 * 21
        np.testing.assert_allclose(
            np.frombuffer(ours, "<f4", offset=10),
            np.frombuffer(theirs, "<f4", offset=10),
            rtol=1e-5,
            atol=1e-7,
        )


def test_too_few_frames_are_smoothed_or_refused(folder, rng, capsys):
    few = LdaStats.zeros(2, 3)
    few.accumulate(rng.standard_normal((3, 3)), np.array([0, 1, 1]), np.ones(3))
    write_stats(few, "few.acc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run("nnet-get-feature-transform out few.acc") == 0
    assert "Cholesky failed" in capsys.readouterr().err and matrix("out").shape == (3, 4)


def matrix(path):
    with open_input(path) as source:
        return source.matrix()


def packed(path):
    return np.array(Path(path).read_text().strip("[] \n").split(), float)
