"""cuda-compiled: exit status 0 if this installation can compute on GPUs (CuPy is installed), else 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nnet.backend import has_cupy

USAGE = """
Exit with status 0 if CuPy is installed, so that programs can compute on a GPU, and with 1 otherwise. Whether
there is a GPU at hand is what cuda-gpu-available tells.

Usage:  cuda-compiled
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run cuda-compiled."""
    if sys.argv[1:] if argv is None else argv:
        sys.stderr.write(USAGE)
    return 0 if has_cupy() else 1


if __name__ == "__main__":
    raise SystemExit(main())
