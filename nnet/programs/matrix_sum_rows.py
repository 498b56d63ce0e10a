"""matrix-sum-rows: for each matrix of a table the sum of its rows, as a table of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.formats.tables import MATRIX, VECTOR, TableWriter, read_table
from nnet.programs.program import log, run_program

PROG = "matrix-sum-rows"
USAGE = """
Sum the rows of each matrix of a table; the sums make a table of vectors.

Usage:  matrix-sum-rows [options] <matrix-rspecifier> <vector-wspecifier>
e.g.:   matrix-sum-rows scp:post.scp ark,t:-
"""


@dataclass
class Options:
    """matrix-sum-rows has no options of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run matrix-sum-rows."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, matrices: str, vectors: str) -> int:
    """Write the sums, added up in double precision; status 1 if the table was empty."""
    done = rows = 0
    with TableWriter(vectors, VECTOR) as out:
        for key, x in read_table(matrices, MATRIX):
            out.write(key, x.sum(axis=0, dtype=np.float64).astype(np.float32))
            done += 1
            rows += len(x)
    log(PROG, f"Summed rows {done} matrices, {rows} rows in total.")
    return 0 if done else 1


if __name__ == "__main__":
    raise SystemExit(main())
