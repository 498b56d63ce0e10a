"""How saturated the sigmoids and tanhs of a network are, and what that means for its parameters' scale."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnet.graph.info import nnet_info
from nnet.graph.network import Nnet

SIGMOID, TANH = 0.25, 1.0  # largest derivatives
_MEAN = r"deriv-avg=[^m]+mean=([^,]+),"
_PLAIN = {
    r"type=SigmoidComponent": SIGMOID,
    r"type=TanhComponent": TANH,
    r"type=.*GruNonlinearityComponent": TANH,
}
_CELL = {
    "i_t_sigmoid": SIGMOID,
    "f_t_sigmoid": SIGMOID,
    "o_t_sigmoid": SIGMOID,
    "c_t_tanh": TANH,
    "m_t_tanh": TANH,
}


def saturation(info: str) -> float:
    """The mean over nonlinearities of 1 - average derivative / largest derivative, from what nnet3-info says.

    0 if there are none, as with less than ten units, whose averages the text does not have (Kaldi's
    get_saturation.pl). Raises ValueError if it is not within 0 and 1.
    """
    values = [1.0 - mean / largest for line in info.splitlines() for mean, largest in _derivatives(line)]
    if not values:
        return 0.0
    result = sum(values) / len(values)
    if not 0.0 <= result <= 1.0:
        raise ValueError(f"the network has saturation {result:.4g}, which is not within 0 and 1")
    return result


def _derivatives(line: str) -> Iterator[tuple[float, float]]:
    """(average, largest) derivative of each nonlinearity that a line describes."""
    if "type=LstmNonlinearityComponent" in line:
        for name, largest in _CELL.items():
            if found := re.search(name + r"=[{][^}]+deriv-avg=[^}]+mean=([^,]+),", line):
                yield float(found[1]), largest
        return
    for kind, largest in _PLAIN.items():
        if re.search(kind, line):
            if found := re.search(_MEAN, line):
                yield float(found[1]), largest
            return


def shrink(proportional: float, value: float, threshold: float, nnet: Nnet, number: int, raw: bool) -> float:
    """The factor on the parameters before iteration `number`: `value` if that is below `proportional` (what
    --proportional-shrink gives) and the network is more saturated than `threshold`, as it always counts to be
    before the first iteration.

    Otherwise it is `proportional`; but for acoustic models 1 if `value` was the smaller one, as in Kaldi.
    """
    if value >= proportional:
        return proportional
    if number == 0 or saturation(nnet_info(nnet)) > threshold:
        return value
    return proportional if raw else 1.0
