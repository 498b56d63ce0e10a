"""Arrays in a few words."""

import numpy as np
import pytest

from nnet.summary import matrix_info, rms_info, succinct, summarize, vector_info


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.00123, "0.001"),
        (6e-05, "6e-05"),
        (0.0123, "0.01"),
        (0.994, "0.99"),
        (0.996, "1.0"),
        (-9.94, "-9.9"),
        (12.3, "12"),
        (9999.0, "9999"),
        (123456.0, "123456.0"),
    ],
)
def test_numbers_are_short_as_in_kaldi(value, text):
    assert succinct(value) == text


def test_short_vector_is_printed_whole():
    assert summarize(np.array([1, 0.25, 30], np.float32)) == "[ 1.0 0.25 30 ]"


def test_long_vector_is_told_by_percentiles():
    assert summarize(np.arange(101.0)[::-1]) == (
        "[percentiles(0,1,2,5 10,20,50,80,90 95,98,99,100)=(0,1.0,2.0,5.0 10,20,50,80,90 95,98,99,100), "
        "mean=50, stddev=29.2]"
    )


def test_constant_vector_has_no_spread():
    assert vector_info("bias", np.full(7, 0.1, np.float32)) == "bias-{mean,stddev}=0.1,0"


def test_matrix_is_told_by_root_mean_square_and_norms():
    m = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert rms_info("w", m) == "w-rms=2.5"
    assert matrix_info("w", m) == ["w-rms=2.5", "w-row-norms=[ 5.0 0 ]", "w-col-norms=[ 3.0 4.0 ]"]
