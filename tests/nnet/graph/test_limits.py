"""Derivatives limited to a range of frames: against a recurrence written out, and against Kaldi."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet import tree
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter
from nnet.graph.limits import NO_MAXIMUM, NO_MINIMUM, inside, limits
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import backward, forward
from nnet.programs.nnet3_train import main as nnet3_train
from tests.networks import network

FIRST, LAST = -9, 5  # frames of the input
RNN = """
input-node name=input dim=3
component name=a type=AffineComponent input-dim=5 output-dim=2
component-node name=a component=a input=Append(input, IfDefined(Offset(h, -{delay})))
component name=h type=TanhComponent dim=2 self-repair-scale=0
component-node name=h component=h input=a
output-node name=output input=h objective=quadratic
"""
DEEP = """
input-node name=input dim=3
component name=t type=TdnnComponent input-dim=3 output-dim=3 time-offsets=-1,0,1 use-natural-gradient=false
component-node name=t component=t input=input
component name=n type=NormalizeComponent dim=3
component-node name=n component=n input=t
component name=a type=AffineComponent input-dim=5 output-dim=2
component-node name=a component=a input=Append(n, IfDefined(Offset(h, -2)))
component name=h type=TanhComponent dim=2 self-repair-scale=0
component-node name=h component=h input=a
component name=out type=AffineComponent input-dim=4 output-dim=2
component-node name=out component=out input=Append(Offset(h, -2), h)
output-node name=output input=out objective=quadratic
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((NO_MINIMUM, NO_MAXIMUM, NO_MAXIMUM, 7), None),
        ((-3, NO_MAXIMUM, NO_MAXIMUM, 7), (-3, NO_MAXIMUM)),
        ((NO_MINIMUM, 4, NO_MAXIMUM, 7), (NO_MINIMUM, 4)),
        ((-3, 4, 2, 7), (-3, 9)),
    ],
)
def test_the_relative_limit_counts_from_the_last_output_and_replaces_the_absolute_one(options, expected):
    assert limits(*options) == expected


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="min-deriv-time=5 is above max-deriv-time=4"):
        limits(5, 4, NO_MAXIMUM, 0)


def test_rows_inside_may_be_all_some_or_none():
    assert inside((0, 3, 6), None) == slice(0, 3)
    assert inside((0, 3, 6), (1, 6)) == slice(1, 3)
    assert inside((0, 3, 6), (4, 5)) == slice(2, 2)


def setting(config: str, outputs: range):
    """The network in float64 with random inputs and output derivatives."""
    rng = np.random.default_rng(2)
    nnet = network(config)
    nnet.components = {k: tree.astype(c, np.float64) for k, c in nnet.components.items()}
    plan = make_plan(nnet, Request({"input": range(FIRST, LAST + 1)}, {"output": outputs}))
    x = rng.standard_normal((LAST - FIRST + 1, 4, 3))
    return nnet, plan, x, rng.standard_normal((len(outputs), 4, 2))


def gradient(nnet, plan, x, dy, times):
    delta = tree.zeros_like(nnet.components)
    for _, c in tree.updatable(delta):
        c.learning_rate, c.is_gradient = 1.0, True
    acts = forward(nnet, plan, {"input": x})
    return backward(nnet, plan, acts, {"output": dy}, delta, ("input",), times)["input"], delta


def written_out(nnet, x, dy, delay, times):
    """dx, dW, db of the RNN by the equations, derivatives outside `times` set to zero as they arise."""
    W, b = nnet.components["a"].W, nnet.components["a"].b
    T, n, _ = x.shape
    h, v = np.zeros((T, n, 2)), np.zeros((T, n, 5))
    for t in range(T):
        v[t] = np.concatenate([x[t], h[t - delay] if t >= delay else np.zeros((n, 2))], axis=1)
        h[t] = np.tanh(v[t] @ W.T + b)
    dh, dx, dW, db = np.zeros_like(h), np.zeros_like(x), np.zeros_like(W), np.zeros_like(b)
    dh[-len(dy) :] = dy
    for t in reversed(range(T)):
        if not times[0] <= t + FIRST <= times[1]:
            continue
        da = dh[t] * (1 - h[t] ** 2)
        dv = da @ W
        dx[t], dW, db = dv[:, :3], dW + da.T @ v[t], db + da.sum(0)
        if t >= delay:
            dh[t - delay] += dv[:, 3:]
    return dx, dW, db


@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize("times", [(-4, 3), (-5, 9), (-20, 2), (0, 0), (-20, 20)])
def test_a_recurrence_is_cut_where_the_range_ends(delay, times):
    nnet, plan, x, dy = setting(RNN.format(delay=delay), range(LAST + 1))
    dx, delta = gradient(nnet, plan, x, dy, times)
    for mine, expected in zip(
        (dx, delta["a"].W, delta["a"].b), written_out(nnet, x, dy, delay, times), strict=True
    ):
        np.testing.assert_allclose(mine, expected, rtol=1e-10, atol=1e-12)


def test_a_wide_range_changes_nothing_and_an_empty_one_leaves_nothing():
    nnet, plan, x, dy = setting(DEEP, range(4))
    free = gradient(nnet, plan, x, dy, None)
    wide = gradient(nnet, plan, x, dy, (-50, 50))
    none = gradient(nnet, plan, x, dy, (20, 30))
    np.testing.assert_array_equal(free[0], wide[0])
    for name in ("t", "a", "out"):
        np.testing.assert_array_equal(free[1][name].W, wide[1][name].W)
        assert not none[1][name].W.any()
    assert not none[0].any()


@pytest.mark.parametrize(("first", "relative"), [(-3, 0), (-6, 8), (1, -1)])
def test_training_with_limits_is_that_of_kaldi(kaldi, tmp_path: Path, first: int, relative: int):
    (tmp_path / "config").write_text(DEEP)
    kaldi("nnet3-init", "--srand=3", tmp_path / "config", tmp_path / "0.raw")
    rng = np.random.default_rng(7)
    with TableWriter(f"ark:{tmp_path}/egs", EXAMPLE) as writer:
        for key in "ab":
            rows = np.array([(n, t, 0) for n in range(2) for t in range(FIRST, LAST + 1)], np.int32)
            labelled = np.array([(n, t, 0) for n in range(2) for t in range(4)], np.int32)
            x = rng.standard_normal((len(rows), 3)).astype(np.float32)
            y = rng.standard_normal((len(labelled), 2)).astype(np.float32)
            writer.write(key, NnetExample([NnetIo("input", rows, x), NnetIo("output", labelled, y)]))
    options = [f"--optimization.min-deriv-time={first}", f"--optimization.max-deriv-time-relative={relative}"]
    options += ["--max-param-change=0", "--use-gpu=no"]
    where = [tmp_path / "0.raw", f"ark:{tmp_path}/egs"]
    kaldi("nnet3-train", *options, *where, tmp_path / "theirs.raw")
    assert nnet3_train([*options, *map(str, where), str(tmp_path / "ours.raw")]) == 0
    start, ours, theirs = (read_nnet(str(tmp_path / name)) for name in ("0.raw", "ours.raw", "theirs.raw"))
    for name in ("t", "a", "out"):
        change = theirs.components[name].W - start.components[name].W
        mine = ours.components[name].W - start.components[name].W
        assert np.abs(change).max() > 0
        np.testing.assert_allclose(mine, change, atol=2e-3 * np.abs(change).max())
