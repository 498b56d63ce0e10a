"""nnet-get-feature-transform: the LDA-like transform of a network's first layer, from statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.lda import cholesky, feature_transform, sum_stats
from nnet.formats.basic import open_output
from nnet.formats.lda_stats import write_packed
from nnet.programs.program import log, option, run_program

PROG = "nnet-get-feature-transform"
USAGE = """
Estimate a transform of features that makes all directions that tell the classes apart equally large and the
others small; statistics are those of nnet3-acc-lda-stats or acc-lda.

Usage:  nnet-get-feature-transform [options] <matrix-out> <lda-acc-1> [<lda-acc-2> ...]
e.g.:   nnet-get-feature-transform --dim=40 lda.mat lda.1.acc lda.2.acc
"""


@dataclass
class Options:
    """Options of nnet-get-feature-transform."""

    binary: bool = option(True, "Write the outputs in binary mode")
    remove_offset: bool = option(True, "Add a column that makes the mean of the projected data zero")
    dim: int = option(-1, "Dimension to project to; 0 or below: all")
    within_class_factor: float = option(
        0.001, "Variance given to directions without between-class variance; 1.0 is conventional LDA"
    )
    max_singular_value: float = option(5.0, "If >0, limit on the singular values of the transform")
    write_cholesky: str = option("", "File for C, lower triangular, with CC' the within-class covariance")
    write_within_covar: str = option("", "File for the within-class covariance")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet-get-feature-transform."""
    return run_program(USAGE, Options, run, (2, None), argv)


def run(options: Options, target: str, *sources: str) -> None:
    """Write the transform, and what else is asked for."""
    stats = sum_stats(sources)
    transform = feature_transform(
        stats,
        options.dim,
        options.within_class_factor,
        options.max_singular_value,
        options.remove_offset,
        lambda line: log(PROG, line),
    )
    with open_output(target, options.binary) as out:
        out.matrix(transform)
    if options.write_cholesky or options.write_within_covar:
        total, between = stats.covariances()
        factor = cholesky(total - between, lambda line: None).astype(np.float32)
        _write(options, options.write_cholesky, factor)
        _write(options, options.write_within_covar, factor @ factor.T)


def _write(options: Options, target: str, matrix: np.ndarray) -> None:
    """The lower triangle of `matrix` to the file `target`, if one is named."""
    if target:
        with open_output(target, options.binary) as out:
            write_packed(out, matrix)


if __name__ == "__main__":
    raise SystemExit(main())
