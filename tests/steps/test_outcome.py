"""Which jobs' models are averaged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from steps.outcome import Outcome, accepted, best, read_objective, read_seconds

LOG = """# nnet3-train --print-interval=10
LOG (nnet3-train[x]) Average objective function for 'output' for minibatches 0-9 is -3.2 over 640 frames.
LOG (nnet3-train[x]) Overall average objective function for 'output-xent' is -9 over 10 frames.
LOG (nnet3-train[x]) Overall average objective function for 'output' is {} over 1.28e+04 frames.
# Accounting: time=12 threads=1
"""


def outcomes(*values: float) -> list[Outcome]:
    return [Outcome(n, v, 1.0, 1.0) for n, v in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("values", "jobs"),
    [
        ((-1.0, -1.5, -2.0), [1, 2, 3]),
        ((-1.0, -2.1, -1.2), [1, 3]),
        ((math.nan, -1.0, -math.inf), [2]),
        ((math.nan, math.nan), []),
    ],
)
def test_models_far_behind_the_best_or_not_finite_are_left_out(
    values: tuple[float, ...], jobs: list[int]
) -> None:
    assert [o.job for o in accepted(outcomes(*values))] == jobs


def test_the_best_is_the_first_of_equals_and_never_nan() -> None:
    assert best(outcomes(math.nan, -1.0, -1.0)).job == 2


@pytest.mark.parametrize(("text", "value"), [("-0.5", -0.5), ("-0.5 + -0.1 = -0.6", -0.6), ("nan", math.nan)])
def test_objectives_are_read_from_the_end_of_the_log(tmp_path: Path, text: str, value: float) -> None:
    path = tmp_path / "train.1.1.log"
    path.write_text(LOG.format(text))
    assert read_objective(path) == (pytest.approx(value, nan_ok=True), 12800.0)
    assert read_seconds(path) == 12.0


def test_a_log_without_a_result_has_no_objective(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG.splitlines()[1])
    assert read_objective(tmp_path / "a.log") is None
    assert read_objective(tmp_path / "none.log") is None
    assert read_seconds(tmp_path / "a.log") is None
