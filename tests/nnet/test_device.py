"""--use-gpu: which words mean what, with and without a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import device
from nnet.backend import to_device
from nnet.device import allow_tf32, batch_on_gpu, select_gpu
from nnet.kernels import products
from tests.networks import densified, minibatch


@pytest.fixture
def gpu(monkeypatch):
    """Answers of the look for a GPU, one after the other; the last one stays."""

    def answer(*answers: bool, count: int = 0) -> None:
        rest = list(answers)
        monkeypatch.setattr(device, "gpu_count", lambda: count)
        monkeypatch.setattr(device, "gpu_available", lambda: rest.pop(0) if len(rest) > 1 else rest[0])

    return answer


@pytest.mark.parametrize(
    ("word", "there", "used"),
    [
        ("no", True, False),
        ("false", True, False),
        ("optional", True, True),
        ("optional", False, False),
        ("yes", True, True),
        ("true", True, True),
        ("wait", True, True),
    ],
)
def test_words_decide(gpu, word, there, used):
    gpu(there)
    assert select_gpu(word, pytest.fail) is used


def test_wait_looks_again_until_there_is_one(gpu):
    gpu(False, False, False, True, count=2)
    lines, pauses = [], []
    assert select_gpu("wait", lines.append, pauses.append)
    assert pauses == [5.0, 5.0]
    assert lines == ["None of 2 GPUs can be used yet; waiting for one (--use-gpu=no computes on the CPU)"]


@pytest.mark.parametrize("word", ["yes", "true", "wait"])
def test_a_gpu_that_must_be_there_and_is_not_is_an_error(gpu, word):
    gpu(False)
    with pytest.raises(
        ValueError, match=rf"--use-gpu={word}, but no GPU can be used: install the extra cuda12"
    ):
        select_gpu(word, print)


def test_another_word_is_an_error(gpu):
    with pytest.raises(ValueError, match="--use-gpu=maybe: expected one of yes, no, optional, wait"):
        select_gpu("maybe", print)


@pytest.mark.parametrize("batch", [minibatch(), densified(minibatch())], ids=["sparse", "dense"])
def test_all_arrays_of_a_minibatch_move(monkeypatch, batch):
    moved = []
    monkeypatch.setattr(device, "to_device", lambda x: moved.append(x) or x)
    copy = batch_on_gpu(batch)
    assert copy.n == batch.n and list(copy.inputs) == list(batch.inputs)
    assert moved[0] is batch.inputs["input"][1]
    assert len(moved) == 1 + (1 if hasattr(batch.outputs["output"], "values") else 4)


def test_tf32_is_for_the_products_that_need_not_be_exact(emulated):
    x = to_device(np.ones((2, 2), np.float32))
    calls = products._library(emulated).functions.calls
    for wanted in (True, False):
        allow_tf32(wanted)
        products.multiply(x, x)
    assert [c[1] for c in calls if c[0] == "gemm"] == [products.TF32, products.FULL["float32"]]
