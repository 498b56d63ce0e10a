"""Matrix products of the host: numpy's matmul against what `multiply` calls, of MKL or oneDNN if possible.

usage: OPENBLAS_NUM_THREADS=1 python -m benchmarks.products [--repeats 15]

The products of a layer of the benchmark networks: forwards (X W'), the derivative of the input (D W), the
change of the weights (D' X), and those of natural gradient, which are narrow. Both in turns; medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from benchmarks.options import one_line
from benchmarks.paired import row, table
from nnet.allocation import keep_freed_memory
from nnet.kernels import cblas

SHAPES = (  # rows, inputs, outputs
    ("tdnn, 512 to 512", 7168, 512, 512),
    ("tdnnf, 768 to 96", 2304, 768, 96),
    ("tdnnf, 192 to 768", 2304, 192, 768),
    ("natural gradient, rank 80", 2304, 768, 80),
    ("natural gradient, rank 20", 2304, 768, 20),
)


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown. Raises ValueError if there is no CBLAS to measure."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repeats", type=int, default=15)
    options = p.parse_args(argv)
    found = cblas.library()
    if found is None:
        raise ValueError("numpy has a BLAS that is not that of its wheels, and MKL is not installed")
    keep_freed_memory()
    numpys = "OpenBLAS, that of numpy, large products by oneDNN" if found.large else "OpenBLAS, that of numpy"
    print(f"CBLAS: {numpys if found.names.startswith('scipy') else 'MKL'}\n")
    table("product", "numpy, GFLOP/s", "ours, GFLOP/s", "numpy's time / ours")
    rng = np.random.default_rng(0)
    for name, rows, inputs, outputs in SHAPES:
        x, d, W = (
            rng.standard_normal(shape).astype(np.float32)
            for shape in ((rows, inputs), (rows, outputs), (outputs, inputs))
        )
        for what, a, b in (("X W'", x, W.T), ("D W", d, W), ("D' X", d.T, x)):
            measure(f"{name}: {what}", a, b, options.repeats)
    return 0


def measure(name: str, a: np.ndarray, b: np.ndarray, repeats: int) -> None:
    """Print the row of one product; ours adds to what is there, which numpy's cannot."""
    out = np.zeros((len(a), b.shape[1]), np.float32)

    def ours() -> None:
        assert cblas.product(a, b, out, add=1)

    sides = (lambda: np.matmul(a, b, out=out), ours)
    times = [[seconds(side) for side in sides] for _ in range(repeats + 2)][2:]
    operations = 2e-9 * a.size * b.shape[1]
    rates = [operations / median(t[k] for t in times) for k in range(2)]
    row(name, *rates, median(a / b for a, b in times))


def seconds(work: Callable[[], object]) -> float:
    """What it takes once."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    cblas.share_products()  # as every program does
    raise SystemExit(main())
