"""nnet3-compute-prob: Kaldi's figures, the lines that report scripts parse, test modes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.model import write_nnet
from nnet.formats.sparse import from_pairs
from tests.nnet.programs.workshop import (
    GOLDEN,
    PLAIN,
    error_of,
    examples,
    labelled,
    log_lines,
    merged,
    read,
    run,
    settled,
    write,
)

TWO = PLAIN + (
    "output-node name=output-q input=output.affine objective=quadratic\n"
    "output-node name=output-l input=output.affine objective=linear\n"
)
FIGURE = r"Overall (\S+(?: \S+)?) for '(\S+)' is (\S+) per frame, over (\S+) frames\."


def figures(log: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(what, output) -> (value, frames) of the lines that scripts parse."""
    return {(m[0], m[1]): (float(m[2]), float(m[3])) for m in re.findall(FIGURE, log)}


def test_the_lines_are_kaldis(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(GOLDEN)
    assert run("nnet3-compute-prob 0.raw ark:egs.ark") == 0
    assert log_lines(capfd.readouterr().err) == Path("prob.txt").read_text().splitlines()


def softened(eg: NnetExample, rng, output: str, dense: bool) -> NnetExample:
    """The example with two weighed classes a frame, or dense targets, at another output."""
    rows = len(eg.io[-1].indexes)
    if dense:
        target = rng.standard_normal((rows, 4)).astype(np.float32)
    else:
        pairs = [[(0, float(rng.random())), (2, float(rng.random()))] for _ in range(rows)]
        target = from_pairs(pairs, 4)
    return NnetExample([eg.io[0], NnetIo(output, eg.io[-1].indexes, target)])


@pytest.mark.parametrize("options", [
    "", "--compute-accuracy=false", "--compute-per-dim-accuracy=true",
    "--batchnorm-test-mode=false",
])  # fmt: skip
def test_several_outputs_and_objectives_are_scored_as_by_kaldi(shop, rng, kaldi, capfd, options):
    write_nnet(settled(TWO), "two")
    egs = merged(examples(rng))
    x = {} if "per-dim" in options else dict(egs)  # Kaldi's vector is that of an output's last minibatch
    for i, name in enumerate(("output-q", "output-l", "output")):
        for dense in (True,) if "per-dim" in options else (False, True):
            x[f"{name}-{dense}"] = softened(egs[f"merged-{i}"], rng, name, dense)
    write("x", EXAMPLE, x)
    theirs = kaldi("nnet3-compute-prob", *options.split(), "two", "ark:x").stderr.decode()
    assert run(f"nnet3-compute-prob {options} two ark:x") == 0
    ours = capfd.readouterr().err
    a, b = figures(ours), figures(theirs)
    assert set(a) == set(b)
    for key, (value, weight) in b.items():
        assert a[key] == pytest.approx((value, weight), rel=2e-4, abs=1e-5), key
    vectors = r"per-dim accuracy vector for '(\S+)' is +\[ ([^\]]*)\]"
    found, wanted = dict(re.findall(vectors, ours)), dict(re.findall(vectors, theirs))
    assert set(found) == set(wanted) and bool(wanted) == ("per-dim" in options)
    for name, text in wanted.items():
        np.testing.assert_allclose(
            np.fromstring(found[name], sep=" "), np.fromstring(text, sep=" "), atol=1e-4
        )


def test_the_per_dim_line_stands_after_the_accuracy(shop, capfd):
    assert run("nnet3-compute-prob --compute-per-dim-accuracy=true raw ark:egs") == 0
    lines = log_lines(capfd.readouterr().err)
    starts = ["Overall log-likelihood for 'output'", "Overall accuracy for 'output'"]
    starts.append("Overall per-dim accuracy vector for 'output' is [ ")
    assert [line.startswith(s) for line, s in zip(lines, starts)] == [True] * 3 and len(lines) == 3
    assert lines[2].endswith(" ] per frame, over 72 frames.")


def test_asking_for_classes_is_asking_for_accuracy(shop, capfd):
    assert run("nnet3-compute-prob --compute-accuracy=false --compute-per-dim-accuracy=true raw ark:egs") == 0
    assert "Overall per-dim accuracy vector for 'output'" in capfd.readouterr().err


def test_accuracies_of_classes_are_those_of_all_minibatches(shop, capfd):
    """Their mean, weighed by the counts of the classes, is the accuracy; a class that is missing has -1."""
    assert run("nnet3-compute-prob --compute-per-dim-accuracy=true raw ark:egs") == 0
    log = capfd.readouterr().err
    accuracy = figures(log)["accuracy", "output"][0]
    text = re.search(r"is \[ ([^\]]*)\] per frame, over 72", log)[1]
    classes = np.array(text.split(), float)
    counts = sum(eg.io[1].features.dense().sum(0) for eg in read("egs", EXAMPLE).values())
    assert counts.sum() == 72 and (counts > 0).all()
    assert counts @ classes / 72 == pytest.approx(accuracy, rel=1e-4)
    only = {k: labelled(eg, 2, 4) for k, eg in read("egs", EXAMPLE).items()}
    write("x", EXAMPLE, only)
    assert run("nnet3-compute-prob --compute-per-dim-accuracy=true raw ark:x") == 0
    assert re.search(r"is \[ -1 -1 \S+ -1 \] per frame", capfd.readouterr().err)


def test_dropout_is_off_unless_told(shop, capfd):
    dropping = settled()
    dropping.components["h1.dropout"].test_mode = False
    dropping.components["h1.dropout"].dropout_proportion = 0.5
    write_nnet(dropping, "dropping")
    found = []
    for command in ("raw", "dropping", "--dropout-test-mode=false dropping"):
        assert run(f"nnet3-compute-prob {command} ark:egs") == 0
        found.append(figures(capfd.readouterr().err))
    assert found[0] == found[1] != found[2]


def test_no_labelled_frame_is_an_error(shop, capfd):
    egs = read("egs", EXAMPLE)
    rows = {k: len(eg.io[1].indexes) for k, eg in egs.items()}
    for key, eg in egs.items():
        egs[key] = NnetExample(
            [eg.io[0], NnetIo("output", eg.io[1].indexes, from_pairs([[]] * rows[key], 4))]
        )
    write("x", EXAMPLE, egs)
    assert run("nnet3-compute-prob raw ark:x") == 1
    assert error_of(capfd.readouterr().err) == "ark:x: no labelled frame to score"
