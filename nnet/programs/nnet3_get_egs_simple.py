"""nnet3-get-egs-simple: whole matrices of several tables, joined by key, to training examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from nnet.examples.make import frame_indexes
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.kinds import GENERAL_MATRIX
from nnet.formats.specifiers import is_rspecifier
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.formats.writer import check_token
from nnet.programs.program import run_program, warn

USAGE = """Get examples for nnet3 training whose inputs and outputs are whole matrices, as for images.

Usage:  nnet3-get-egs-simple [options] <name1>=<rspecifier1> [<name2>=<rspecifier2> ...] <egs-wspecifier>

e.g. nnet3-get-egs-simple input=scp:pictures.scp output=ark:classes.ark ark:train.egs
"""
PROG = "nnet3-get-egs-simple"


@dataclass
class Options:
    """nnet3-get-egs-simple has no options of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, run, (2, None), argv)


def run(options: Options, *arguments: str) -> int:
    """Write an example for each key of the first table that all tables have; 1 if there are none."""
    *sources, examples = arguments
    (first_name, first), *rest = map(named_table, sources)
    done = errors = 0
    with ExitStack() as stack:
        writer = stack.enter_context(TableWriter(examples, EXAMPLE))
        others = [(name, stack.enter_context(random_access(table, GENERAL_MATRIX))) for name, table in rest]
        for key, x in read_table(first, GENERAL_MATRIX):
            lacking = [name for name, table in others if key not in table]
            if lacking:
                warn(PROG, f"Could not find input for key {key} for io-name={lacking[0]}")
                errors += 1
                continue
            values = [(first_name, x), *((name, table[key]) for name, table in others)]
            io = [NnetIo(name, frame_indexes(0, value.shape[0]), value) for name, value in values]
            writer.write(key, NnetExample(io))
            done += 1
    if errors:
        warn(PROG, f"{errors} utterances had errors and could not be processed.")
    return 0 if done else 1


def named_table(argument: str) -> tuple[str, str]:
    """(name, rspecifier) of `name=rspecifier`. Raises ValueError if it is none."""
    name, _, rspecifier = argument.partition("=")
    try:
        check_token(name)
    except ValueError:
        name = ""
    if not name or not is_rspecifier(rspecifier):
        raise ValueError(f"{argument}: expected a name and a table, as in input=ark:feats.ark")
    return name, rspecifier


if __name__ == "__main__":
    raise SystemExit(main())
