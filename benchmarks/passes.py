"""Each compiled pass over arrays against numpy's body of the same function, and against a copy.

usage: OPENBLAS_NUM_THREADS=1 python -m benchmarks.passes [--rows 2080] [--columns 768] [--repeats 60]

Best of `repeats` calls in turns, in ms, over a dozen arrays, so that none stays in a core's cache. "Arrays
moved" is what the function has to read and write at least, the rate that over its time, as part of a copy's.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.paired import row, table
from nnet.allocation import keep_freed_memory
from nnet.kernels import compiled, normalise, relu, softmax
from nnet.kernels.rows import put
from nnet.kernels.sums import column_activity, column_totals, sumsq

ARRAYS = 12


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 2080), ("columns", 768), ("repeats", 60)):
        p.add_argument(f"--{name}", type=int, default=default)
    options = p.parse_args(argv)
    keep_freed_memory()  # as every program does
    if compiled.function("relu_back", "f") is None:
        print("nothing was compiled when the package was installed")
        return 1
    rng = np.random.default_rng(0)
    shape = options.rows, options.columns
    arrays = itertools.cycle([rng.standard_normal(shape, dtype=np.float32) for _ in range(ARRAYS)])
    copy = best([lambda: next(arrays).copy()], options.repeats)[0] / 2
    table("pass", "numpy, ms", "compiled, ms", "numpy / compiled", "arrays moved", "rate / copy's")
    for name, moved, work in functions(arrays, shape):
        numpys, ours = best([by_numpy(work), work], options.repeats)
        row(name, 1000 * numpys, 1000 * ours, numpys / ours, moved, moved * copy / ours)
    return 0


def functions(arrays: Iterator[Any], shape: tuple[int, int]) -> list[tuple[str, int, Callable[[], Any]]]:
    """Name, how many arrays it must read and write, and a call on the next arrays."""
    _, moments = normalise.forward(next(arrays), 1e-3, 1.0)

    def following() -> Any:
        return next(arrays)

    def high() -> Any:
        return following().reshape(shape[0], 1, shape[1])

    def twice(f: Callable[[Any, Any], Any]) -> Callable[[], Any]:
        return lambda: f(a := following(), a)

    return [
        ("sums and sums of squares over rows", 1, twice(column_totals)),
        ("(x - mean) scale", 2, lambda: normalise.standardised(following(), moments)),
        ("batch-norm forwards", 3, lambda: normalise.forward(following(), 1e-3, 1.0)),
        ("batch-norm backwards", 5, lambda: normalise.backward(following(), following(), moments, 1.0)),
        ("ReLU backwards", 3, lambda: relu.backward(following(), following())),
        ("ReLU's statistics", 1, lambda: column_activity(following())),
        ("squared norm", 1, lambda: sumsq(following())),
        ("y += scale x", 3, lambda: put(high(), slice(0, shape[0]), slice(0, shape[1]), high(), 0.66, True)),
        ("log-softmax forwards", 2, lambda: softmax.log_softmax(following())),
        ("log-softmax backwards", 3, lambda: softmax.log_softmax_backward(following(), following())),
    ]


def by_numpy(work: Callable[[], Any]) -> Callable[[], Any]:
    """The same by numpy's body."""

    def call() -> Any:
        library, compiled._library = compiled._library, nothing  # type: ignore[assignment]
        compiled.function.cache_clear()
        try:
            return work()
        finally:
            compiled._library = library
            compiled.function.cache_clear()

    return call


def nothing(dtype: str) -> None:
    """No library."""


def best(works: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """The least seconds of each, called in turns."""
    least = [float("inf")] * len(works)
    for _ in range(repeats):
        for k, work in enumerate(works):
            start = time.perf_counter()
            work()
            least[k] = min(least[k], time.perf_counter() - start)
    return least


if __name__ == "__main__":
    raise SystemExit(main())
