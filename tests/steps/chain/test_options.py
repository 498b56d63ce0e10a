"""Options of chain training: Kaldi's names and defaults, ranges, what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.chain.options import ChainOptions, LatticeOptions
from steps.egs_options import ChainEgsOptions, parse_egs_options
from steps.options import by_name, parse

# What `steps/nnet3/chain/train.py --help` of Kaldi lists: name, default; None: there is none.
KALDI: dict[str, object] = {
    "feat.online-ivector-dir": None,
    "feat.cmvn-opts": None,
    "egs.chunk-left-context": 0,
    "egs.chunk-right-context": 0,
    "egs.chunk-left-context-initial": -1,
    "egs.chunk-right-context-final": -1,
    "egs.dir": None,
    "egs.stage": 0,
    "egs.opts": None,
    "egs.cmd": None,
    "egs.chunk-width": "20",
    "egs.nj": 0,
    "trainer.srand": 0,
    "trainer.num-epochs": 10.0,
    "trainer.shuffle-buffer-size": 5000,
    "trainer.max-param-change": 2.0,
    "trainer.samples-per-iter": 400000,
    "trainer.lda.rand-prune": 4.0,
    "trainer.lda.max-lda-jobs": 10,
    "trainer.presoftmax-prior-scale-power": -0.25,
    "trainer.optimization.proportional-shrink": 0.0,
    "trainer.optimization.initial-effective-lrate": 0.0002,
    "trainer.optimization.final-effective-lrate": 0.00002,
    "trainer.optimization.num-jobs-initial": 1,
    "trainer.optimization.num-jobs-final": 8,
    "trainer.optimization.num-jobs-step": 1,
    "trainer.optimization.max-models-combine": 20,
    "trainer.max-models-combine": 20,
    "trainer.optimization.max-objective-evaluations": 30,
    "trainer.max-objective-evaluations": 30,
    "trainer.optimization.do-final-combination": True,
    "trainer.optimization.combine-sum-to-one-penalty": 0.0,
    "trainer.optimization.momentum": 0.0,
    "trainer.dropout-schedule": None,
    "trainer.add-option": (),
    "trainer.optimization.backstitch-training-scale": 0.0,
    "trainer.optimization.backstitch-training-interval": 1,
    "trainer.compute-per-dim-accuracy": False,
    "trainer.optimization.shrink-value": 1.0,
    "trainer.optimization.shrink-saturation-threshold": 0.40,
    "trainer.deriv-truncate-margin": None,
    "trainer.input-model": None,
    "trainer.frames-per-iter": 800000,
    "trainer.num-chunk-per-minibatch": "128",
    "chain.lm-opts": None,
    "chain.l2-regularize": 0.0,
    "chain.xent-regularize": 0.0,
    "chain.right-tolerance": 5,
    "chain.left-tolerance": 5,
    "chain.leaky-hmm-coefficient": 0.00001,
    "chain.apply-deriv-weights": True,
    "chain.frame-subsampling-factor": 3,
    "chain.alignment-subsampling-factor": 3,
    "chain.left-deriv-truncate": None,
    "chain-opts": "",
    "feat-dir": None,
    "tree-dir": "",
    "lat-dir": None,
    "dir": "",
    "exit-stage": None,
    "cleanup": True,
    "cleanup.remove-egs": True,
    "cleanup.preserve-model-interval": 100,
    "reporting.email": None,
    "reporting.interval": 0.1,
}
OURS = {"stage", "cmd", "use-gpu"}  # Kaldi's too, with defaults for machines with a queue and a GPU
FURTHER = {
    "cuda.jobs-per-gpu",
    "cuda.graphs",
    "cuda.tf32",
    "local.max-jobs",
    "local.threads-per-job",
    "retries",
    "restart",
    "allow-pipes-in-scp",
}
NEEDED = ["--tree-dir=t", "--dir=d"]


def test_names_and_defaults_are_kaldis() -> None:
    table = by_name(LatticeOptions)
    assert {name: table[name].default for name in KALDI} == KALDI
    assert set(table) == {*KALDI, *OURS, *FURTHER}


def test_end_to_end_training_has_no_options_of_lattices() -> None:
    gone = set(by_name(LatticeOptions)) - set(by_name(ChainOptions))
    assert gone == {"egs.nj", "chain.left-tolerance", "chain.right-tolerance", "chain-opts", "lat-dir"}


def test_values_come_from_yaml_too(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(
        "chain:\n  leaky-hmm-coefficient: 0.1\n  apply-deriv-weights: false\negs.chunk-width: 150,100\n"
    )
    o = parse(LatticeOptions, [*NEEDED, f"--config={path}"])
    assert (o.leaky_hmm_coefficient, o.apply_deriv_weights, o.widths) == (0.1, False, "150,100")
    assert (o.picks, o.minibatch, o.archive_size) == (3, "128", "trainer.frames-per-iter")


def test_the_old_name_of_the_margin_has_the_opposite_sign() -> None:
    assert parse(LatticeOptions, NEEDED).margin is None
    assert parse(LatticeOptions, [*NEEDED, "--trainer.deriv-truncate-margin=8"]).margin == 8
    assert parse(LatticeOptions, [*NEEDED, "--chain.left-deriv-truncate=-5"]).margin == 5


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--chain.leaky-hmm-coefficient=1", "leaky-hmm-coefficient=1.0 must be at least 0 and below 1"),
        ("--chain.l2-regularize=-1", "chain.l2-regularize=-1.0 must be at least 0"),
        ("--chain.frame-subsampling-factor=0", "frame-subsampling-factor=0 must be at least 1"),
        ("--trainer.frames-per-iter=0", "frames-per-iter=0 must be at least 1"),
        ("--chain.xent-regularise=1", "did you mean --chain.xent-regularize"),
    ],
)
def test_wrong_values_are_named(option: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(LatticeOptions, [*NEEDED, option])


def test_options_of_the_script_that_makes_examples() -> None:
    text = "--frames-overlap-per-eg 30 --generate-egs-scp true --num-train-egs-combine=50 --max-jobs-run 3"
    o = parse_egs_options(ChainEgsOptions, text)
    assert (o.frames_overlap_per_eg, o.generate_egs_scp) == (30, True)
    assert o.counts(20) == {"valid": (0, 400), "train": (50, 400)}
    with pytest.raises(ValueError, match=r"lattice-lm-scale=1\.0 must be at least 0 and below 1"):
        parse_egs_options(ChainEgsOptions, "--lattice-lm-scale=1")
