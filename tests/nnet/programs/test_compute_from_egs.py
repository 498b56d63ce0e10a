"""nnet3-compute-from-egs: Kaldi's matrices, in the order of the example's rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.examples import EXAMPLE
from nnet.formats.model import write_nnet
from tests.nnet.programs.workshop import (
    PLAIN,
    error_of,
    examples,
    labelled,
    log_lines,
    merged,
    read,
    renamed,
    run,
    settled,
    write,
)


@pytest.mark.parametrize("options", ["", "--apply-exp=true", "--output-name=output"])
@pytest.mark.parametrize("egs", ["single", "egs"])
def test_outputs_are_kaldis(shop, kaldi, options, egs):
    kaldi("nnet3-compute-from-egs", *options.split(), "raw", f"ark:{egs}", "ark:theirs")
    assert run(f"nnet3-compute-from-egs {options} raw ark:{egs} ark:ours") == 0
    ours, theirs = read("ours"), read("theirs")
    assert list(ours) == list(theirs)
    for key, y in theirs.items():
        np.testing.assert_allclose(ours[key], y, rtol=1e-5, atol=1e-6)


def test_rows_of_merged_examples_stand_sequence_by_sequence(shop):
    ready = settled()
    ready.components["h1.batchnorm"].test_mode = True  # else its statistics are the example's, as in Kaldi
    write_nnet(ready, "raw")
    assert run("nnet3-compute-from-egs raw ark:single ark:a") == 0
    assert run("nnet3-compute-from-egs raw ark:egs ark:b") == 0
    rows = np.concatenate(list(read("a").values()))
    np.testing.assert_allclose(np.concatenate(list(read("b").values())), rows, rtol=1e-5, atol=1e-6)


def test_exponentials_of_log_posteriors_sum_to_one(shop, capfd):
    assert run("nnet3-compute-from-egs --apply-exp=true raw ark:single ark:out") == 0
    for y in read("out").values():
        np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    assert log_lines(capfd.readouterr().err) == ["Processed 24 examples."]


def test_another_output_can_be_named(shop, rng):
    write_nnet(settled(PLAIN + "output-node name=other input=h2\n"), "two")
    egs = {k: labelled(eg, 5, 6) for k, eg in merged(examples(rng)).items()}
    write("x", EXAMPLE, {k: renamed(eg, "other") for k, eg in egs.items()})
    assert run("nnet3-compute-from-egs --output-name=other two ark:x ark:out") == 0
    assert {y.shape for y in read("out").values()} == {(24, 6)}


def test_no_examples_are_an_error_and_nothing_is_written(shop, capfd):
    Path("single").write_bytes(b"")
    assert run("nnet3-compute-from-egs raw ark:single ark:out") == 1
    assert error_of(capfd.readouterr().err) == "ark:single holds no examples, so ark:out was not written"
    assert not Path("out").exists()
