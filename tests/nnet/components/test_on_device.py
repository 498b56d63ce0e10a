"""Every type of component on host and device: a GPU if there is one, and always the emulated one."""

import numpy as np
import pytest

from nnet import tree
from nnet.backend import gpu_available, to_device, to_host
from nnet.component import Io, Updatable, fields, params
from nnet.components import TYPES
from nnet.config_line import ConfigLine

N, D = 8, 6
CONFIGS = [
    ("SigmoidComponent", f"dim={D} self-repair-scale=1e-3"),
    ("TanhComponent", f"dim={D} self-repair-scale=1e-3"),
    ("RectifiedLinearComponent", f"dim={D} self-repair-scale=1e-3"),
    ("RectifiedLinearComponent", f"dim={D} block-dim=3 self-repair-scale=1e-3"),
    ("SoftmaxComponent", f"dim={D}"),
    ("LogSoftmaxComponent", f"dim={D}"),
    (
        "RestrictedAttentionComponent",
        "num-heads=2 key-dim=3 value-dim=4 num-left-inputs=1 num-right-inputs=1 time-stride=1 "
        "num-left-inputs-required=0 num-right-inputs-required=0",
    ),
    ("RepeatedAffineComponent", f"input-dim={D} output-dim=4 num-repeats=2"),
    ("NaturalGradientRepeatedAffineComponent", f"input-dim={D} output-dim=4 num-repeats=2"),
    ("BlockAffineComponent", f"input-dim={D} output-dim=4 num-blocks=2"),
    ("ConstantComponent", "output-dim=4 is-updatable=true"),
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
    (
        "MaxpoolingComponent",
        "input-x-dim=4 input-y-dim=3 input-z-dim=2 pool-x-size=2 pool-y-size=1 pool-z-size=1 "
        "pool-x-step=2 pool-y-step=1 pool-z-step=1",
    ),
    ("DropoutComponent", f"dim={D} dropout-proportion=0.3"),
    ("DropoutComponent", f"dim={D} dropout-proportion=0.3 dropout-per-frame=true"),
    ("GeneralDropoutComponent", f"dim={D} block-dim=3 dropout-proportion=0.3 time-period=2"),
    ("GeneralDropoutComponent", f"dim={D} dropout-proportion=0.3 continuous=true"),
    ("GeneralDropoutComponent", f"dim={D} specaugment-max-proportion=0.5"),
    ("SpecAugmentTimeMaskComponent", f"dim={D} zeroed-proportion=0.3 time-mask-max-frames=2"),
    ("DropoutMaskComponent", "output-dim=3 dropout-proportion=0.3"),
    ("DropoutMaskComponent", "output-dim=4 dropout-proportion=0.3"),
    ("DropoutMaskComponent", "output-dim=4 dropout-proportion=0.3 continuous=true"),
    ("FixedScaleComponent", "scales=file"),
    ("FixedBiasComponent", "bias=file"),
    ("PerElementScaleComponent", f"dim={D} param-stddev=1"),
    ("NaturalGradientPerElementScaleComponent", f"dim={D} param-stddev=1"),
    ("PerElementOffsetComponent", f"dim={D} block-dim=3"),
    ("ScaleAndOffsetComponent", f"dim={D} block-dim=3"),
    ("GruNonlinearityComponent", "cell-dim=4 recurrent-dim=2"),
    ("GruNonlinearityComponent", "cell-dim=4"),
    ("OutputGruNonlinearityComponent", "cell-dim=4"),
    ("AffineComponent", f"input-dim={D} output-dim=5"),
    ("NaturalGradientAffineComponent", f"input-dim={D} output-dim=5"),
    ("LinearComponent", f"input-dim={D} output-dim=5"),
    ("FixedAffineComponent", f"input-dim={D} output-dim=5"),
    ("NormalizeComponent", f"dim={D} add-log-stddev=true"),
    ("BatchNormComponent", f"dim={D}"),
    ("BatchNormComponent", f"dim={D} block-dim=3"),
    ("BatchNormComponent", f"dim={D} test-mode=true"),
    ("StatisticsExtractionComponent", f"input-dim={D} input-period=1 output-period=1 include-variance=true"),
    (
        "StatisticsPoolingComponent",
        "input-dim=7 input-period=1 left-context=2 right-context=2 output-stddevs=true",
    ),
    ("LstmNonlinearityComponent", "cell-dim=4 use-dropout=false"),
    ("LstmNonlinearityComponent", "cell-dim=4 use-dropout=true"),
    ("NoOpComponent", f"dim={D}"),
    ("PermuteComponent", "column-map=2,0,1"),
    ("SumBlockComponent", f"input-dim={D} output-dim=3 scale=0.5"),
    ("ElementwiseProductComponent", f"input-dim={D} output-dim=3"),
    ("PnormComponent", f"input-dim={D} output-dim=3"),
    ("SumGroupComponent", "sizes=2,1,3"),
    ("TdnnComponent", f"input-dim={D} output-dim=5 time-offsets=-1,0,1"),
    ("BackpropTruncationComponent", f"dim={D} clipping-threshold=1 zeroing-threshold=2"),
    ("ClipGradientComponent", f"dim={D} clipping-threshold=1 norm-based-clipping=true"),
]


@pytest.fixture(params=["emulated", "real"])
def device(request):
    """One device after the other."""
    if request.param == "emulated":
        request.getfixturevalue("emulated")
    elif not gpu_available():
        pytest.skip("needs CuPy and a GPU")


def numbers(c):
    """Parameters and statistics of a component, on the host."""
    held = {f.name: getattr(c, f.name) for f in fields(c) if f.metadata.get("role") == "stat"}
    return [np.asarray(to_host(a), float) for a in (*params(c).values(), *held.values()) if a is not None]


def run(c, x, dy, io):
    """y, dx, the statistics and, of one with parameters, the change after twelve updates."""
    c = tree.copy(c) if isinstance(x, np.ndarray) else tree.on_device(c)
    delta = tree.zeros_like({"c": c})["c"]
    y, memo = c.forward(x, io)
    c.store_stats(x, y, memo, io)
    dx = c.backward(dy, x, y, memo, io, delta)
    if isinstance(c, Updatable) and params(c):
        delta.learning_rate = 0.1
        for _ in range(12):  # through all states of the preconditioners
            c.update(delta, dy, x, y, memo, io)
    delta.store_backward_stats(dy, io)
    return [to_host(y), to_host(dx), *numbers(c), *numbers(delta)]


def test_no_type_is_left_out():
    assert set(TYPES) - {name for name, _ in CONFIGS} == {"CompositeComponent"}


@pytest.mark.parametrize("t_out", [(0, 1, 2, 3), (0, 3, 6), (0, 1, 3, 4)])
@pytest.mark.parametrize(("kind", "text"), CONFIGS)
def test_device_and_host_agree(rng, device, kind, text, t_out):
    line = ConfigLine(f"component {text}", load_matrix=lambda path: np.arange(1, 4))
    c = TYPES[kind].configure(line, np.random.default_rng(0))
    t_in = tuple(sorted({s for t in t_out for s in c.reads(t)})) or t_out
    ios = [Io(t_in=t_in, t_out=t_out, n=N, seed=(3, 1)) for _ in range(2)]  # each draws from the start
    x = rng.standard_normal((len(t_in), N, c.input_dim)).astype(np.float32)
    if kind == "StatisticsPoolingComponent":
        x[..., 0] = 1 + abs(x[..., 0])  # counts
    dy = rng.standard_normal((len(t_out), N, c.output_dim)).astype(np.float32)
    host, device = run(c, x, dy, ios[0]), run(c, to_device(x), to_device(dy), ios[1])
    assert len(host) == len(device)
    for ours, theirs in zip(device, host):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max(initial=1e-3))
