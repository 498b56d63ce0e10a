"""Recorded digits with LF-MMI: train a TDNN-F on five speakers, recognise the sixth.

usage: python -m egs.fsdd.run_chain --kaldi DIR [--dir exp/fsdd_chain] [options]

DIR holds what Kaldi leaves: DIR/data/{train,test}, the tree of a chain topology with its alignments in
DIR/chain/tree, numerator lattices in DIR/chain/lats, a graph in DIR/chain/graph. Phone language model,
denominator graph and examples are made here; --egs DIR takes examples that Kaldi made.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from egs import recipe
from egs.arguments import Parser
from egs.fsdd.recognition import recognise
from nnet.formats.tree import read_tree
from steps.accuracy_report import XENT
from steps.diagnostics import read_scores

XCONFIG = Path(__file__).parent / "conf" / "tdnnf.xconfig"
PREPARED = (
    "data/train/feats.scp",
    "data/test/feats.scp",
    "data/test/text",
    "chain/tree/tree",
    "chain/tree/ali.1.gz",
    "chain/lats/lat.1.gz",
    "chain/graph/HCLG.fst",
    "chain/graph/words.txt",
)
SETTINGS: dict[str, object] = {
    "stage": -10,
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "chain.xent-regularize": 0.1,
    "chain.leaky-hmm-coefficient": 0.1,
    "trainer.dropout-schedule": "0,0@0.20,0.3@0.50,0",
    "trainer.frames-per-iter": 60000,
    "egs.chunk-width": "45,30,21",
    "trainer.num-chunk-per-minibatch": "64,32",
    "trainer.optimization.initial-effective-lrate": 0.002,
    "trainer.optimization.final-effective-lrate": 0.0002,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    return recipe.guarded(run, parser().parse_args(argv))


def parser() -> Parser:
    """The recipe's options."""
    options = Parser(__doc__ or "")
    options.add_argument("--kaldi", type=Path, required=True, help="directory of Kaldi's directories")
    options.add_argument("--egs", type=Path, help="chain examples to use instead of making them")
    options.add_folder("exp/fsdd_chain")
    options.add_l2("l2", 0.03, "hidden layers")
    options.add_l2("l2-output", 0.015, "the output layers")
    options.add_training(num_epochs=6.0)
    options.add_decode()
    return options


def run(options: argparse.Namespace) -> None:
    """Train, score and recognise."""
    recipe.need(*(recipe.DECODER if options.decode else ()))
    recipe.need_files(options.kaldi, PREPARED)
    recipe.claim(options.dir, vars(options), free=("dir", "decode", "use_gpu"))
    folder, start = options.dir / "tdnnf", time.monotonic()
    train(folder, options)
    result = {"training_seconds": round(time.monotonic() - start, 1)}
    result |= scores(folder)
    if options.decode:
        result |= recognise(folder, options.kaldi / "chain" / "graph", options.kaldi / "data" / "test")
    recipe.write_json(options.dir / recipe.RESULT, result)
    print(f"Training took {result['training_seconds']:.0f} s. Summary page: {folder / 'report.html'}")


def train(folder: Path, options: argparse.Namespace) -> None:
    """Train `folder`/final.mdl. Raises ValueError if that fails."""
    chain: Path = options.kaldi / "chain"
    values = {
        "DIR": folder / "configs",
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2_output:g}",
        "PDFS": read_tree(str(chain / "tree" / "tree")).num_pdfs,
    }
    recipe.write_configs(folder / "configs", XCONFIG, values)
    settings = {
        **SETTINGS,
        **recipe.job_settings(options, options.num_epochs),
        "feat-dir": options.kaldi / "data" / "train",
        "tree-dir": chain / "tree",
        "lat-dir": chain / "lats",
        "dir": folder,
    }
    more = {"egs.dir": options.egs} if options.egs else {}
    recipe.call("steps.chain.train", *recipe.training_options(settings | more))


def scores(folder: Path) -> dict[str, float]:
    """Log-probabilities of the final model, and of its cross-entropy branch, on training and held-out
    examples.
    """
    result: dict[str, float] = {}
    for name in ("train", "valid"):
        log = folder / "log" / f"compute_prob_{name}.final.log"
        result[name] = read_scores(log)["log-probability"]
        result[f"{name}_xent"] = read_scores(log, XENT)["log-probability"]
    print(
        f"log-probability per frame: train {result['train']:.4f}, held out {result['valid']:.4f}; "
        f"cross-entropy branch {result['train_xent']:.3f}, {result['valid_xent']:.3f}"
    )
    return result


if __name__ == "__main__":
    raise SystemExit(main())
