"""What is trained and how: the network and options with which Kaldi's results on this corpus were made."""

from __future__ import annotations

import argparse
from pathlib import Path

from egs import recipe
from nnet.formats.tree import read_tree

XCONFIG = Path(__file__).parent / "conf" / "tdnn.xconfig"
SETTINGS: dict[str, object] = {
    "stage": -10,
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "trainer.samples-per-iter": 4000,
    "trainer.optimization.initial-effective-lrate": 0.0015,
    "trainer.optimization.final-effective-lrate": 0.00015,
    "trainer.optimization.minibatch-size": 128,
    "egs.frames-per-eg": 8,
}


def train(
    data: Path, ali: Path, lang: Path, folder: Path, options: argparse.Namespace, num_epochs: float
) -> None:
    """Train `folder`/final.mdl on `data` with the alignments `ali`. Raises ValueError if that fails."""
    values = {
        "DIR": folder / "configs",
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2_output:g}",
        "PDFS": read_tree(str(ali / "tree")).num_pdfs,
    }
    recipe.write_configs(folder / "configs", XCONFIG, values)
    settings = {
        **SETTINGS,
        **recipe.job_settings(options, num_epochs),
        "feat-dir": data,
        "ali-dir": ali,
        "lang": lang,
        "dir": folder,
    }
    recipe.call("steps.train_dnn", *recipe.training_options(settings))
