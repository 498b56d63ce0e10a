"""What `import nnet` offers."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

import nnet


def test_package_imports_nothing_before_it_is_asked():
    code = "import sys, nnet; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


@pytest.mark.parametrize("name", nnet.__all__)
def test_every_export_exists_and_no_module_hides_it(name):
    assert getattr(nnet, name).__name__ == name and name in dir(nnet)
    assert find_spec(f"nnet.{name}") is None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Net'"):
        nnet.Net  # noqa: B018
