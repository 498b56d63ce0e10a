"""What the recipes of this corpus share: options, and the commands for configs, training and decoding."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from egs import recipe
from egs.arguments import Parser
from egs.mini_librispeech.places import Places
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import read_table
from nnet.formats.tree import read_tree

CONF = Path(__file__).parent / "conf"


@dataclass(frozen=True)
class Training:
    """What is trained, and how."""

    script: str
    network: str  # conf/NETWORK.xconfig
    folder: str  # below s5: where the model goes unless told otherwise
    settings: Mapping[str, object]
    decoding: Mapping[str, object] = field(default_factory=dict)


def parser(doc: str, training: Training) -> Parser:
    """The options that are the same in all recipes of this corpus."""
    options = Parser(doc)
    options.add_argument("--s5", type=Path, required=True, help="directory in which Kaldi's scripts were run")
    options.add_argument("--dir", type=Path, help=f"where the model goes (S5/{training.folder})")
    options.add_argument("--train-set", default="train_clean_5", help="name of the training data")
    options.add_argument("--test-set", default="dev_clean_2", help="name of the test data")
    options.add_argument("--gmm", default="tri3b", help="the GMM whose work is used (tri3b)")
    options.add_argument("--dry-run", action="store_true", help="show the commands, run nothing")
    return options


def carry_out(training: Training, places: Places, options: argparse.Namespace) -> None:
    """Check what Kaldi left, then make configs, train and decode; or show how."""
    folder: Path = options.dir or options.s5 / training.folder
    steps = commands(training, places, folder, options)
    if options.dry_run:
        print("\n".join(recipe.command_line(module, arguments) for module, *arguments in steps))
        return
    places.check()
    recipe.need(*recipe.DECODER)
    recipe.claim(folder, vars(options), free=("dir", "dry_run", "use_gpu"))
    values = {
        "DIR": folder / "configs",
        "IVECTOR_DIM": ivector_dim(places.train.ivectors),
        "DIM": options.dim,
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2_output:g}",
        "PDFS": read_tree(str(places.tree)).num_pdfs,
    }
    recipe.write_xconfig(folder / "configs", CONF / f"{training.network}.xconfig", values)
    for command in steps:
        recipe.call(*command)


def ivector_dim(folder: Path) -> int:
    """The dimension of i-vectors. Raises ValueError if there are none."""
    for _, matrix in read_table(f"scp:{folder}/ivector_online.scp", MATRIX):
        return int(matrix.shape[1])
    raise ValueError(f"{folder}/ivector_online.scp is empty")


def commands(
    training: Training, places: Places, folder: Path, options: argparse.Namespace
) -> list[recipe.Command]:
    """What is run, in order: configs, training, decoding."""
    learning = {
        **recipe.job_settings(options, options.num_epochs),
        **training.settings,
        "feat.online-ivector-dir": places.train.ivectors,
        "feat-dir": places.train.data,
        **places.supervision,
        "dir": folder,
    }
    decoding = {
        "model": folder / "final.mdl",
        "graph": places.graph,
        "data": places.test.data,
        "dir": folder / f"decode_tgsmall_{options.test_set}",
        "online-ivector-dir": places.test.ivectors,
        **training.decoding,
    }
    return [
        recipe.configs_command(folder / "configs"),
        (training.script, *recipe.training_options(learning)),
        ("steps.decode_command", *recipe.training_options(decoding)),
    ]
