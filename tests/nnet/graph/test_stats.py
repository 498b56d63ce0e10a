"""Statistics are stored for every component that took part, over all frames of a recurrence at once."""

from __future__ import annotations

import numpy as np

from nnet.graph.run import forward
from nnet.graph.stats import store_stats
from tests.nnet.graph.nets import NETS
from tests.nnet.graph.test_run import trial_of
from tests.nnet.graph.toys import Toy


def test_every_component_sees_all_its_frames_once(monkeypatch):
    seen: dict[int, tuple] = {}
    monkeypatch.setattr(
        Toy, "store_stats", lambda self, x, y, memo, io: seen.update({id(self): (x, y, memo, io)})
    )
    trial = trial_of(*NETS["delay 3"])
    acts = forward(trial.nnet, trial.plan, trial.inputs)
    store_stats(trial.nnet, acts)
    assert seen.keys() == {id(c) for c in trial.nnet.components.values()}
    for x, y, memo, io in seen.values():
        assert len(x) == len(y) == len(io.t_out) == 13 - 3
        assert np.array_equal(y, memo)
