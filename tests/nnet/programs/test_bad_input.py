"""Examples and models that do not fit each other or hold a NaN: one line, status 1, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnet.formats import model
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.model import read_nnet, write_nnet
from tests.networks import TDNN, network
from tests.nnet.programs.workshop import examples, merged, refused, run, write

NAN = float("nan")


def write_with_nan(component: str, field: str) -> None:
    """`bad`: the model `raw` with a NaN, which write_nnet refuses to write."""
    nnet = read_nnet("raw")
    getattr(nnet.components[component], field).flat[1] = NAN
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "check_finite", lambda nnet, name: None)
        write_nnet(nnet, "bad")


EXAMPLES = {  # options of the examples -> the message
    "dim": ({"dim": 6}, "example merged-0: 'input' has dim 6, the network expects 5"),
    "classes": (
        {"classes": 7},
        "example merged-0: labels of 'output' have dim 7, the network's output has 4: were the examples made "
        "with another num-pdfs?",
    ),
    "context": (
        {"left": 0},
        "output at t=0 needs input frame -1; the input runs from 0 to 3",
    ),
    "ivector": (
        {"ivector": 3},
        "example merged-0 has an io 'ivector', but the network has no such input or output node",
    ),
}


class TestExamples:
    COMMANDS = (
        "nnet3-train raw ark:x out",
        "nnet3-combine raw raw2 ark:x out",
        "nnet3-compute-prob raw ark:x",
        "nnet3-compute-from-egs raw ark:x ark:out",
        "nnet3-show-progress raw raw2 ark:x",
    )

    @pytest.mark.parametrize("what", EXAMPLES)
    @pytest.mark.parametrize("command", COMMANDS)
    def test_for_another_network_are_told_with_both_numbers(self, shop, rng, capfd, command, what):
        options, message = EXAMPLES[what]
        write("x", EXAMPLE, merged(examples(rng, **options)))
        assert refused(command, capfd) == message

    @pytest.mark.parametrize(("options", "word"), [({"dim": 6}, "'input'"), ({"classes": 7}, "'output'")])
    def test_are_checked_when_merged_on_the_way_too(self, shop, rng, capfd, options, word):
        write("x", EXAMPLE, examples(rng, **options))
        message = refused("nnet3-train --egs.minibatch-size=4 raw ark:x out", capfd)
        assert message.startswith("the examples of ark:x: ") and word in message

    def test_of_several_sizes_are_checked_when_merged_on_the_way(self, shop, rng, capfd):
        mixed = {f"a-{k}": eg for k, eg in examples(rng, 4, dim=6, labels=2).items()} | examples(rng, 4)
        write("x", EXAMPLE, mixed)
        with open("x", "ab") as stream:  # one that is not packed alike
            write("y", EXAMPLE, examples(rng, 1, ivector=0, right=2))
            stream.write(Path("y").read_bytes())
        message = refused("nnet3-train --egs.minibatch-size=4 raw ark,bg:x out", capfd)
        assert message.startswith("the examples of ark,bg:x: 'input' has dim 6")

    @pytest.mark.parametrize(
        ("keep", "message"),
        [
            (slice(0, 1), "example a has no output of the network, only input"),
            (slice(1, 2), "example a has no input of the network, only output"),
        ],
    )
    def test_without_input_or_output_are_told(self, shop, rng, capfd, keep, message):
        write("x", EXAMPLE, {"a": NnetExample(examples(rng, 1)["eg-0"].io[keep])})
        assert refused("nnet3-train raw ark:x out", capfd) == message

    def test_with_a_nan_are_skipped_and_counted_in_training(self, shop, rng, capfd):
        egs = merged(examples(rng))
        egs["merged-1"].io[0].features[3, 2] = NAN
        write("x", EXAMPLE, egs)
        assert run("nnet3-train raw ark:x out") == 0
        log = capfd.readouterr().err
        assert "Minibatch 1 skipped: its objective or parameter change is not finite." in log
        assert "Skipped 1 of 3 minibatches: not finite." in log
        assert "over 48 frames." in log

    @pytest.mark.parametrize(
        ("command", "message"),
        [
            ("nnet3-train raw ark:x out", "ark:x: every minibatch was skipped, so out was not written"),
            ("nnet3-train --max-bad-minibatches=2 raw ark:x out", "2 minibatches in a row"),
            ("nnet3-combine raw raw2 ark:x out", "the objective of no combination is finite"),
            ("nnet3-compute-prob raw ark:x", "ark:x: the objective is not finite"),
            ("nnet3-compute-from-egs raw ark:x ark:out", "example merged-0: the output is not finite"),
            ("nnet3-show-progress raw raw2 ark:x", "the objective is not finite"),
            ("nnet3-acc-lda-stats raw ark:x out", "among examples 1 to 3 is one with a NaN"),
        ],
    )
    def test_with_nothing_but_nan_are_refused(self, shop, rng, capfd, command, message):
        egs = merged(examples(rng))
        for eg in egs.values():
            eg.io[0].features[3, 2] = NAN
        write("x", EXAMPLE, egs)
        assert refused(command, capfd).startswith(message)


class TestModels:
    COMMANDS = (
        "nnet3-train bad ark:egs out",
        "nnet3-average raw bad out",
        "nnet3-combine raw bad ark:egs out",
        "nnet3-compute bad ark:feats ark:out",
        "nnet3-compute-prob bad ark:egs",
        "nnet3-compute-from-egs bad ark:egs ark:out",
        "nnet3-show-progress raw bad",
        "nnet3-show-progress bad raw",
    )

    @pytest.mark.parametrize("command", COMMANDS)
    def test_with_a_nan_are_told_with_the_component(self, shop, monkeypatch, capfd, command):
        write_with_nan("h2", "W")
        message = "bad: component h2 has a NaN or an infinity among its parameters or statistics"
        assert refused(command, capfd) == message

    def test_with_a_nan_are_not_copied(self, shop, monkeypatch, capfd):
        write_with_nan("h1.batchnorm", "stats_sum")
        assert refused("nnet3-copy bad out", capfd).startswith("out is not written: component h1.batchnorm")

    def test_with_spoilt_statistics_can_be_trained_as_these_start_afresh(self, shop, monkeypatch, capfd):
        write_with_nan("h1.batchnorm", "stats_sum")
        assert run("nnet3-train bad ark:egs out") == 0
        assert "bad: component h1.batchnorm" in refused(
            "nnet3-train --zero-component-stats=false bad ark:egs out2", capfd
        )

    @pytest.mark.parametrize(
        "command", ["nnet3-average raw b out", "nnet3-combine raw b ark:egs out", "nnet3-show-progress raw b"]
    )
    def test_of_another_size_are_told_with_both_dims(self, shop, capfd, command):
        text = TDNN.replace("output-dim=4", "output-dim=3").replace("Component dim=4", "Component dim=3")
        write_nnet(network(text), "b")
        message = refused(command, capfd)
        assert message.startswith("b: component output.affine is a NaturalGradientAffineComponent 6 -> 3")
        assert message.endswith("but a NaturalGradientAffineComponent 6 -> 4 in the first")

    @pytest.mark.parametrize("delay", ["b", "Offset(b, 1)"])
    def test_with_a_cycle_that_nothing_can_compute_are_not_made(self, shop, capfd, delay):
        Path("c").write_text(
            "input-node name=input dim=5\ncomponent name=n type=NoOpComponent dim=5\n"
            f"component-node name=a component=n input=Sum(input, {delay})\n"
            "component-node name=b component=n input=a\noutput-node name=output input=b\n"
        )
        message = refused("nnet3-init c out", capfd)
        assert message.startswith("the nodes ") and "form a cycle that can never be computed" in message
        assert {"a", "b"} <= set(message.split(" form ")[0].replace(",", "").split())
