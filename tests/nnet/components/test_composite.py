"""Components in a row as one, against the same components one by one."""

import io as streams
from dataclasses import replace

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io, num_params, params
from nnet.config_line import ConfigLine
from nnet.factory import make_component
from nnet.formats.basic import KaldiInput, KaldiOutput
from nnet.formats.components import read_component, write_component
from tests.checks import gradient_check

T, N = 5, 3
IO = Io(tuple(range(T)), tuple(range(T)), N)
PARTS = [
    "type=NaturalGradientAffineComponent input-dim=4 output-dim=6 learning-rate=0.1",
    "type=RectifiedLinearComponent dim=6 self-repair-scale=0.01",
    "type=AffineComponent input-dim=6 output-dim=3 learning-rate=0.2 learning-rate-factor=0.5",
]


def component(text):
    return make_component(ConfigLine(f"component name=c {text}", "a:1"), np.random.default_rng(0))


def composite(parts=PARTS, more="max-rows-process=4"):
    inner = " ".join(f"component{i}='{part}'" for i, part in enumerate(parts, 1))
    return component(f"type=CompositeComponent num-components={len(parts)} {inner} {more}")


@pytest.mark.parametrize("rows", [0, 4, 15, 4096])
def test_forward_is_that_of_the_parts_in_turn(rng, rows):
    c = composite(more=f"max-rows-process={rows}")
    x = rng.standard_normal((T, N, 4)).astype(np.float32)
    y = x
    for part in c.parts:
        y, _ = part.forward(y, IO)
    np.testing.assert_allclose(c.forward(x, IO)[0], y, atol=1e-6)
    assert (c.input_dim, c.output_dim) == (4, 3)


@pytest.mark.parametrize("rows", [0, 4])
def test_gradients_match_differences(rng, rows):
    c = composite(more=f"max-rows-process={rows}")
    gradient_check(c, rng.standard_normal((T, N, 4)), IO, rng)


def test_no_row_gives_no_row():
    c, io = composite(), Io((), (), N)
    x = np.zeros((0, N, 4), np.float32)
    y, memo = c.forward(x, io)
    assert y.shape == (0, N, 3) and c.backward(y, x, y, memo, io).shape == x.shape


def learned(c, rng, times=1):
    delta = tree.zeros_like({"c": c})["c"]
    x = rng.standard_normal((T, N, 4)).astype(np.float32)
    y, memo = c.forward(x, IO)
    for _ in range(times):
        c.update(delta, np.ones_like(y), x, y, memo, IO)
    return delta


def test_parts_learn_with_their_own_rates(rng):
    c = composite()
    delta = learned(c, rng)
    np.testing.assert_allclose(delta.parts[2].b, T * N * 0.2, rtol=1e-5)
    for part in c.parts:
        part.learning_rate = 0.0
    assert not any(a.any() for a in params(learned(c, rng)).values())


def test_each_block_of_rows_is_a_minibatch_of_the_preconditioners(rng):
    assert learned(composite(more="max-rows-process=4"), rng).parts[0].scratch["in"].t == 4
    assert learned(composite(), rng, times=2).parts[0].scratch["in"].t == 8


def test_freezing_and_plain_gradients_reach_the_parts(rng):
    c = composite()
    delta = tree.zeros_like({"c": c})["c"]
    delta.scratch["frozen"] = True
    delta.is_gradient, delta.learning_rate = True, 1.0
    x = rng.standard_normal((T, N, 4)).astype(np.float32)
    c.update(delta, np.ones((T, N, 3), np.float32), x, None, None, IO)
    np.testing.assert_allclose(delta.parts[2].b, T * N, rtol=1e-5)
    assert delta.parts[0].scratch == {"frozen": True}


def test_the_learning_rate_is_set_on_the_parts():
    c = composite()
    c.set_learning_rate(0.01)
    assert (c.learning_rate, c.parts[0].learning_rate, c.parts[2].learning_rate) == (0.01, 0.01, 0.005)


def test_self_repair_is_counted_once(rng):
    c = composite(more="")
    x = rng.standard_normal((T, N, 4)).astype(np.float32)
    y, memo = c.forward(x, IO)
    c.store_stats(x, y, memo, IO)
    assert c.parts[1].count == T * N
    delta = tree.zeros_like({"c": c})["c"]
    repairs = next(io for s in range(100) if not (io := replace(IO, seed=(s,))).happens(1 / 2))
    c.backward(np.ones_like(y), x, y, memo, repairs, delta)
    c.update(delta, np.ones_like(y), x, y, memo, repairs)
    assert delta.parts[1].num_dims_processed == 6
    assert delta.parts[1].oderiv_count == T * N


def test_arithmetic_reaches_the_parts(rng):
    c = composite()
    other = tree.copy(c)
    tree.scale(other, 3.0)
    assert other.parts[0].W is not c.parts[0].W
    tree.add(other, c, -1.0)
    for name, a in params(c).items():
        np.testing.assert_allclose(params(other)[name], 2 * a, rtol=1e-5)
    assert list(params(c)) == ["1.W", "1.b", "3.W", "3.b"] and num_params(c) == 4 * 6 + 6 + 6 * 3 + 3
    np.testing.assert_allclose(tree.sumsq(c), sum((a**2).sum() for a in params(c).values()), rtol=1e-5)


def test_a_nan_in_a_part_is_found():
    c = composite()
    assert tree.all_finite({"c": c}) is None
    c.parts[2].b[0] = np.nan
    assert tree.all_finite({"c": c}) == "c"


def test_a_composite_without_parameters_does_not_learn():
    c = composite(["type=TanhComponent dim=3", "type=NormalizeComponent dim=3"])
    assert not list(tree.updatable({"c": c})) and num_params(c) == 0


@pytest.mark.parametrize("binary", [True, False])
def test_files_hold_the_parts(binary):
    c, stream = composite(), streams.BytesIO()
    write_component(KaldiOutput(stream, binary), c)
    again = read_component(KaldiInput(streams.BytesIO(stream.getvalue() + b" "), "f", binary), "c")
    assert again.max_rows_process == 4 and [p.TYPE for p in again.parts] == [p.TYPE for p in c.parts]
    for name, a in params(c).items():
        np.testing.assert_allclose(params(again)[name], a, rtol=1e-5)


@pytest.mark.parametrize(
    "parts, message",
    [
        (
            ["type=TanhComponent dim=3", "type=TanhComponent dim=4"],
            "part 1 .* output-dim=3, part 2 has input-dim=4",
        ),
        (["type=DropoutComponent dim=3 dropout-proportion=0.1"], "part 1 .* may not be a DropoutComponent"),
        (["type=TdnnComponent input-dim=3 output-dim=3 time-offsets=0,1"], "may not be a TdnnComponent"),
        (["type=TanhComponent dim=3 rows=2"], "component1 TanhComponent has no option rows"),
        (
            ["type=TanComponent dim=3"],
            "component1: there is no type TanComponent; did you mean TanhComponent",
        ),
    ],
)
def test_unfit_parts_are_refused(parts, message):
    with pytest.raises(ValueError, match=f"a:1: .*{message}"):
        composite(parts)


def test_a_composite_in_a_composite_is_refused():
    inner = composite()
    with pytest.raises(ValueError, match="part 1 of a composite component may not be a CompositeComponent"):
        type(inner)(parts=(inner,))
    with pytest.raises(ValueError, match="at least one part"):
        type(inner)(parts=())


def test_info_is_in_kaldis_words():
    text = composite().describe()
    assert text.startswith(
        "CompositeComponent sub-component1 = { NaturalGradientAffineComponent, input-dim=4, output-dim=6, "
        "learning-rate=0.1, linear-params-rms="
    )
    assert "}, sub-component2 = { RectifiedLinearComponent, dim=6, self-repair-scale=0.01 }, sub-" in text
