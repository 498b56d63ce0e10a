"""Statistics of components: sums with counts in memory, averages in files, with Kaldi's own roundings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnet.formats.rows import Values

Convert = Callable[[Values], Values]


def average(total: Any, count: float) -> np.ndarray:
    """float32 total / count as Kaldi writes it: rounded to float32, then times the float32 of 1 / count."""
    x = _host(total).astype(np.float32)
    return x * np.float32(1.0 / count) if count != 0.0 else x


def total(mean: Any, count: float) -> np.ndarray:
    """The float64 sum behind an average that was read."""
    return _host(mean).astype(np.float64) * count


def _host(a: Any) -> np.ndarray:
    return np.zeros(0) if a is None else np.asarray(a)


def averages(*names: str) -> tuple[Convert, Convert]:
    """(to_file, from_file) for fields that are sums over `count`."""

    def to_file(values: Values) -> Values:
        return {**values, **{n: average(values[n], values["count"]) for n in names}}

    def from_file(values: Values) -> Values:
        return {**values, **{n: total(values[n], values["count"]) for n in names}}

    return to_file, from_file


def nonlinearity_to_file(values: Values) -> Values:
    """Sums of values and derivatives as averages, of squared output derivatives as root mean squares."""
    count, oderiv_count = values["count"], values["oderiv_count"]
    mean_square = np.maximum(average(values["oderiv_sumsq"], oderiv_count), np.float32(0.0))
    return {
        **values,
        "value_sum": average(values["value_sum"], count),
        "deriv_sum": average(values["deriv_sum"], count),
        "oderiv_sumsq": np.sqrt(mean_square),
    }


def nonlinearity_from_file(values: Values) -> Values:
    """The sums behind what `nonlinearity_to_file` gives (Kaldi's NonlinearComponent::Read)."""
    rms = _host(values["oderiv_sumsq"]).astype(np.float64)
    return {
        **values,
        "value_sum": total(values["value_sum"], values["count"]),
        "deriv_sum": total(values["deriv_sum"], values["count"]),
        "oderiv_sumsq": rms * rms * values["oderiv_count"],
    }


def batchnorm_to_file(values: Values) -> Values:
    """Sum and sum of squares as mean and variance (Kaldi's BatchNormComponent::Write)."""
    count = values["count"]
    mean, square = average(values["stats_sum"], count), average(values["stats_sumsq"], count)
    variance = square - mean * mean if count != 0.0 else square
    return {**values, "stats_sum": mean, "stats_sumsq": variance}


def batchnorm_from_file(values: Values) -> Values:
    """Mean and variance as sum and sum of squares, in float64 (Kaldi's BatchNormComponent::Read)."""
    mean = _host(values["stats_sum"]).astype(np.float64)
    square = _host(values["stats_sumsq"]).astype(np.float64) + mean * mean
    return {**values, "stats_sum": mean * values["count"], "stats_sumsq": square * values["count"]}


def lstm_to_file(values: Values) -> Values:
    """Sums over frames as averages; self-repair totals per frame and cell (Kaldi's Write)."""
    count, cells = values["count"], np.shape(values["W"])[1]
    return {
        **averages("value_sum", "deriv_sum")[0](values),
        "self_repair_total": average(values["self_repair_total"], count * cells),
    }


def lstm_from_file(values: Values) -> Values:
    """The sums behind what `lstm_to_file` gives."""
    count, cells = values["count"], np.shape(values["W"])[1]
    return {
        **averages("value_sum", "deriv_sum")[1](values),
        "self_repair_total": total(values["self_repair_total"], count * cells),
    }
