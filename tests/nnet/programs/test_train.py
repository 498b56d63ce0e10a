"""nnet3-train: the models that Kaldi's makes, the lines that scripts parse, the statistics file."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from nnet.captured import Captured
from nnet.component import params
from nnet.formats.examples import EXAMPLE
from nnet.formats.matrix import dense
from nnet.formats.model import read_nnet, write_nnet
from tests.nnet.programs.workshop import (
    GOLDEN,
    PLAIN,
    change_error,
    error_of,
    labelled,
    log_lines,
    parameters,
    read,
    renamed,
    run,
    settled,
    write,
)

KALDIS = {  # options of the golden runs
    "sgd": "--max-param-change=0 --momentum=0 --l2-regularize-factor=0",
    "l2": "--max-param-change=2 --momentum=0 --l2-regularize-factor=0.25",
    "momentum": "--max-param-change=1 --momentum=0.5 --l2-regularize-factor=1",
    "backstitch": "--max-param-change=2 --momentum=0 --backstitch-training-scale=0.3 "
    "--backstitch-training-interval=1 --l2-regularize-factor=0.5",
}


@pytest.mark.parametrize("name", KALDIS)
def test_the_change_of_parameters_is_kaldis(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(GOLDEN)
    assert run(f"nnet3-train --use-gpu=no {KALDIS[name]} 0.raw ark:egs.ark {tmp_path}/out") == 0
    assert change_error(tmp_path / "out", f"train_{name}.raw", "0.raw") < 1e-3
    lines = log_lines(capfd.readouterr().err)
    for line in Path(f"train_{name}.objf").read_text().splitlines():
        what, value = re.fullmatch(r"(Overall .* is) (\S+) over 741 frames\.", line).groups()
        (ours,) = [found for found in lines if found.startswith(what)]
        assert float(ours.split()[-4]) == pytest.approx(float(value), rel=2e-5)


def test_the_lines_that_scripts_parse_are_there(shop, capfd):
    assert run("nnet3-train --print-interval=2 raw ark:egs out") == 0
    lines = log_lines(capfd.readouterr().err)
    number = r"-?\d+\.?\d*(e[+-]\d+)?"
    patterns = [
        rf"Average objective function for 'output' for minibatches 0-1 is {number} over 48 frames\.",
        rf"Overall average objective function for 'output' is {number} over 72 frames\.",
        rf"\[this line is to be parsed by a script:\] log-prob-per-frame={number}",
        "Wrote model to out",
    ]
    found = [line for line in lines if "max-change" not in line]
    assert len(found) == len(patterns)
    assert all(re.fullmatch(p, line) for p, line in zip(patterns, found)), found


def test_a_phase_that_only_some_minibatches_have_an_output_in_says_so(shop, capfd):
    write_nnet(settled(PLAIN + "output-node name=other input=output.log-softmax\n"), "raw")
    egs = read("egs", EXAMPLE)
    egs["merged-1"] = renamed(egs["merged-1"], "other")
    write("x", EXAMPLE, {f"m{i}": egs[f"merged-{i % 3}"] for i in range(6)})
    assert run("nnet3-train --print-interval=3 raw ark:x out") == 0
    lines = log_lines(capfd.readouterr().err)
    assert any("'output' using 2 minibatches in minibatch range 0-2 is " in line for line in lines)
    assert any(re.match(r"Overall average .* 'other' is \S+ over 48 frames\.", line) for line in lines)


def test_minibatches_can_be_made_on_the_way(shop, capfd):
    """The same as shuffled, picked and merged beforehand; without shuffling, bit for bit."""
    assert run("nnet3-merge-egs --minibatch-size=8 ark:single ark:m") == 0
    assert run("nnet3-train raw ark:m a") == 0
    assert run("nnet3-train --egs.minibatch-size=8 raw ark:single b") == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()
    assert "into 3 minibatches, discarding 0% of egs" in capfd.readouterr().err
    assert run("nnet3-train --egs.minibatch-size=8 --egs.frame=1 raw ark:single c") == 0
    assert "over 24 frames." in capfd.readouterr().err
    options = "--egs.minibatch-size=8 --egs.shuffle-buffer-size=0"
    for seed, name in ((1, "d"), (1, "e"), (2, "f")):
        assert run(f"nnet3-train {options} --egs.srand={seed} raw ark:single {name}") == 0
    d, e, f = (Path(name).read_bytes() for name in "def")
    assert d == e != f


def test_the_same_command_gives_the_same_bytes(shop):
    for name in "ab":
        assert run(f"nnet3-train --srand=3 raw ark:egs {name}") == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()


def test_the_model_may_be_text_and_the_input_a_pipe(shop):
    assert run("nnet3-train --binary=false raw ark:egs out") == 0
    assert Path("out").read_text().startswith("<Nnet3> \n")
    from nnet.programs.nnet3_train import main  # noqa: PLC0415 - an argument with spaces

    merge = Path(sys.executable).parent / "nnet3-merge-egs"
    assert main(["cat raw |", f"ark:{merge} --minibatch-size=8 ark:single ark:-|", "piped"]) == 0
    assert change_error("piped", "out", "raw") < 1e-3  # text has seven digits


def test_statistics_of_activations_start_afresh_unless_told(shop):
    assert run("nnet3-train --batchnorm-stats-scale=1 raw ark:egs a") == 0
    assert run("nnet3-train --batchnorm-stats-scale=1 --zero-component-stats=false raw ark:egs b") == 0
    assert run("nnet3-train --batchnorm-stats-scale=1 --store-component-stats=false raw ark:egs c") == 0
    a, b, c = (read_nnet(n).components["h1.batchnorm"].count for n in "abc")
    assert (a, b - a, c) == (72, 100, 0)


def test_the_statistics_file_tells_norms_by_component(shop):
    assert run("nnet3-train --write-stats=stats --l2-regularize-factor=0.5 raw ark:egs out") == 0
    records = json.loads(Path("stats").read_text())
    assert set(records) == {"h1.affine", "h2", "scale", "output.affine"}
    record = records["h1.affine"]
    assert record["alpha"] == pytest.approx(0.03)
    assert (record["factor"], record["num_minibatches"], record["sequences"]) == (0.5, 3, 8)
    now = parameters("out")
    norm = np.sqrt(sum((v**2).sum() for k, v in now.items() if k.startswith("h1.affine.")))
    assert record["param_norm"] == pytest.approx(norm, rel=1e-6)
    start = parameters("raw")
    change = np.sqrt(sum(((now[k] - start[k]) ** 2).sum() for k in now if k.startswith("h2.")))
    assert records["h2"]["change_norm"] == pytest.approx(change, rel=1e-4)


def test_no_labelled_frame_is_an_error_and_nothing_is_written(shop, capfd):
    Path("egs").write_bytes(b"")
    assert run("nnet3-train --write-stats=stats raw ark:egs out") == 1
    assert (
        error_of(capfd.readouterr().err) == "ark:egs: no labelled frame to train on, so out was not written"
    )
    assert not Path("out").exists() and not Path("stats").exists()


def test_labels_of_one_class_pull_its_bias_up(shop):
    egs = {k: labelled(eg, 2, 4) for k, eg in read("egs", EXAMPLE).items()}
    assert dense(egs["merged-0"].io[1].features)[:, 2].all()
    write("x", EXAMPLE, egs)
    assert run("nnet3-train --l2-regularize-factor=0 raw ark:x out") == 0
    change = parameters("out")["output.affine.b"] - parameters("raw")["output.affine.b"]
    assert change.argmax() == 2 and change[2] > 0 > max(change[[0, 1, 3]])


class TestOnTheDevice:
    """The path of a GPU, walked on the emulated device."""

    def test_the_model_goes_there_and_back(self, shop, emulated):
        assert run("nnet3-train --use-gpu=no raw ark:egs host") == 0
        assert run("nnet3-train --use-gpu=yes raw ark:egs device") == 0
        host, device = (read_nnet(name).components for name in ("host", "device"))
        for name, c in host.items():
            for key, a in params(c).items():
                np.testing.assert_allclose(params(device[name])[key], a, atol=1e-4, err_msg=f"{name}.{key}")

    def test_graphs_do_not_change_a_byte(self, shop, emulated, monkeypatch):
        Path("many").write_bytes(12 * Path("egs").read_bytes())
        launches, launch = [], Captured.launch
        monkeypatch.setattr(
            Captured, "launch", lambda self, batch: launches.append(self) or launch(self, batch)
        )
        for graphs in ("false", "true"):
            assert run(f"nnet3-train --use-gpu=yes --cuda-graphs={graphs} raw ark:many {graphs}") == 0
            assert bool(launches) == (graphs == "true")
        assert Path("false").read_bytes() == Path("true").read_bytes()
