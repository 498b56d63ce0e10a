"""Handwritten digits (those that scikit-learn brings along): a residual network, its error on unseen images.

usage: python -m egs.images.run [--dir exp/images] [--num-epochs 20] [--jobs 2] [--l2 0.002] [--seed 0]

1797 images of 8 x 8 points. Every fifth is kept apart and recognised; the others are trained on, shifted and
turned a little at random. Needs scikit-learn: pip install -e '.[images]'
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egs import recipe
from egs.arguments import Parser
from egs.examples import SUBSETS, table, write_info
from nnet.combination import set_test_modes
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX
from nnet.formats.model import read_nnet
from nnet.formats.sparse import from_pairs
from nnet.formats.tables import TableWriter
from nnet.xvectors import Embedding

XCONFIG = Path(__file__).parent / "conf" / "resnet.xconfig"
CLASSES, SIZE = 10, 8
FOLDS = 5  # one of them is the test set
SUBSET = 150  # images by which models are compared during training
ARCHIVES = 2
SETTINGS: dict[str, object] = {
    "stage": -10,
    "egs.frames-per-eg": 1,
    "image.augmentation-opts": "--horizontal-shift=0.125 --vertical-shift=0.125 --rotation-degree=10 "
    "--rotation-prob=0.5",
    "trainer.optimization.initial-effective-lrate": 0.003,
    "trainer.optimization.final-effective-lrate": 0.0003,
    "trainer.optimization.minibatch-size": 32,
}
Part = tuple[np.ndarray, np.ndarray]  # images (N, x, y) float32 in 0 ... 1, and their digits (N,)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    parser = Parser(__doc__ or "")
    parser.add_folder("exp/images")
    parser.add_training(num_epochs=20.0)
    parser.add_l2("l2", 0.002, "all layers")
    return recipe.guarded(run, parser.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """Make examples, train, recognise."""
    recipe.need("sklearn", install="images")
    start = time.monotonic()
    top: Path = options.dir
    recipe.claim(top, vars(options))
    train_part, test_part = divided(*digits())
    recipe.stage(top / "egs", "Examples", lambda: write_egs(top / "egs", train_part))
    values = {"L2_HIDDEN": f"{options.l2:g}", "L2_OUTPUT": f"{options.l2:g}"}
    recipe.write_configs(top / "resnet" / "configs", XCONFIG, values)
    train(top, options)
    errors, count = count_errors(top / "resnet" / "final.raw", test_part)
    rate = 100 * errors / count
    print(f"{rate:.2f} % of {count} unseen images are taken for another digit ({errors})")
    recipe.write_json(top / recipe.RESULT, {"error_rate": rate, "errors": errors, "images": count})
    print(f"Summary page: {top / 'resnet' / 'report.html'}")
    print(f"All of it took {time.monotonic() - start:.0f} s.")


def digits() -> Part:
    """All images; a row of an image is a point's x, as a frame of an example is."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra

    data = load_digits()
    return data.images.transpose(0, 2, 1).astype(np.float32) / 16, data.target


def divided(images: np.ndarray, labels: np.ndarray) -> tuple[Part, Part]:
    """What is trained on, and every FOLDS-th image."""
    test = np.arange(len(images)) % FOLDS == 0
    return (images[~test], labels[~test]), (images[test], labels[test])


def write_egs(egs: Path, part: Part) -> None:
    """Archives, subsets and info. The first SUBSET images are in no archive: they watch the training."""
    images, labels = part
    first = {"valid_diagnostic": 0, "train_diagnostic": SUBSET, "combine": SUBSET}
    for name in SUBSETS:
        chosen = slice(first[name], first[name] + SUBSET)
        make_table(egs, name, images[chosen], labels[chosen])
    for n in range(ARCHIVES):
        chosen = slice(SUBSET + n, None, ARCHIVES)
        make_table(egs, n + 1, images[chosen], labels[chosen])
    write_info(egs, ARCHIVES, len(images) - SUBSET, SIZE, (0, SIZE - 1))


def make_table(egs: Path, name: str | int, images: np.ndarray, labels: np.ndarray) -> None:
    """One table of examples, from tables of images and of labels as other programs may make them."""
    inputs, outputs = (f"ark:{egs}/{what}.{name}.ark" for what in ("images", "labels"))
    with TableWriter(inputs, MATRIX) as x, TableWriter(outputs, GENERAL_MATRIX) as y:
        for n, (image, label) in enumerate(zip(images, labels)):
            x.write(f"{name}-{n:04d}", image)
            y.write(f"{name}-{n:04d}", from_pairs([[(int(label), 1.0)]], CLASSES))
    recipe.call(
        "nnet.programs.nnet3_get_egs_simple", f"input={inputs}", f"output={outputs}", table(egs, name)
    )


def train(top: Path, options: argparse.Namespace) -> None:
    """Exactly what a Kaldi user runs."""
    places = {"egs.dir": top / "egs", "dir": top / "resnet"}
    settings = {**SETTINGS, **recipe.job_settings(options, options.num_epochs), **places}
    recipe.call("steps.train_raw_dnn", *recipe.training_options(settings))


def count_errors(model: Path, part: Part) -> tuple[int, int]:
    """How many images have the highest output for another digit than theirs, and how many there are."""
    images, labels = part
    y = Embedding(set_test_modes(read_nnet(str(model))))(images.transpose(1, 0, 2))  # (N, classes)
    return int((y.argmax(axis=1) != labels).sum()), len(labels)


if __name__ == "__main__":
    raise SystemExit(main())
