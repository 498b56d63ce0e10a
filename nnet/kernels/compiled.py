"""The functions of our C sources for arrays of the host; where nothing was compiled numpy's bodies serve.

`setup.py` compiles them when the package is installed, if there is a C compiler. PYNNET3_COMPILED=no leaves
them alone, for comparison.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from nnet.backend import Array

FOLDER = Path(__file__).parent
SOURCES = (FOLDER / "passes.c", FOLDER / "rounded.c")
_CHAR = ctypes.c_char
KINDS = {"p": ctypes.c_void_p, "n": ctypes.c_ssize_t, "d": ctypes.c_double}
SIGNATURES = {  # pointers, numbers of elements, other numbers
    "column_products": "ppppnnn",
    "bias_relu_sums": "ppppnnn",
    "column_activity": "pppnnn",
    "standardise": "ppppnn",
    "standardise_back": "ppppppnn",
    "relu_back": "pppn",
    "sum_of_squares": "pnnn",
    "narrow": "ppnnn",
    "scaled_rows": "pnnpnnnnndn",
    "sum_of_rows": "pnnpnndpnndnnn",
    "speech_values": "pppnn",
    "log_softmax": "ppnn",
    "log_softmax_back": "pppnn",
    "rounded_block": "pnpppnnn",
    "rounded_tridiagonalize": "ppppn",
    "rounded_diagonalize": "pppn",
}


def compiled(name: str, *arrays: Array) -> Callable[..., Any] | None:
    """The function `name` for float32 or float64 arrays that lie in numpy's memory in order, all of one type.

    None where that is not so, or nothing was compiled. The function takes arrays where C has pointers.
    """
    dtype = arrays[0].dtype
    for a in arrays:
        if type(a) is not np.ndarray or not a.flags.c_contiguous or a.dtype != dtype:
            return None
    return function(name, dtype.char)


@cache
def function(name: str, char: str) -> Callable[..., Any] | None:
    """The same by the code of the type, without a look at arrays."""
    library = _library(np.dtype(char).name)
    if library is None:
        return None
    found = getattr(library, name)
    kinds = SIGNATURES[name]
    found.argtypes = [KINDS[kind] for kind in kinds]
    found.restype = ctypes.c_double if name in {"sum_of_squares", "narrow"} else None
    pointers = [i for i, kind in enumerate(kinds) if kind == "p"]

    def call(*arguments: Any) -> Any:
        values = list(arguments)
        for i in pointers:
            values[i] = address(values[i])
        return found(*values)

    return call


def address(a: Any) -> int:
    """Where the first element of an array lies; numpy's own answer takes 1.5 us more."""
    flags = a.flags
    if flags.forc and flags.writeable and a.size:
        return ctypes.addressof(_CHAR.from_buffer(a if flags.c_contiguous else a.T))
    return int(a.__array_interface__["data"][0])


@cache
def _library(dtype: str) -> ctypes.CDLL | None:
    """What was compiled for `dtype` of the sources beside it, if they are there; else None.

    Says so if there is only what was compiled of others: numpy's bodies are slower, and round otherwise.
    """
    if os.environ.get("PYNNET3_COMPILED") == "no":
        return None
    there = all(source.exists() for source in SOURCES)
    wanted = sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest() if there else None
    old = ""
    for path in sorted(FOLDER.glob(f"_{dtype}.*")):  # several, if versions of Python share these files
        try:
            library = ctypes.CDLL(str(path))
            digest = ctypes.c_char_p.in_dll(library, "digest").value or b""
        except (OSError, ValueError):  # made for another machine
            continue
        if wanted in (None, digest.decode()):
            return library
        old = path.name
    if old:
        said = f"WARNING {old} is not of these sources, so slower code serves: run `pip install -e .` again"
        print(said, file=sys.stderr)
    return None
