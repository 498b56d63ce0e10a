"""When the compiled passes are used, and when not."""

import ctypes
import shutil
import subprocess
import sys

import numpy as np
import pytest

from nnet.kernels import compiled
from tests.test_layering import ROOT

X = np.ones((4, 6), np.float32)


@pytest.fixture
def host_of(monkeypatch):
    """Lets functions be looked for anew."""
    caches = compiled.function, compiled._library
    for held in caches:
        held.cache_clear()
    yield monkeypatch
    for held in caches:
        held.cache_clear()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What setup.py makes in a copy of what it needs."""
    pytest.importorskip("setuptools")
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    copy = tmp_path_factory.mktemp("built")
    (copy / "nnet/kernels").mkdir(parents=True)
    for name in ("setup.py", "nnet/kernels/passes.c", "nnet/kernels/rounded.c"):
        shutil.copy(ROOT / name, copy / name)
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=copy, check=True)
    return copy / "nnet/kernels"


def test_what_setup_builds_is_found_and_has_every_function(host_of, built):
    host_of.setattr(compiled, "FOLDER", built)
    for name in compiled.SIGNATURES:
        for char in "f" if name.startswith(("rounded_", "narrow")) else "fd":
            assert compiled.function(name, char)


def test_a_library_of_another_source_is_not_used_and_that_is_told(host_of, built, tmp_path, capsys):
    changed = tmp_path / "passes.c"
    changed.write_text(compiled.SOURCES[0].read_text() + "\n")
    host_of.setattr(compiled, "FOLDER", built)
    assert compiled.function("standardise", "f") and not capsys.readouterr().err
    host_of.setattr(compiled, "SOURCES", (changed, *compiled.SOURCES[1:]))
    for held in (compiled.function, compiled._library):
        held.cache_clear()
    assert compiled.function("standardise", "f") is None
    assert "is not of these sources" in capsys.readouterr().err


def test_one_of_another_source_beside_it_does_no_harm(host_of, built, tmp_path):
    old, new = tmp_path / "_float32.cpython-30.so", tmp_path / "_float32.cpython-99.so"
    code = built.glob("_float32*")
    new.write_bytes(next(code).read_bytes())
    old.write_text("for another machine")
    host_of.setattr(compiled, "FOLDER", tmp_path)
    assert compiled.function("standardise", "f")


def test_without_a_library_there_is_none(host_of, tmp_path):
    host_of.setattr(compiled, "FOLDER", tmp_path)
    assert compiled.compiled("standardise", X) is None


def test_a_library_that_cannot_be_loaded_is_none(host_of, tmp_path):
    (tmp_path / "_float32.so").write_text("for another machine")
    host_of.setattr(compiled, "FOLDER", tmp_path)
    assert compiled.function("standardise", "f") is None


def test_the_environment_can_turn_it_off(host_of):
    host_of.setenv("PYNNET3_COMPILED", "no")
    assert compiled.function("standardise", "f") is None


def test_arrays_that_c_would_misread_are_left_to_numpy(host_of):
    host_of.setattr(compiled, "_library", lambda dtype: pytest.fail(f"looked for {dtype}"))
    assert compiled.compiled("standardise", X.T) is None
    assert compiled.compiled("standardise", X, X.astype(float)) is None
    assert compiled.compiled("standardise", X, memoryview(X)) is None


def test_no_type_but_floating_ones_is_compiled(host_of):
    assert compiled.compiled("standardise", np.ones(3, np.float16)) is None
    assert compiled.compiled("standardise", np.ones(3, np.int32)) is None


def test_addresses_are_those_of_numpy():
    frozen = X.copy()
    frozen.flags.writeable = False
    for a in (X, frozen, X[1::2, 2:], X[:0]):
        assert compiled.address(a) == ctypes.cast(a.ctypes.data, ctypes.c_void_p).value
