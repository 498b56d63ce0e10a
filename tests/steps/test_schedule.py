"""Schedules are Kaldi's: numbers here come from the formulas of its training scripts."""

from __future__ import annotations

import math

import pytest

from steps import schedule
from steps.schedule import Schedule, check_l2, models_to_combine, num_jobs, proportional_shrink


def make(**changes: object) -> Schedule:
    values: dict[str, object] = {
        "num_archives": 4,
        "picks": 8,
        "num_epochs": 4.0,
        "jobs_initial": 2,
        "jobs_final": 2,
        "jobs_step": 1,
        "initial_rate": 0.0015,
        "final_rate": 0.00015,
        "minibatch_size": "128",
        "max_param_change": 2.0,
    }
    return Schedule(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "expected"),
    [(1, [2, 3, 3, 4, 4, 5, 6, 6, 7, 7, 8, 8]), (3, [2, 3, 3, 3, 3, 6, 6, 6, 6, 6, 9, 9])],
)
def test_jobs_ramp_as_in_kaldi(step: int, expected: list[int]) -> None:
    assert [num_jobs(i, 12, 2, step, 9) for i in range(12)] == expected


def test_the_number_of_iterations_counts_archives_frames_and_epochs() -> None:
    assert make().num_iters == 64
    assert make(jobs_initial=1, jobs_final=8, num_epochs=2.5).num_iters == int(int(2.5 * 32) * 2 / 9)


def test_the_effective_rate_falls_exponentially_and_the_last_iteration_has_the_final_rate() -> None:
    iterations = list(make())
    assert iterations[0].learning_rate == pytest.approx(2 * 0.0015)
    assert iterations[1].effective_rate == pytest.approx(0.0015 * math.exp(2 * math.log(0.1) / 128))
    assert iterations[-1].learning_rate == 2 * 0.00015


def test_each_archive_is_read_with_another_frame_on_each_pass() -> None:
    shares = [s for i in make() for s in i.shares]
    assert [(s.archive, s.pick) for s in shares[:6]] == [(1, 1), (2, 2), (3, 3), (4, 4), (1, 2), (2, 3)]
    epoch = shares[:32]
    assert len({(s.archive, s.pick) for s in epoch}) == 32


def test_more_jobs_than_archives_read_different_frames() -> None:
    first = next(iter(make(num_archives=2, jobs_initial=6, jobs_final=6)))
    assert [s.archive for s in first.shares] == [1, 2, 1, 2, 1, 2]
    assert len({(s.archive, s.pick) for s in first.shares}) == 6


def test_the_first_iteration_is_gentler() -> None:
    first, second, *_ = make()
    assert (first.minibatch_size, second.minibatch_size) == ("64", "128")
    assert first.max_param_change == pytest.approx(2.0 / math.sqrt(2))
    assert (first.averages, second.averages) == (False, True)


def test_the_l2_factor_is_one_over_the_jobs() -> None:
    factors = [i.l2_factor for i in make(jobs_initial=1, jobs_final=3, num_epochs=0.5)]
    assert factors == [1.0, 1.0, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 3, 1 / 3]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((64, 32, 20, 2), list(range(45, 65))),  # half an epoch is 9 models: fewer than 20, so the last 20
        ((10, 400, 20, 4), list(range(6, 11))),  # never more than half of the iterations
        ((1000, 400, 20, 2), [*range(900, 1001, 5)]),  # 101 models, every fifth
        ((1, 1, 20, 1), [1]),
    ],
)
def test_models_to_combine_are_those_of_kaldi(arguments: tuple[int, ...], expected: list[int]) -> None:
    assert models_to_combine(*arguments) == expected


def test_too_much_shrinking_is_refused_with_the_arithmetic() -> None:
    assert proportional_shrink(10.0, 0.01) == pytest.approx(0.9)
    with pytest.raises(ValueError, match=r"1 - 100\.0 \* 0\.01 = 0"):
        proportional_shrink(100.0, 0.01)


def test_too_little_data_for_an_iteration_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nothing to train: 0\.01 epochs"):
        make(num_epochs=0.01)


def test_a_penalty_that_would_flip_signs_is_refused_with_the_arithmetic() -> None:
    iteration = list(make())[1]
    rate = iteration.learning_rate
    check_l2(iteration, {"tdnn1.affine": (0.01, 1.0)})
    alpha = 1.01 / (2 * 128 * 0.5 * rate)
    with pytest.raises(
        ValueError,
        match=r"tdnn1\.affine: .* = 2 \* 128 \* 0\.5 \* 0\.002894 .* = 1\.01, which must be below 1",
    ):
        check_l2(iteration, {"tdnn1.affine": (alpha, 1.0)})
    check_l2(iteration, {"tdnn1.affine": (alpha, 0.5)})


def test_the_step_of_the_penalty_is_twice_the_product() -> None:
    assert schedule.l2_step(128, 0.5, 0.003, 0.01) == pytest.approx(2 * 128 * 0.5 * 0.003 * 0.01)
