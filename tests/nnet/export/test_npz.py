"""Networks as numpy archives."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.component import params
from nnet.export.npz import npz_arrays, save_npz
from nnet.factory import make_component
from nnet.graph.network import Nnet
from tests.networks import TDNN
from tests.nnet.programs.workshop import settled


def test_every_parameter_and_statistic_comes_back_without_pickle(tmp_path):
    nnet = settled()
    count = save_npz(nnet, tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as archive:
        assert len(archive.files) == count
        for name, component in nnet.components.items():
            assert str(archive[f"{name}.type"]) == component.TYPE
            for field, value in params(component).items():
                found = archive[f"{name}.{field}"]
                assert found.dtype == value.dtype
                np.testing.assert_array_equal(found, value)
        assert archive["h1.batchnorm.count"] == 100
        assert archive["h1.affine.l2_regularize"] == np.float64(nnet.components["h1.affine"].l2_regularize)
        assert str(archive["config"]).splitlines() == nnet.config_lines()


def test_a_network_can_be_built_again_from_the_archive():
    nnet = settled()
    arrays = npz_arrays(nnet)
    again = Nnet.from_config(TDNN.strip().splitlines(), make_component, rng=np.random.default_rng(9))
    for name, component in again.components.items():
        for field in params(component):
            setattr(component, field, arrays[f"{name}.{field}"])
    W = nnet.components["h2"].W
    assert again.components["h2"].W is not None and np.array_equal(again.components["h2"].W, W)
    assert again.config_lines() == str(arrays["config"]).splitlines()


@pytest.mark.parametrize(
    "field, expected", [("offsets", (5, 2)), ("required_time_offsets", (1,)), ("height_in", ())]
)
def test_settings_are_arrays_of_their_own_shape(field, expected):
    line = (
        "component name=c type=TimeHeightConvolutionComponent num-filters-in=1 num-filters-out=2 height-in=4 "
        "height-out=4 offsets=-1,0;0,-1;0,0;0,1;1,0 required-time-offsets=0"
    )
    nnet = Nnet.from_config(
        ["input-node name=input dim=4", line, "component-node name=c component=c input=input",
         "output-node name=output input=c"],
        make_component,
    )  # fmt: skip
    assert npz_arrays(nnet)[f"c.{field}"].shape == expected


def test_parts_of_composite_components_are_named_by_number():
    line = (
        "component name=c type=CompositeComponent num-components=2 component1='type=AffineComponent "
        "input-dim=3 output-dim=2' component2='type=TanhComponent dim=2'"
    )
    nnet = Nnet.from_config(
        ["input-node name=input dim=3", line, "component-node name=c component=c input=input",
         "output-node name=output input=c"],
        make_component,
    )  # fmt: skip
    arrays = npz_arrays(nnet)
    assert str(arrays["c.parts.1.type"]) == "TanhComponent" and arrays["c.parts.0.W"].shape == (2, 3)
