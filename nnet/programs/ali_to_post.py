"""ali-to-post: alignments as posteriors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import log, run_program

PROG = "ali-to-post"
USAGE = """
Turns sequences of integers (transition-ids, or pdfs from ali-to-pdf) into posteriors: each integer has the
probability 1 at its frame. The exit status is 1 if there was no alignment.

Usage: ali-to-post <alignments-rspecifier> <posteriors-wspecifier>
 e.g.: ali-to-post ark:pdfs.ark ark,t:-
"""


@dataclass
class Options:
    """ali-to-post has no options of its own."""


def run(options: Options, alignments: str, posteriors: str) -> int:
    """Read, wrap, write."""
    from nnet.formats.tables import INT_VECTOR, POSTERIOR, TableWriter, read_table  # noqa: PLC0415

    done = 0
    with TableWriter(posteriors, POSTERIOR) as writer:
        for key, alignment in read_table(alignments, INT_VECTOR):
            writer.write(key, [[(i, 1.0)] for i in alignment.tolist()])
            done += 1
    log(PROG, f"Converted {done} alignments.")
    return 0 if done else 1


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (2, 2), argv)


if __name__ == "__main__":
    raise SystemExit(main())
