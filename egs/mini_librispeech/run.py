"""Mini LibriSpeech, the nnet3 part: a TDNN on alignments, features and i-vectors that Kaldi's run.sh made.

usage: python -m egs.mini_librispeech.run --s5 KALDI/egs/mini_librispeech/s5 [--dir DIR] [--dry-run] [options]

For people who ran Kaldi's stages up to tri3b and the i-vectors. --dry-run only shows the commands.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egs import recipe
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import read_table
from nnet.formats.tree import read_tree

XCONFIG = Path(__file__).parent / "conf" / "tdnn.xconfig"
IVECTORS = "local/nnet3/run_ivector_common.sh"
SETTINGS: dict[str, object] = {
    "stage": -10,
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "trainer.max-param-change": 2.0,
    "trainer.samples-per-iter": 100000,
    "trainer.optimization.num-jobs-initial": 1,
    "trainer.optimization.initial-effective-lrate": 0.0015,
    "trainer.optimization.final-effective-lrate": 0.00015,
    "trainer.optimization.minibatch-size": "256,128",
}


@dataclass(frozen=True)
class Places:
    """Where Kaldi's scripts leave things below `s5`."""

    s5: Path
    train_set: str = "train_clean_5"
    test_set: str = "dev_clean_2"
    gmm: str = "tri3b"

    @property
    def data(self) -> Path:
        """Features for training: speed-perturbed, 40 cepstra."""
        return self.s5 / "data" / f"{self.train_set}_sp_hires"

    @property
    def ali(self) -> Path:
        """Alignments of the speed-perturbed data."""
        return self.s5 / "exp" / f"{self.gmm}_ali_{self.train_set}_sp"

    @property
    def graph(self) -> Path:
        """The decoding graph."""
        return self.s5 / "exp" / self.gmm / "graph_tgsmall"

    @property
    def test(self) -> Path:
        """Features for testing."""
        return self.s5 / "data" / f"{self.test_set}_hires"

    def ivectors(self, data: Path) -> Path:
        """The i-vectors of a data directory."""
        return self.s5 / "exp" / "nnet3" / f"ivectors_{data.name}"

    def needed(self) -> list[tuple[Path, str]]:
        """Files that must exist, and what makes each."""
        return [
            (self.data / "feats.scp", IVECTORS),
            (self.ali / "ali.1.gz", f"{IVECTORS} (steps/align_fmllr.sh)"),
            (self.ivectors(self.data) / "ivector_online.scp", IVECTORS),
            (self.test / "feats.scp", IVECTORS),
            (self.ivectors(self.test) / "ivector_online.scp", IVECTORS),
            (self.graph / "HCLG.fst", f"run.sh, the stage that trains {self.gmm} (utils/mkgraph.sh)"),
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    defaults = {
        "dir": "S5/exp/nnet3/tdnn_sp",
        "dim": 520,
        "l2": 0.0,
        "l2_output": 0.0,
        "epochs": 4.0,
        "jobs": 2,
    }
    return recipe.guarded(run, parser(__doc__ or "", defaults).parse_args(argv))


def parser(doc: str, defaults: Mapping[str, Any]) -> recipe.Parser:
    """The options that the recipes of this corpus share."""
    options = recipe.Parser(doc)
    options.add_argument("--s5", type=Path, required=True, help="directory in which Kaldi's scripts were run")
    options.add_argument("--dir", type=Path, help=f"where the model goes ({defaults['dir']})")
    options.add_argument("--train-set", default="train_clean_5", help="name of the training data")
    options.add_argument("--test-set", default="dev_clean_2", help="name of the test data")
    options.add_argument("--gmm", default="tri3b", help="the GMM whose work is used (tri3b)")
    for name, kind, text in (
        ("dim", recipe.count, "dimension of hidden layers"),
        ("l2", recipe.at_least_zero, "l2-regularize of hidden layers"),
        ("l2-output", recipe.at_least_zero, "l2-regularize of output layers"),
        ("jobs", recipe.count, "parallel jobs in the end"),
    ):
        default = defaults[name.replace("-", "_")]
        options.add_argument(f"--{name}", type=kind, default=default, help=f"{text} ({default:g})")
    epochs = defaults["epochs"]
    options.add_argument(
        "--num-epochs", type=recipe.positive, default=epochs, help=f"passes over the data ({epochs:g})"
    )
    options.add_argument("--seed", type=int, default=0, help="of the training (0)")
    options.add_argument("--use-gpu", choices=("optional", "yes", "no"), default="optional")
    options.add_argument("--dry-run", action="store_true", help="show the commands, run nothing")
    return options


def run(options: argparse.Namespace) -> None:
    """Check what Kaldi left, then make configs, train and decode; or show how."""
    places = Places(options.s5, options.train_set, options.test_set, options.gmm)
    folder: Path = options.dir or options.s5 / "exp" / "nnet3" / "tdnn_sp"
    carry_out(options, places, folder, XCONFIG, places.ali / "tree", commands(places, folder, options))


def carry_out(
    options: argparse.Namespace,
    places: Places,
    folder: Path,
    xconfig: Path,
    tree: Path,
    steps: Sequence[recipe.Command],
) -> None:
    """Show the commands `steps`, or check what there is, write the network of `folder` and run them."""
    if options.dry_run:
        print("\n".join(recipe.command_line(module, arguments) for module, *arguments in steps))
        return
    check(places)
    recipe.need("kaldifst", "kaldi_decoder", "kaldialign")
    free = {"dir", "dry_run", "use_gpu"}
    recipe.claim(folder, {k: v for k, v in vars(options).items() if k not in free})
    values = {
        "DIR": folder / "configs",
        "IVECTOR_DIM": ivector_dim(places.ivectors(places.data)),
        "DIM": options.dim,
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2_output:g}",
        "PDFS": read_tree(str(tree)).num_pdfs,
    }
    recipe.write_xconfig(folder / "configs", xconfig, values)
    for command in steps:
        recipe.call(*command)


def check(places: Places) -> None:
    """Raise ValueError naming the first missing file and the script of Kaldi's that makes it."""
    for path, maker in places.needed():
        if not path.is_file():
            raise ValueError(f"there is no {path}: run {maker} in {places.s5}")


def ivector_dim(folder: Path) -> int:
    """The dimension of i-vectors. Raises ValueError if there are none."""
    for _, matrix in read_table(f"scp:{folder}/ivector_online.scp", MATRIX):
        return int(matrix.shape[1])
    raise ValueError(f"{folder}/ivector_online.scp is empty")


def commands(places: Places, folder: Path, options: argparse.Namespace) -> list[recipe.Command]:
    """What is run, in order: configs, training, decoding."""
    training = SETTINGS | {
        "feat.online-ivector-dir": places.ivectors(places.data),
        "trainer.num-epochs": options.num_epochs,
        "trainer.optimization.num-jobs-final": options.jobs,
        "trainer.srand": options.seed,
        "use-gpu": options.use_gpu,
        "feat-dir": places.data,
        "ali-dir": places.ali,
        "lang": places.s5 / "data" / "lang",
        "dir": folder,
    }
    decoding = {
        "model": folder / "final.mdl",
        "graph": places.graph,
        "data": places.test,
        "dir": folder / f"decode_tgsmall_{places.test_set}",
        "online-ivector-dir": places.ivectors(places.test),
    }
    return [
        recipe.configs_command(folder / "configs"),
        ("steps.train_dnn", *recipe.training_options(training)),
        ("steps.decode_command", *recipe.training_options(decoding)),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
