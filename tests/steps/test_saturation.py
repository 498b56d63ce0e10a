"""Saturation as Kaldi's get_saturation.pl reads it from nnet3-info, and what it does to the parameters."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.components import TYPES
from nnet.graph.info import nnet_info
from steps.saturation import saturation, shrink
from tests.networks import network

CELLS = """
input-node name=input dim=60
component name=s type=SigmoidComponent dim=60
component-node name=s component=s input=input
component name=t type=TanhComponent dim=60
component-node name=t component=t input=s
component name=l type=LstmNonlinearityComponent cell-dim=12
component-node name=l component=l input=t
output-node name=output input=l
"""
AVERAGE = "[percentiles(0,1,2,5 10,20,50,80,90 95,98,99,100)=(0.1,0.1,0.1,0.1 0.1), mean={}, stddev=0.1]"

MEANS = {"i_t_sigmoid": 0.2, "f_t_sigmoid": 0.15, "c_t_tanh": 0.5, "o_t_sigmoid": 0.1, "m_t_tanh": 0.4}


def line(kind: str, mean: float) -> str:
    value, deriv = AVERAGE.format(0.5), AVERAGE.format(mean)
    return f"component name=a type={kind}, dim=60, count=9, value-avg={value}, deriv-avg={deriv}"


def cell(means: dict[str, float]) -> str:
    parts = [
        f"{n}={{ value-avg={AVERAGE.format(0.3)}, deriv-avg={AVERAGE.format(m)} }}" for n, m in means.items()
    ]
    return f"component name=b type=LstmNonlinearityComponent, cell-dim=60, {', '.join(parts)}"


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (line("SigmoidComponent", 0.2), 0.2),
        (line("TanhComponent", 0.7), 0.3),
        (line("OutputGruNonlinearityComponent", 0.7), 0.3),
        (line("GruNonlinearityComponent", 0.6) + "\n" + line("SigmoidComponent", 0.25), 0.2),
        (cell(MEANS), 0.46),
        (line("RectifiedLinearComponent", 0.5), 0.0),
        ("component name=a type=SigmoidComponent, dim=3, deriv-avg=[ 0.1 0.2 0.1 ]", 0.0),
        ("", 0.0),
    ],
)  # fmt: skip
def test_the_mean_over_nonlinearities_is_taken(info: str, expected: float) -> None:
    assert saturation(info) == pytest.approx(expected)


def test_derivatives_larger_than_possible_are_refused() -> None:
    with pytest.raises(ValueError, match="saturation -1, which is not within 0 and 1"):
        saturation(line("SigmoidComponent", 0.5))


def network_with_statistics(scale: float):
    """Sigmoids, tanhs and LSTM cells whose average derivatives are `scale` of the largest ones."""
    nnet = network(CELLS)
    for name, largest in (("s", 0.25), ("t", 1.0)):
        c = nnet.components[name]
        c.count, c.value_sum, c.deriv_sum = 10.0, np.zeros(60), np.full(60, 10 * scale * largest)
    c = nnet.components["l"]
    c.count = 10.0
    c.deriv_sum[:] = 10 * scale * np.array([0.25, 0.25, 1.0, 0.25, 1.0])[:, None]
    return nnet


def test_the_statistics_of_a_network_are_found_in_its_description() -> None:
    assert "SigmoidComponent" in TYPES
    assert saturation(nnet_info(network_with_statistics(0.4))) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("proportional", "value", "scale", "number", "raw", "expected"),
    [
        (1.0, 0.99, 0.4, 5, False, 0.99),  # saturated
        (1.0, 0.99, 0.9, 5, False, 1.0),
        (1.0, 0.99, 0.9, 0, False, 0.99),  # the first iteration always counts as saturated
        (0.995, 0.99, 0.9, 5, False, 1.0),  # acoustic models lose the proportional shrinkage here
        (0.995, 0.99, 0.9, 5, True, 0.995),
        (0.9, 0.99, 0.4, 5, True, 0.9),  # the stronger one
        (1.0, 1.0, 0.1, 5, False, 1.0),
    ],
)
def test_parameters_shrink_when_units_are_saturated(
    proportional, value, scale, number, raw, expected
) -> None:
    assert shrink(proportional, value, 0.4, network_with_statistics(scale), number, raw) == expected
