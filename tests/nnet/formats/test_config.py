"""Config files and the arrays that their lines name."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.formats.basic import FormatError, open_output
from nnet.formats.config import load_array, read_config
from tests.networks import TDNN


def test_a_config_adds_to_a_network_and_replaces_by_name(tmp_path):
    (tmp_path / "a.config").write_text(TDNN)
    nnet = read_config(str(tmp_path / "a.config"))
    (tmp_path / "b.config").write_text(
        "component name=h2 type=LinearComponent input-dim=12 output-dim=6\n"
        "output-node name=more input=h2 objective=quadratic\n"
    )
    both = read_config(str(tmp_path / "b.config"), nnet)
    assert both.output_names() == ["output", "more"]
    assert both.components["h2"] is not nnet.components["h2"]
    assert both.components["h1.affine"] is nnet.components["h1.affine"]


def test_a_binary_config_is_refused(tmp_path):
    (tmp_path / "c").write_bytes(b"\0BFM ")
    with pytest.raises(FormatError, match="expected a config, which is text"):
        read_config(str(tmp_path / "c"))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    "values", [np.ones((2, 3), np.float32), np.ones((1, 3), np.float32), np.ones(3, np.float32)]
)
def test_arrays_are_loaded_with_their_number_of_axes(values, binary, tmp_path):
    with open_output(str(tmp_path / "a"), binary) as out:
        (out.matrix if values.ndim == 2 else out.vector)(values)
    np.testing.assert_array_equal(load_array(str(tmp_path / "a")), values)


def test_a_matrix_file_feeds_a_component(tmp_path):
    (tmp_path / "m").write_text(" [\n 1 2 3\n 4 5 6 ]\n")
    (tmp_path / "c").write_text(
        f"input-node name=input dim=2\ncomponent name=a type=FixedAffineComponent matrix={tmp_path}/m\n"
        "component-node name=a component=a input=input\noutput-node name=output input=a\n"
    )
    a = read_config(str(tmp_path / "c")).components["a"]
    np.testing.assert_array_equal(a.W, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(a.b, [3, 6])
