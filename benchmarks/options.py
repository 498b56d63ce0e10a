"""What benchmarks can be told, and how they end: in a table, or in one line that says what is wrong."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nnet.programs.program import describe

Main = Callable[[Sequence[str] | None], int]


def one_line(main: Main) -> Main:
    """`main`, but what goes wrong is said in one line, and the exit status is 1."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except (ValueError, OSError, ImportError, MemoryError) as error:
            print(f"error: {describe(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return guarded


def existing(folder: str) -> Path:
    """The value of an option that names a directory."""
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"there is no directory {folder}")
    return Path(folder)


def counts(text: str) -> list[int]:
    """`25,50`: whole numbers that are at least 1."""
    numbers = [int(word) for word in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{min(numbers)} is less than 1")
    return numbers


def few_and_many(text: str) -> tuple[int, int]:
    """`2,10`: two whole numbers, the first at least 1, the second larger: the difference is measured."""
    numbers = counts(text)
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        raise argparse.ArgumentTypeError(f"{text}: expected FEW,MANY, the second larger than the first")
    return numbers[0], numbers[1]


def need(folder: Path, *names: str) -> None:
    """Raise ValueError naming the first of the files that `folder`, given as --data, lacks."""
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"--data={folder}: there is no {folder / name}")
