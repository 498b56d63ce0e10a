"""What pyproject.toml cannot say: C sources are compiled for each floating type, if there is a compiler.

It makes libraries that ctypes loads, no modules: Python's headers are not needed, and without a compiler the
installation goes on without them (`nnet/kernels/compiled.py`).
"""

from hashlib import sha256
from pathlib import Path

from setuptools import Extension, setup

SOURCES = ["nnet/kernels/passes.c", "nnet/kernels/rounded.c"]
DIGEST = sha256(b"".join((Path(__file__).parent / source).read_bytes() for source in SOURCES)).hexdigest()
EXACT = ["-ffp-contract=off"]  # the same bits on every processor
FLAGS = ["-O3", "-std=c11", "-fno-math-errno", "-fno-trapping-math", *EXACT]
REALS = {"float32": [("real", "float"), ("SINGLE", None)], "float64": [("real", "double")]}

setup(
    ext_modules=[
        Extension(
            f"nnet.kernels._{name}",
            SOURCES,
            define_macros=[*macros, ("DIGEST", f'"{DIGEST}"')],
            extra_compile_args=FLAGS,
            optional=True,
        )
        for name, macros in REALS.items()
    ]
)
