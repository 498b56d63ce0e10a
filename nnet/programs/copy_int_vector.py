"""copy-int-vector: copies vectors of integers (alignments), tables or single files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import log, option, run_program

PROG = "copy-int-vector"
USAGE = """
Writes integers again, such as alignments, in text or binary: a table, or a single file with one vector.

Usage: copy-int-vector [options] (vector-in-rspecifier|vector-in-rxfilename) (vector-out-wspecifier|vector-out-wxfilename)
 e.g.: copy-int-vector "ark:gunzip -c ali.1.gz|" ark,t:-
       copy-int-vector --binary=false numbers -
"""  # noqa: E501 - one line for what the arguments are


@dataclass
class Options:
    """Options of copy-int-vector."""

    binary: bool = option(True, "Write a single file in binary mode (tables have ,t for text)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run copy-int-vector."""
    return run_program(USAGE, Options, copy_int_vector, (2, 2), argv)


def copy_int_vector(options: Options, source: str, target: str) -> int:
    """Copy integers from `source` to `target`; status 1 if a table was empty."""
    from nnet.formats.basic import open_output, open_whole  # noqa: PLC0415 - fast start
    from nnet.formats.tables import (  # noqa: PLC0415 - fast start
        INT_VECTOR,
        TableWriter,
        is_rspecifier,
        is_wspecifier,
        read_table,
    )

    if is_rspecifier(source) != is_wspecifier(target):
        raise ValueError(f"tables and single files cannot be mixed: {source} and {target}")
    if not is_rspecifier(source):
        with open_whole(source) as data:
            vector = data.int_vector()
        with open_output(target, options.binary) as out:
            out.int_vector(vector)
        log(PROG, f"Copied vector to {target}")
        return 0
    done = 0
    with TableWriter(target, INT_VECTOR) as writer:
        for key, vector in read_table(source, INT_VECTOR):
            writer.write(key, vector)
            done += 1
    log(PROG, f"Copied {done} vectors of int32.")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
