"""Components read no more of a forward pass than their NEEDS name: the rest is freed before they could."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io, Updatable, params
from nnet.components import TYPES
from nnet.config_line import ConfigLine
from tests.nnet.components.test_on_device import CONFIGS, numbers

FRUGAL = [(kind, text) for kind, text in CONFIGS if TYPES[kind].NEEDS != "xy"]
T, N = 4, 3


def test_the_large_layers_are_frugal():
    assert {
        "NaturalGradientAffineComponent", "LinearComponent", "TdnnComponent", "RectifiedLinearComponent",
        "BatchNormComponent", "NoOpComponent", "GeneralDropoutComponent", "LogSoftmaxComponent",
    } <= {kind for kind, _ in FRUGAL}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), FRUGAL)
def test_what_is_not_needed_may_be_missing(rng, kind, text):
    line = ConfigLine(f"component {text}", load_matrix=lambda path: np.arange(1, 4))
    c = TYPES[kind].configure(line, np.random.default_rng(0))
    t_out = tuple(range(T))
    t_in = tuple(sorted({s for t in t_out for s in c.reads(t)}))
    x = rng.standard_normal((len(t_in), N, c.input_dim)).astype(np.float32)
    dy = rng.standard_normal((T, N, c.output_dim)).astype(np.float32)
    whole, frugal = (
        derived(tree.copy(c), x, dy, Io(t_in, t_out, N, (7,)), needs) for needs in ("xy", c.NEEDS)
    )
    assert len(whole) == len(frugal)
    assert all(np.array_equal(a, b) for a, b in zip(whole, frugal))


def derived(c, x, dy, io, needs):
    """dx, statistics and change, from a pass of which only `needs` is left."""
    delta = tree.zeros_like({"c": c})["c"]
    y, memo = c.forward(x, io)
    kept = (x if "x" in needs else None), (y if "y" in needs else None), memo, io
    c.store_stats(*kept)
    dx = c.backward(dy, *kept, delta)
    if isinstance(c, Updatable) and params(c):
        delta.learning_rate = 0.1
        c.update(delta, dy, *kept)
    return [dx, *numbers(c), *numbers(delta)]
