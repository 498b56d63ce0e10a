"""Checks that every component meets, used by the tests of each."""

from __future__ import annotations

import numpy as np

from nnet import tree
from nnet.component import Component, Io, Updatable, params

STEP = 1e-7


def gradient_check(
    c: Component, x: np.ndarray, io: Io, rng: np.random.Generator, tolerance: float = 1e-5
) -> None:
    """Derivatives of f = <w, y> by `backward` and `update` against central differences, in float64.

    One random direction for x and one for each parameter array. Raises AssertionError with both figures.
    """
    c = tree.astype(c, np.float64)
    x = x.astype(np.float64)
    y, memo = c.forward(x, io)
    w = rng.standard_normal(y.shape)

    def objective(at: Component, inputs: np.ndarray) -> float:
        return float((w * at.forward(inputs, io)[0]).sum())

    kept_x, kept_dy = x.copy(), w.copy()
    dx = c.backward(w, x, y, memo, io)
    assert np.array_equal(kept_x, x) and np.array_equal(kept_dy, w), "backward changed its arguments"
    d = rng.standard_normal(x.shape)
    numeric = (objective(c, x + STEP * d) - objective(c, x - STEP * d)) / (2 * STEP)
    agree("x", float((dx * d).sum()), numeric, tolerance)
    if isinstance(c, Updatable):
        _check_parameters(c, x, y, memo, w, io, rng, objective, tolerance)


def _check_parameters(c, x, y, memo, w, io, rng, objective, tolerance):
    delta = tree.zeros_like({"c": c})["c"]
    delta.is_gradient, delta.learning_rate = True, 1.0
    c.update(delta, w, x, y, memo, io)
    for name, a in params(c).items():
        d = rng.standard_normal(a.shape)
        values = []
        for sign in (1, -1):
            moved = tree.copy(c)
            params(moved)[name][...] += sign * STEP * d
            values.append(objective(moved, x))
        agree(name, float((params(delta)[name] * d).sum()), (values[0] - values[1]) / (2 * STEP), tolerance)


def agree(name: str, analytic: float, numeric: float, tolerance: float) -> None:
    """Assert that two directional derivatives are equal to `tolerance`, relative to the larger."""
    scale = max(abs(analytic), abs(numeric), 1e-3)
    assert abs(analytic - numeric) <= tolerance * scale, (
        f"{name}: backward says {analytic:.8g}, differences {numeric:.8g}"
    )
