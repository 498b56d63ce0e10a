"""Mini LibriSpeech, the chain part: a TDNN-F with LF-MMI on what Kaldi's run.sh and chain scripts prepared.

usage: python -m egs.mini_librispeech.run_chain --s5 KALDI/egs/mini_librispeech/s5 [--dry-run] [options]

For people who ran the stages of Kaldi's local/chain/run_tdnn.sh up to tree, numerator lattices and graph.
--dry-run only shows the commands.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from egs import recipe
from egs.mini_librispeech.run import IVECTORS, Places, carry_out, parser

XCONFIG = Path(__file__).parent / "conf" / "tdnnf.xconfig"
CHAIN = "local/chain/run_tdnn.sh"
SETTINGS: dict[str, object] = {
    "stage": -10,
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "chain.xent-regularize": 0.1,
    "chain.leaky-hmm-coefficient": 0.1,
    "chain.l2-regularize": 0.0,
    "chain.apply-deriv-weights": "false",
    "chain.lm-opts": "--num-extra-lm-states=2000",
    "trainer.dropout-schedule": "0,0@0.20,0.3@0.50,0",
    "trainer.max-param-change": 2.0,
    "trainer.frames-per-iter": 3000000,
    "trainer.num-chunk-per-minibatch": "128,64",
    "trainer.optimization.num-jobs-initial": 2,
    "trainer.optimization.initial-effective-lrate": 0.002,
    "trainer.optimization.final-effective-lrate": 0.0002,
    "egs.chunk-width": "140,100,160",
    "egs.opts": "--frames-overlap-per-eg 0",
}


@dataclass(frozen=True)
class ChainPlaces(Places):
    """Where Kaldi's chain scripts leave things below `s5`."""

    @property
    def tree(self) -> Path:
        """The tree of the chain topology, with alignments of its frame rate."""
        return self.s5 / "exp" / "chain" / "tree_sp"

    @property
    def lats(self) -> Path:
        """Numerator lattices of the speed-perturbed data."""
        return self.s5 / "exp" / "chain" / f"{self.gmm}_{self.train_set}_sp_lats"

    @property
    def graph(self) -> Path:
        """The decoding graph of the tree."""
        return self.tree / "graph_tgsmall"

    def needed(self) -> list[tuple[Path, str]]:
        """Files that must exist, and what makes each."""
        return [
            (self.data / "feats.scp", IVECTORS),
            (self.ivectors(self.data) / "ivector_online.scp", IVECTORS),
            (self.tree / "ali.1.gz", f"{CHAIN} (steps/nnet3/chain/build_tree.sh)"),
            (self.lats / "lat.1.gz", f"{CHAIN} (steps/align_fmllr_lats.sh)"),
            (self.test / "feats.scp", IVECTORS),
            (self.ivectors(self.test) / "ivector_online.scp", IVECTORS),
            (self.graph / "HCLG.fst", f"{CHAIN} (utils/mkgraph.sh --self-loop-scale 1.0)"),
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    defaults = {"dir": "S5/exp/chain/tdnnf_sp", "dim": 768, "l2": 0.03, "l2_output": 0.015}
    defaults |= {"epochs": 20.0, "jobs": 5}
    return recipe.guarded(run, parser(__doc__ or "", defaults).parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """Check what Kaldi left, then make configs, train and decode; or show how."""
    places = ChainPlaces(options.s5, options.train_set, options.test_set, options.gmm)
    folder: Path = options.dir or options.s5 / "exp" / "chain" / "tdnnf_sp"
    carry_out(options, places, folder, XCONFIG, places.tree / "tree", commands(places, folder, options))


def commands(places: ChainPlaces, folder: Path, options: argparse.Namespace) -> list[recipe.Command]:
    """What is run, in order: configs, training, decoding."""
    training = SETTINGS | {
        "feat.online-ivector-dir": places.ivectors(places.data),
        "trainer.num-epochs": options.num_epochs,
        "trainer.optimization.num-jobs-final": options.jobs,
        "trainer.srand": options.seed,
        "use-gpu": options.use_gpu,
        "feat-dir": places.data,
        "tree-dir": places.tree,
        "lat-dir": places.lats,
        "dir": folder,
    }
    decoding = {
        "model": folder / "final.mdl",
        "graph": places.graph,
        "data": places.test,
        "dir": folder / f"decode_tgsmall_{places.test_set}",
        "online-ivector-dir": places.ivectors(places.test),
        "frames-per-chunk": 140,
    }
    return [
        recipe.configs_command(folder / "configs"),
        ("steps.chain.train", *recipe.training_options(training)),
        ("steps.decode_command", *recipe.training_options(decoding)),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
