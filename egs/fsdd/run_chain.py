"""Recorded digits with LF-MMI: train a TDNN-F on five speakers, recognise the sixth.

usage: python -m egs.fsdd.run_chain --kaldi DIR [--dir exp/fsdd_chain] [options]

DIR holds what Kaldi leaves: DIR/data/{train,test}, the tree of a chain topology with its alignments in
DIR/chain/tree, numerator lattices in DIR/chain/lats, a graph in DIR/chain/graph. Phone language model,
denominator graph and examples are made here; --egs DIR takes examples that Kaldi made.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from egs import recipe
from nnet.files import atomic_write
from nnet.formats.tree import read_tree
from steps.accuracy_report import XENT
from steps.decode import decode_data
from steps.diagnostics import read_scores

XCONFIG = Path(__file__).parent / "conf" / "tdnnf.xconfig"
RESULT = "result.json"
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


def parser() -> recipe.Parser:
    """The recipe's options."""
    options = recipe.Parser(__doc__ or "")
    options.add_argument("--kaldi", type=Path, required=True, help="directory of Kaldi's directories")
    options.add_argument("--egs", type=Path, help="chain examples to use instead of making them")
    options.add_argument(
        "--dir", type=Path, default=Path("exp/fsdd_chain"), help="where everything goes (exp/fsdd_chain)"
    )
    options.add_argument(
        "--l2", type=recipe.at_least_zero, default=0.03, help="l2-regularize of hidden layers (0.03)"
    )
    options.add_argument(
        "--l2-output", type=recipe.at_least_zero, default=0.015, help="and of the output layers (0.015)"
    )
    options.add_argument("--num-epochs", type=recipe.positive, default=6.0, help="passes over the data (6)")
    options.add_argument("--jobs", type=recipe.count, default=2, help="parallel training jobs (2)")
    options.add_argument("--seed", type=int, default=0, help="of examples and training (0)")
    options.add_argument("--use-gpu", choices=("optional", "yes", "no"), default="optional")
    options.add_argument(
        "--decode", action=argparse.BooleanOptionalAction, default=True, help="recognise the test set"
    )
    return options


def run(options: argparse.Namespace) -> None:
    """Train, score and recognise."""
    recipe.need(*(["kaldifst", "kaldi_decoder", "kaldialign"] if options.decode else []))
    check_inputs(options.kaldi)
    free = {"dir", "decode", "use_gpu"}
    recipe.claim(options.dir, {k: v for k, v in vars(options).items() if k not in free})
    folder, start = options.dir / "tdnnf", time.monotonic()
    train(folder, options)
    result = {"training_seconds": round(time.monotonic() - start, 1)}
    result |= scores(folder) | decode(folder, options)
    with atomic_write(options.dir / RESULT, text=True) as stream:
        stream.write(json.dumps(result, indent=1) + "\n")
    print(f"Training took {result['training_seconds']:.0f} s. Summary page: {folder / 'report.html'}")


def check_inputs(kaldi: Path) -> None:
    """Raise ValueError naming what is missing, before anything is made."""
    for name in PREPARED:
        if not (kaldi / name).is_file():
            raise ValueError(f"--kaldi={kaldi}: there is no {kaldi / name}")


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
    settings = SETTINGS | {
        "trainer.num-epochs": options.num_epochs,
        "trainer.optimization.num-jobs-initial": options.jobs,
        "trainer.optimization.num-jobs-final": options.jobs,
        "trainer.srand": options.seed,
        "use-gpu": options.use_gpu,
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


def decode(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """The word error rate of the unseen speaker, unless it is not wanted."""
    if not options.decode:
        return {}
    print("Recognising the unseen speaker", flush=True)
    graph, data = options.kaldi / "chain" / "graph", options.kaldi / "data" / "test"
    rate = decode_data(folder / "final.mdl", graph, data, folder / "decode_test")
    print(rate.line())
    return {"wer": rate.wer, "errors": float(rate.errors)}


if __name__ == "__main__":
    raise SystemExit(main())
