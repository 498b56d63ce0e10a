"""tree-info: how many pdfs a context-dependency tree has, and how wide its context is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import run_program

USAGE = """
Prints the number of pdfs of a tree, the width of its context and the central position.

Usage: tree-info <tree-in>
"""


@dataclass
class Options:
    """tree-info has no options of its own."""


def run(options: Options, name: str) -> None:
    """Read and print."""
    from nnet.formats.tree import read_tree  # noqa: PLC0415 - not needed for --help

    tree = read_tree(name)
    print(f"num-pdfs {tree.num_pdfs}\ncontext-width {tree.width}\ncentral-position {tree.central}")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (1, 1), argv)


if __name__ == "__main__":
    raise SystemExit(main())
