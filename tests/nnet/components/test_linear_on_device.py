"""Components with parameters on host and device."""

import numpy as np
import pytest

from nnet import tree
from nnet.backend import gpu_available, to_device, to_host
from nnet.component import Io, params
from nnet.components import TYPES
from nnet.config_line import ConfigLine

N, D = 8, 6
CONFIGS = [
    ("AffineComponent", f"input-dim={D} output-dim=5"),
    ("NaturalGradientAffineComponent", f"input-dim={D} output-dim=5"),
    ("LinearComponent", f"input-dim={D} output-dim=5"),
    ("TdnnComponent", f"input-dim={D} output-dim=5 time-offsets=-1,0,1"),
    ("PerElementScaleComponent", f"dim={D} param-stddev=1"),
    ("NaturalGradientPerElementScaleComponent", f"dim={D} param-stddev=1"),
    ("PerElementOffsetComponent", f"dim={D} block-dim=3"),
    ("ScaleAndOffsetComponent", f"dim={D} block-dim=3"),
    ("RepeatedAffineComponent", f"input-dim={D} output-dim=4 num-repeats=2"),
    ("NaturalGradientRepeatedAffineComponent", f"input-dim={D} output-dim=4 num-repeats=2"),
    ("BlockAffineComponent", f"input-dim={D} output-dim=4 num-blocks=2"),
    ("ConstantFunctionComponent", f"input-dim={D} output-dim=4 output-stddev=1"),
    (
        "TimeHeightConvolutionComponent",
        "num-filters-in=3 num-filters-out=4 height-in=6 height-out=3 height-subsample-out=2 "
        "height-offsets=-1,0,1 time-offsets=-1,0,1 required-time-offsets=0 rank-in=3 rank-out=2",
    ),
    (
        "ConvolutionComponent",
        "input-x-dim=4 input-y-dim=5 input-z-dim=2 filt-x-dim=3 filt-y-dim=3 filt-x-step=1 filt-y-step=2 "
        "num-filters=4 input-vectorization-order=yzx",
    ),
]


def run(c, x, dy, io):
    """y, dx and the change after twelve updates, through all states of the preconditioners."""
    y, memo = c.forward(x, io)
    dx = c.backward(dy, x, y, memo, io)
    delta = tree.zeros_like({"c": c})["c"]
    delta.learning_rate = 0.1
    for _ in range(12):
        c.update(delta, dy, x, y, memo, io)
    return [to_host(a) for a in (y, dx, *params(delta).values())]


@pytest.mark.skipif(not gpu_available(), reason="needs CuPy and a GPU")
@pytest.mark.parametrize("t_out", [(0, 1, 2, 3), (0, 3, 6), (0, 1, 3, 4)])
@pytest.mark.parametrize(("kind", "text"), CONFIGS)
def test_device_and_host_agree(rng, kind, text, t_out):
    c = TYPES[kind].configure(ConfigLine(f"component {text}"), np.random.default_rng(0))
    io = Io(t_in=tuple(sorted({s for t in t_out for s in c.reads(t)})), t_out=t_out, n=N)
    x = rng.standard_normal((len(io.t_in), N, c.input_dim)).astype(np.float32)
    dy = rng.standard_normal((len(t_out), N, c.output_dim)).astype(np.float32)
    host = run(c, x, dy, io)
    device = run(tree.on_device(c), to_device(x), to_device(dy), io)
    for ours, theirs in zip(device, host):
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
