"""The regularization table's numbers: every tenth minibatch is looked at, averages are over the looks."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import tree
from nnet.observe import Observer
from nnet.updates import MaxChangeStats
from tests.networks import network


def test_every_tenth_minibatch_is_looked_at():
    nnet, observer = network(), Observer(1.0)
    observer.begin(nnet)
    delta = tree.zeros_like(nnet.components)
    for i in range(21):
        delta["h2"].W[...] = i
        if observer.looks_now:
            observer.observe(nnet, delta, 8.0)
        observer.count()
    record = observer.finish(nnet, MaxChangeStats())["h2"]
    assert (record["num_minibatches"], record["sequences"]) == (21, 8)
    assert record["gradient_norm"] == pytest.approx(np.sqrt(nnet.components["h2"].W.size) * (0 + 10 + 20) / 3)
    assert record["change_norm"] == 0 and record["max_change_cut"] == 0


def test_a_factor_of_zero_counts_no_sequences():
    nnet, observer = network(), Observer(0.0)
    observer.begin(nnet)
    observer.observe(nnet, tree.zeros_like(nnet.components), 0.0)
    record = observer.finish(nnet, MaxChangeStats())["h2"]
    assert record["sequences"] == record["l2_norm"] == 0


def test_a_job_that_saw_no_minibatch_has_no_records():
    nnet, observer = network(), Observer(1.0)
    observer.begin(nnet)
    assert observer.finish(nnet, MaxChangeStats()) == {}
