"""copy-matrix: copies tables or single files of matrices, perhaps scaled or with a function applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.formats.basic import open_output
from nnet.formats.script import read_place
from nnet.formats.tables import MATRIX, TableWriter, is_rspecifier, is_wspecifier, read_table
from nnet.programs.program import log, option, run_program

PROG = "copy-matrix"
USAGE = """
Write a matrix, or each matrix of a table, again: in text or binary, scaled or after a function.

Usage:  copy-matrix [options] <matrix-rspecifier> <matrix-wspecifier>
or:     copy-matrix [options] <matrix-rxfilename> <matrix-wxfilename>
e.g.:   copy-matrix --binary=false lda.mat -
        copy-matrix --apply-exp=true ark:log_post.ark ark:post.ark
"""
LOG_FLOOR = 1e-20  # smaller values count as this before the logarithm


@dataclass
class Options:
    """Options of copy-matrix."""

    binary: bool = option(True, "Write in binary mode, if the output is a single file")
    scale: float = option(1.0, "Factor on all elements")
    apply_log: bool = option(False, "Apply the logarithm, values below 1e-20 counting as that")
    apply_exp: bool = option(False, "Apply the exponential function")
    apply_power: float = option(1.0, "Raise the elements to this power")
    apply_softmax_per_row: bool = option(False, "Apply softmax to each row")


def main(argv: Sequence[str] | None = None) -> int:
    """Run copy-matrix."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, source: str, target: str) -> int:
    """Copy from `source` to `target`; status 1 if a table was empty."""
    if options.apply_log + options.apply_exp + options.apply_softmax_per_row > 1:
        raise ValueError("--apply-log, --apply-exp and --apply-softmax-per-row exclude each other: give one")
    if is_rspecifier(source) != is_wspecifier(target):
        raise ValueError(f"{source} and {target}: both must be tables (ark:, scp:), or both single files")
    if not is_rspecifier(source):
        x = changed(read_place(source, MATRIX), options)
        with open_output(target, options.binary) as out:
            out.matrix(x)
        log(PROG, f"Copied matrix to {target}")
        return 0
    done = 0
    with TableWriter(target, MATRIX) as table:
        for key, x in read_table(source, MATRIX):
            table.write(key, changed(x, options))
            done += 1
    log(PROG, f"Copied {done} matrices.")
    return 0 if done else 1


def changed(x: np.ndarray, options: Options) -> np.ndarray:
    """`x` (rows, cols) scaled, then the function, then the power that the options name."""
    if options.scale != 1.0:
        x = x * np.float32(options.scale)
    if options.apply_log:
        x = np.log(np.maximum(x, np.float32(LOG_FLOOR)))
    if options.apply_exp:
        with np.errstate(over="ignore"):
            x = np.exp(x)
    if options.apply_softmax_per_row:
        x = np.exp(x - x.max(axis=1, keepdims=True))
        x /= x.sum(axis=1, keepdims=True)
    return x if options.apply_power == 1.0 else power(x, options.apply_power)


def power(x: np.ndarray, exponent: float) -> np.ndarray:
    """`x` to the power `exponent`. Raises ValueError if that is no real number (Kaldi's ApplyPow)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.power(x, np.float32(exponent))
    if (wrong := np.isnan(y) & ~np.isnan(x)).any():
        raise ValueError(f"--apply-power={exponent:g}: {x[wrong][0]:g} to this power is no real number")
    return y


if __name__ == "__main__":
    raise SystemExit(main())
