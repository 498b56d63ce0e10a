"""The older convolution and max pooling against loops over the three axes."""

import numpy as np
import pytest

from nnet.component import Io
from nnet.components.convolution_old import Convolution, Maxpooling
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

T, N = 3, 2
IO = Io((0, 1, 2), (0, 1, 2), N)
KEYS = [f"{key}-dim" for key in ("input-x", "input-y", "input-z", "filt-x", "filt-y")]
KEYS += ["filt-x-step", "filt-y-step"]
SIZES = {
    name: " ".join(f"{key}={size}" for key, size in zip(KEYS, sizes))
    for name, sizes in {
        "steps of one": (4, 5, 2, 3, 2, 1, 1),
        "larger steps": (6, 5, 3, 2, 3, 2, 2),
        "whole": (2, 3, 1, 2, 3, 1, 1),
    }.items()
}
POOLS = {
    "apart": "input-x-dim=4 input-y-dim=6 input-z-dim=3 pool-x-size=2 pool-y-size=3 pool-z-size=1 "
    "pool-x-step=2 pool-y-step=3 pool-z-step=1",
    "overlapping": "input-x-dim=5 input-y-dim=4 input-z-dim=3 pool-x-size=3 pool-y-size=2 pool-z-size=2 "
    "pool-x-step=1 pool-y-step=2 pool-z-step=1",
}


def make(cls, text, load=None):
    line = ConfigLine(f"component {text}", "a:1", load)
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def convolution(sizes, order="zyx"):
    return make(Convolution, f"{SIZES[sizes]} num-filters=4 input-vectorization-order={order}")


def image(c, x, order="zyx"):
    X, Y, Z = c.input_x_dim, c.input_y_dim, c.input_z_dim
    if order == "zyx":
        return x.reshape(T, N, X, Y, Z)
    return x.reshape(T, N, X, Z, Y).swapaxes(3, 4)


@pytest.mark.parametrize("order", ["zyx", "yzx"])
@pytest.mark.parametrize("sizes", SIZES)
def test_convolution_filters_every_patch(rng, sizes, order):
    c = convolution(sizes, order)
    x = rng.standard_normal((T, N, c.input_dim)).astype(np.float32)
    pixels, parts = image(c, x, order), []
    for i in range(0, c.input_x_dim - c.filt_x_dim + 1, c.filt_x_step):
        for j in range(0, c.input_y_dim - c.filt_y_dim + 1, c.filt_y_step):
            patch = pixels[:, :, i : i + c.filt_x_dim, j : j + c.filt_y_dim].reshape(T, N, -1)
            parts.append(patch @ c.W.T + c.b)
    np.testing.assert_allclose(c.forward(x, IO)[0], np.concatenate(parts, axis=2), atol=1e-5)


@pytest.mark.parametrize("order", ["zyx", "yzx"])
@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_of_the_convolution_match_differences(rng, sizes, order):
    c = convolution(sizes, order)
    gradient_check(c, rng.standard_normal((T, N, c.input_dim)), IO, rng)


@pytest.mark.parametrize("pools", POOLS)
def test_pools_take_the_largest(rng, pools):
    c = make(Maxpooling, POOLS[pools])
    x = rng.standard_normal((T, N, c.input_dim)).astype(np.float32)
    pixels, parts = image(c, x), []
    for i in range(0, c.input_x_dim - c.pool_x_size + 1, c.pool_x_step):
        for j in range(0, c.input_y_dim - c.pool_y_size + 1, c.pool_y_step):
            for k in range(0, c.input_z_dim - c.pool_z_size + 1, c.pool_z_step):
                pool = pixels[:, :, i : i + c.pool_x_size, j : j + c.pool_y_size, k : k + c.pool_z_size]
                parts.append(pool.max(axis=(2, 3, 4)))
    np.testing.assert_array_equal(c.forward(x, IO)[0], np.stack(parts, axis=2))


@pytest.mark.parametrize("pools", POOLS)
def test_gradients_of_pools_match_differences(rng, pools):
    c = make(Maxpooling, POOLS[pools])
    gradient_check(c, rng.standard_normal((T, N, c.input_dim)), IO, rng)


def test_equal_elements_of_a_pool_all_get_the_derivative():
    c = make(Maxpooling, POOLS["apart"])
    x = np.zeros((T, N, c.input_dim))
    y, memo = c.forward(x, IO)
    np.testing.assert_array_equal(c.backward(np.ones(y.shape), x, y, memo, IO), np.ones(x.shape))


def test_filters_come_from_a_file_with_the_bias_last():
    M = np.arange(14.0).reshape(2, 7)
    c = make(Convolution, f"{SIZES['whole']} matrix=m", load=lambda path: M)
    np.testing.assert_array_equal(c.W, M[:, :6])
    np.testing.assert_array_equal(c.b, M[:, 6])


def replaced(text, key, value):
    return " ".join(f"{key}={value}" if part.startswith(f"{key}=") else part for part in text.split())


@pytest.mark.parametrize(
    "cls, text, message",
    [
        (Convolution, replaced(SIZES["whole"], "filt-y-dim", 4), "along y .* size 4 .* on 3"),
        (Convolution, SIZES["whole"] + " input-vectorization-order=xyz", "order=xyz is neither zyx nor yzx"),
        (Convolution, SIZES["whole"] + " matrix=m", "W has 4 columns, but .* make 6"),
        (
            Maxpooling,
            replaced(POOLS["apart"], "pool-z-step", 2),
            "pool-z-size=1 is smaller than pool-z-step=2",
        ),
        (Maxpooling, replaced(POOLS["apart"], "pool-x-size", 3), "along x"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(cls, text, message):
    more = " num-filters=2" if cls is Convolution and "matrix" not in text else ""
    with pytest.raises(ValueError, match=f"a:1: .*{message}"):
        make(cls, text + more, load=lambda path: np.ones((2, 5)))


def test_an_unknown_order_in_a_file_is_refused():
    fields = {**vars(convolution("whole")), "input_vectorization": 2}
    with pytest.raises(ValueError, match="input-vectorization=2 is neither"):
        Convolution(**fields)


def test_info_is_in_kaldis_words():
    assert (
        convolution("whole")
        .describe()
        .startswith(
            "ConvolutionComponent, input-dim=6, output-dim=4, learning-rate=0.001, input-x-dim=2, "
            "input-y-dim=3, input-z-dim=1, filt-x-dim=2, filt-y-dim=3, filt-x-step=1, filt-y-step=1, "
            "input-vectorization=1, num-filters=4, filter-params-rms="
        )
    )
    assert make(Maxpooling, POOLS["apart"]).describe() == (
        "MaxpoolingComponent, input-x-dim=4, input-y-dim=6, input-z-dim=3, pool-x-size=2, pool-y-size=3, "
        "pool-z-size=1, pool-x-step=2, pool-y-step=3, pool-z-step=1"
    )
