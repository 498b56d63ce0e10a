"""CUDA kernels compiled by g++ and called on numpy's arrays, with the arguments checked as CUDA would not."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SHIM = Path(__file__).parent / "shim.h"
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\(([^)]*)\)')
TYPES = {
    "float": np.float32,
    "double": np.float64,
    "int": np.int32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "unsigned char": np.uint8,
    "unsigned short": np.uint16,
}
COMPILER = shutil.which("g++")


class Module:
    """The kernels of one source. Raises subprocess.CalledProcessError if it does not compile."""

    def __init__(self, code: str, options: Sequence[str] = ()):
        defines = [o for o in options if o.startswith("-D")]
        for define in defines:
            name, _, value = define[2:].partition("=")
            code = re.sub(rf"\b{name}\b", value, code)
        self.parameters = {name: parameters(text) for name, text in KERNEL.findall(code)}
        self._library = ctypes.CDLL(str(_compiled(code + launchers(code, self.parameters))))

    def get_function(self, name: str) -> Kernel:
        """The kernel `name`."""
        return Kernel(name, self.parameters[name], getattr(self._library, f"launch_{name}"))


class Kernel:
    """One kernel: called with a grid, a block and arguments, as CuPy's RawKernel is."""

    backwards = False  # the order of blocks and of threads, which must not matter

    def __init__(self, name: str, types: Sequence[str], launcher: Any):
        self.name, self.types, self._launcher = name, types, launcher

    def __call__(self, grid: tuple, block: tuple, args: tuple) -> None:
        self.bound(grid, block, args)()

    def bound(self, grid: tuple, block: tuple, args: tuple) -> Callable[[], None]:
        """A launch with these arguments, which can be made more than once."""
        grid, block = (tuple(g) + (1,) * (3 - len(g)) for g in (grid, block))
        if min(grid) < 1 or max(grid[1:]) > 65535 or not 1 <= np.prod(block) <= 1024:
            raise ValueError(f"{self.name}: grid {grid} and block {block} are beyond what CUDA launches")
        if len(args) != len(self.types):
            raise TypeError(f"{self.name} takes {len(self.types)} arguments, {len(args)} were given")
        values = [_argument(self.name, t, a) for t, a in zip(self.types, args)]
        extent = [ctypes.c_uint(n) for n in (*grid, *block)]

        def launch(held: tuple = args) -> None:  # what is pointed to stays alive
            self._launcher(*extent, ctypes.c_int(self.backwards), *values)

        return launch


def parameters(text: str) -> list[str]:
    """The types of the parameters of a kernel, pointers ending in *."""
    found = []
    for part in text.split(","):
        words = part.replace("const ", "").replace("__restrict__ ", "").replace("*", "* ").split()
        found.append(" ".join(words[:-1]).replace(" *", "*"))
    return found


def _argument(kernel: str, kind: str, value: Any) -> Any:
    """A ctypes value, if `value` is what a parameter of type `kind` must be given."""
    host = getattr(value, "host", None)
    if kind.endswith("*"):
        expected = np.dtype(TYPES[kind[:-1]])
        if host is None or (host.dtype != expected and not (host.dtype == bool and expected == np.uint8)):
            got = getattr(value, "dtype", type(value))
            raise TypeError(f"{kernel}: an array of {expected} is expected, not {got}")
        return ctypes.c_void_p(host.ctypes.data)
    if not isinstance(value, np.generic) or value.dtype != TYPES[kind]:
        raise TypeError(f"{kernel}: a scalar {kind} is expected, not {value!r} of {type(value)}")
    return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())


def launchers(code: str, kernels: dict[str, list[str]]) -> str:
    """For each kernel a function that runs it over a grid."""
    bodies = re.split(r'(?=extern "C" __global__)', code)
    text = ""
    for name, types in kernels.items():
        body = next(b for b in bodies if re.search(rf"\b{name}\(", b.partition("{")[0]))
        barriers = str("__syncthreads" in body or "block_" in body).lower()
        declared = "".join(f", {t} a{i}" for i, t in enumerate(types))
        held = "".join(f"static {t} {name}_a{i};\n" for i, t in enumerate(types))
        stored = "".join(f"{name}_a{i} = a{i}; " for i in range(len(types)))
        given = ", ".join(f"{name}_a{i}" for i in range(len(types)))
        text += f"""
{held}static void call_{name}() {{ {name}({given}); }}
extern "C" void launch_{name}(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                              int backwards{declared}) {{
    gridDim.x = gx; gridDim.y = gy; gridDim.z = gz; blockDim.x = bx; blockDim.y = by; blockDim.z = bz;
    emulated::backwards = backwards;
    {stored}
    emulated::launch({barriers}, call_{name});
}}
"""
    return text


def _compiled(code: str) -> Path:
    """The shared library of a source, made once for all tests."""
    assert COMPILER is not None
    whole = SHIM.read_text() + code
    folder = Path(tempfile.gettempdir()) / f"pynnet3-emulation-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{hashlib.sha256(whole.encode()).hexdigest()[:24]}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            source, made = Path(scratch) / "kernels.cpp", Path(scratch) / "kernels.so"
            source.write_text(whole)
            flags = ["-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w"]
            subprocess.run([COMPILER, *flags, str(source), "-o", str(made)], check=True)
            made.rename(path)
    return path
