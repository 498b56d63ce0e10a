"""The preconditioned outer product, however it is computed, against rows preconditioned on either side."""

import numpy as np
import pytest

from nnet.columns import Columns
from nnet.components.linear import NaturalGradientAffine
from nnet.natural_gradient import OnlineNaturalGradient
from nnet.outer import NaturalGradient, natural_outer


@pytest.mark.parametrize("rows", [8, 40, 60, 400])
def test_rows_or_their_product_are_projected_with_one_result(rows, rng):
    change = NaturalGradientAffine(W=np.zeros((30, 40)), b=np.zeros(30), learning_rate=0.5)
    settings = NaturalGradient(6), NaturalGradient(10)
    left, right = OnlineNaturalGradient(10, 4.0, 4), OnlineNaturalGradient(6, 4.0, 4)
    for _ in range(3):
        x, dy = rng.standard_normal((rows, 40)) + 0.3, rng.standard_normal((rows, 30))
        ones = np.ones((rows, 1))
        result, scale = natural_outer(change, Columns((x[:, :15], x[:, 15:]), ones=True), dy, settings)
        (x_hat, scale_x), (dy_hat, scale_dy) = (
            right.precondition(np.concatenate([x, ones], axis=1)),
            left.precondition(dy),
        )
        expected = 0.5 * scale_x * scale_dy * dy_hat.T @ x_hat
        np.testing.assert_allclose(scale * result, expected, atol=1e-8 * np.abs(expected).max())
