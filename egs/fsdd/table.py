"""What the L2 constants do: trains every pair of them with every seed, and prints the table of results.

usage: python -m egs.fsdd.table --kaldi DIR [--dir exp/fsdd_table] [--seeds 0,1,2] [--l2 0/0,0.01/0.002]

Trainings that are done are not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from egs import recipe
from egs.arguments import Parser, count, positive
from egs.recipe import RESULT

COLUMNS = ("train", "valid", "valid_accuracy", "unseen", "unseen_accuracy", "wer")
HEAD = (
    "| l2-regularize, hidden / output | seed | train | valid | valid accuracy "
    "| unseen | unseen accuracy | WER % |\n"
    "|---|---|---|---|---|---|---|---|"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the grid; returns the exit status."""
    parser = Parser(__doc__ or "")
    parser.add_argument("--kaldi", type=Path, required=True, help="directory of Kaldi's directories")
    parser.add_folder("exp/fsdd_table")
    parser.add_argument("--seeds", default="0,1,2", help="seeds, with commas (0,1,2)")
    parser.add_argument("--l2", default="0/0,0.01/0.002", help="constants HIDDEN/OUTPUT, with commas")
    parser.add_argument("--jobs", type=count, default=2, help="parallel training jobs (2)")
    parser.add_argument("--num-epochs", type=positive, default=4.0, help="passes over the data (4)")
    return recipe.guarded(run, parser.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """Train what is not trained yet, then print the table."""
    pairs, seeds = parse_pairs(options.l2), parse_seeds(options.seeds)
    results = {(*pair, seed): one(options, *pair, seed) for pair in pairs for seed in seeds}
    print("\n".join([HEAD, *(row(key, value) for key, value in results.items())]))
    for pair in pairs:
        print(row((*pair, "mean"), mean([results[*pair, seed] for seed in seeds])))


def parse_pairs(text: str) -> list[tuple[float, float]]:
    """`0/0,0.01/0.002` -> pairs of numbers. Raises ValueError."""
    pairs = []
    for part in text.split(","):
        try:
            hidden, output = (float(number) for number in part.split("/"))
        except ValueError:
            raise ValueError(f"--l2={text}: expected HIDDEN/OUTPUT, found {part!r}") from None
        pairs.append((hidden, output))
    return pairs


def parse_seeds(text: str) -> list[int]:
    """`0,1,2` -> whole numbers. Raises ValueError."""
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError:
        raise ValueError(f"--seeds={text}: expected whole numbers with commas between") from None


def one(options: argparse.Namespace, hidden: float, output: float, seed: int) -> dict[str, float]:
    """The results of one training, which is done if need be."""
    folder = options.dir / f"l2_{hidden:g}_{output:g}_seed{seed}"
    if not (folder / RESULT).is_file():
        settings = {
            "kaldi": options.kaldi,
            "dir": folder,
            "l2": hidden,
            "l2-output": output,
            "seed": seed,
            "jobs": options.jobs,
            "num-epochs": options.num_epochs,
        }
        recipe.call("egs.fsdd.run", *recipe.training_options(settings))
    return dict(json.loads((folder / RESULT).read_text(encoding="utf-8")))


def mean(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """The average of each number."""
    return {name: sum(r[name] for r in results) / len(results) for name in COLUMNS}


def row(key: tuple[float, float, int | str], result: dict[str, float]) -> str:
    """One line of the table."""
    numbers = " | ".join(
        f"{result[name]:.1f}" if name == "wer" else f"{result[name]:.3f}" for name in COLUMNS
    )
    return f"| {key[0]:g} / {key[1]:g} | {key[2]} | {numbers} |"


if __name__ == "__main__":
    raise SystemExit(main())
