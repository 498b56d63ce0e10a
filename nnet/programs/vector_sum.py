"""vector-sum: sums of vectors, over several tables key by key, over one table, or over single files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from nnet.formats.basic import open_output
from nnet.formats.script import read_place
from nnet.formats.tables import VECTOR, TableWriter, is_rspecifier, is_wspecifier, random_access, read_table
from nnet.programs.options import escape
from nnet.programs.program import log, option, run_program, warn

PROG = "vector-sum"
USAGE = """
Add vectors up: tables key by key into a table, all vectors of one table into a file, or files into a file.

Usage:  vector-sum [options] <vector-rspecifier1> [<vector-rspecifier2> ...] <vector-wspecifier>
or:     vector-sum [options] <vector-rspecifier> <vector-wxfilename>
or:     vector-sum [options] <vector-rxfilename1> [<vector-rxfilename2> ...] <vector-wxfilename>
e.g.:   vector-sum ark:a.ark ark:b.ark ark,t:-
        vector-sum --average=true ark:post.ark mean.vec
        vector-sum post.1.vec post.2.vec post.vec
"""


@dataclass
class Options:
    """Options of vector-sum."""

    binary: bool = option(True, "Write the output in binary mode, if it is a single file")
    average: bool = option(False, "Write the average instead of the sum (for one table into a file)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run vector-sum."""
    return run_program(USAGE, Options, run, (2, None), argv)


def run(options: Options, *names: str) -> int:
    """Choose what to do by what the first and the last argument are, as Kaldi does."""
    *sources, target = names
    if is_wspecifier(target):
        return sum_tables(sources, target)
    if len(sources) == 1 and is_rspecifier(sources[0]):
        return sum_table(options, sources[0], target)
    if tables := [s for s in sources if is_rspecifier(s)]:
        raise ValueError(
            f"{tables[0]} is a table but the output {target} is a file: "
            "give one table alone, only files, or a table (ark:, scp:) as output"
        )
    return sum_files(options, sources, target)


def sum_tables(sources: Sequence[str], target: str) -> int:
    """For each key of the first table the sum over all tables; status 1 if half of the others are missing."""
    done = vectors = missing = 0
    with ExitStack() as stack:
        out = stack.enter_context(TableWriter(target, VECTOR))
        others = [stack.enter_context(random_access(s, VECTOR)) for s in sources[1:]]
        for key, first in read_table(sources[0], VECTOR):
            total, done, vectors = first.copy(), done + 1, vectors + 1
            for number, (table, name) in enumerate(zip(others, sources[1:]), 2):
                if key not in table:
                    warn(PROG, f"No vector found for utterance {key} for system {number}, rspecifier: {name}")
                    missing += 1
                    continue
                vectors += 1
                v = table[key]
                if v.shape == total.shape:
                    total += v
                else:
                    warn(
                        PROG,
                        f"Dimension mismatch for utterance {key} : {len(v)} for system {number}, rspecifier: "
                        f"{name} vs {len(total)} primary vector, rspecifier:{sources[0]}",
                    )
            out.write(key, total)
    systems = f"across {len(sources)} different systems"
    log(PROG, f"Processed {done} utterances: with a total of {vectors} vectors {systems}")
    log(PROG, f"Produced output for {done} utterances; {missing} total missing vectors")
    return 0 if done and missing < done - missing else 1


def sum_table(options: Options, source: str, target: str) -> int:
    """The sum or average of all vectors of a table, in double precision; status 1 if none could be used."""
    total = np.zeros(0)
    done = bad = 0
    for key, v in read_table(source, VECTOR):
        total = total if len(total) else np.zeros(len(v))
        if not len(v):
            warn(PROG, f"Zero vector input for key {key}")
        elif len(v) != len(total):
            warn(PROG, f"Dimension mismatch for key {key}: {len(v)} vs. {len(total)}")
        else:
            total += v
            done += 1
            continue
        bad += 1
    if options.average and done:
        total *= 1.0 / done
    _write(options, total.astype(np.float32), target)
    log(PROG, f"Summed {done} vectors, {bad} with errors; wrote sum to {_shown(target)}")
    return 0 if done and bad < done else 1


def sum_files(options: Options, sources: Sequence[str], target: str) -> int:
    """The sum of the vectors in files; the first may be shorter than later ones (Kaldi then adds zeros)."""
    total = np.zeros(0, np.float32)
    for source in sources:
        v = read_place(source, VECTOR)
        if len(v) < len(total):
            raise ValueError(f"{source} has {len(v)} elements, the vectors before it {len(total)}")
        total = np.pad(total, (0, len(v) - len(total))) + v
    _write(options, total, target)
    log(PROG, f"Summed {len(sources)} vectors; wrote sum to {_shown(target)}")
    return 0


def _write(options: Options, v: np.ndarray, target: str) -> None:
    with open_output(target, options.binary) as out:
        out.vector(v)


def _shown(target: str) -> str:
    return "standard output" if target in ("", "-") else escape(target)


if __name__ == "__main__":
    raise SystemExit(main())
