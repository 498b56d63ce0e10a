"""Networks drawn at random from xconfig layers of all kinds: derivatives against differences, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.component import params
from nnet.factory import make_component
from nnet.graph.context import context
from nnet.graph.network import Nnet
from tests.nnet.graph.trial import Trial
from xconfig.parser import parse_xconfig

HEIGHT, FILTERS = 4, 3
DIM = HEIGHT * FILTERS
STEADY = "clipping-threshold=1000 zeroing-threshold=1000"  # truncation bends derivatives on purpose

PROJECTED = f"cell-dim=14 recurrent-projection-dim=4 non-recurrent-projection-dim={DIM - 4} {STEADY}"

LAYERS = (
    f"relu-batchnorm-layer name=NAME dim={DIM} input=Append(-1,0,2)",
    f"relu-renorm-layer name=NAME dim={DIM} add-log-stddev=true",
    f"sigmoid-layer name=NAME dim={DIM} input=Append(-2,1)",
    f"tanh-layer name=NAME dim={DIM}",
    f"relu-batchnorm-dropout-layer name=NAME dim={DIM} dropout-per-dim-continuous=true "
    "dropout-proportion=0.1",
    f"batchnorm-so-relu-layer name=NAME dim={DIM}",
    f"tdnnf-layer name=NAME dim={DIM} bottleneck-dim=5 time-stride=1 bypass-scale=0.66",
    f"tdnnf-layer name=NAME dim={DIM} bottleneck-dim=4 time-stride=3 dropout-proportion=0.1",
    f"prefinal-layer name=NAME big-dim=20 small-dim={DIM}",
    f"linear-component name=NAME dim={DIM} orthonormal-constraint=1.0",
    f"affine-component name=NAME dim={DIM} input=Sum([-1], Offset([-1], 1))",
    "scale-component name=NAME param-mean=1.0 param-stddev=0.3",
    "offset-component name=NAME param-stddev=0.3",
    "renorm-component name=NAME target-rms=0.7",
    f"conv-relu-batchnorm-layer name=NAME height-in={HEIGHT} height-out={HEIGHT} num-filters-out={FILTERS} "
    "height-offsets=-1,0,1 time-offsets=-1,0,1",
    f"conv-layer name=NAME height-in={HEIGHT} height-out={HEIGHT} num-filters-out={FILTERS} "
    "height-offsets=-1,0,1 time-offsets=-2,0,1 required-time-offsets=0",
    f"res-block name=NAME height={HEIGHT} num-filters={FILTERS}",
    f"attention-relu-renorm-layer name=NAME num-heads=2 key-dim=3 value-dim=4 "
    f"num-left-inputs=2 num-right-inputs=1 dim={DIM}",
    "stats-layer name=NAME config=mean+stddev(-6:1:3:6)",
    f"lstmp-layer name=NAME {PROJECTED}",
    f"fast-lstmp-layer name=NAME {PROJECTED} delay=-3 decay-time=20",
    f"fast-lstm-layer name=NAME cell-dim={DIM} delay=2 {STEADY}",
    f"gru-layer name=NAME cell-dim={DIM} {STEADY}",
    f"opgru-layer name=NAME {PROJECTED}",
    f"fast-pgru-layer name=NAME {PROJECTED}",
)


def random_network(seed: int) -> Nnet:
    """Three to five layers, every kind of layer used over the seeds, with parameters far from special
    values.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 5))
    drawn = [LAYERS[seed % len(LAYERS)], *(LAYERS[i] for i in rng.integers(0, len(LAYERS), count))]
    lines = ["input name=input dim=5", f"affine-component name=first dim={DIM} input=Append(-1,0,1)"]
    for i, layer in enumerate(drawn):
        lines.append(layer.replace("NAME", f"layer{i}"))
        if layer.startswith("stats"):  # back to the width that the others expect
            lines.append(f"tanh-layer name=back{i} dim={DIM}")
    lines.append("output-layer name=output dim=4 param-stddev=0.5")
    nnet = Nnet.from_config(parse_xconfig(lines).configs["final"], make_component, rng=rng)
    for c in nnet.components.values():
        settle(c, rng)
    return nnet


def settle(c, rng: np.random.Generator) -> None:
    """No self-repair, no dropout, batch-norm with statistics of its own: what is left can be
    differentiated.
    """
    for a in params(c).values():
        a[...] += (0.05 * rng.standard_normal(a.shape)).astype(a.dtype)
    if hasattr(c, "self_repair_scale"):
        c.self_repair_scale = 0.0
    if hasattr(c, "self_repair_config"):
        c.self_repair_config = c.self_repair_config * 0
    if hasattr(c, "test_mode"):
        c.test_mode = True
    if c.TYPE == "BatchNormComponent":
        c.count = 10.0
        c.stats_sum = 2.0 * rng.standard_normal(c.block_dim)
        c.stats_sumsq = c.stats_sum**2 / 10.0 + 10.0 * rng.uniform(0.5, 2.0, c.block_dim)


@pytest.mark.parametrize("seed", range(36))
def test_derivatives_match_differences(seed):
    nnet = random_network(seed)
    left, right = context(nnet)
    every = 3 if nnet.modulus() == 1 and seed % 2 else 1
    trial = Trial(nnet, {"input": range(-left - 5, 9 + right + 4)}, range(0, 9, every))
    trial.check_input("input", 1e-5)
    assert trial.check_parameters(1e-5) > 0
