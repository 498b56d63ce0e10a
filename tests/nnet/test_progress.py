"""Objectives of phases and of a whole job: what is logged when."""

from __future__ import annotations

import math

from nnet.progress import ObjectiveProgress


def logged(adds: list[tuple[float, float, int]], interval: int = 2) -> tuple[ObjectiveProgress, list[str]]:
    lines: list[str] = []
    progress = ObjectiveProgress("output", interval)
    for total, weight, minibatch in adds:
        progress.add(total, weight, minibatch, lines.append)
    return progress, lines


def test_a_phase_is_logged_when_the_next_one_begins():
    _, lines = logged([(-2.0, 4.0, 0), (-4.0, 4.0, 1)])
    assert lines == []
    _, lines = logged([(-2.0, 4.0, 0), (-4.0, 4.0, 1), (-1.0, 4.0, 2)])
    assert lines == ["Average objective function for 'output' for minibatches 0-1 is -0.75 over 8 frames."]


def test_minibatches_without_the_output_are_told():
    _, lines = logged([(-2.0, 4.0, 1), (-1.0, 4.0, 4)])
    assert lines == [
        "Average objective function for 'output' using 1 minibatches in minibatch range 0-3 is -0.5 "
        "over 4 frames."
    ]


def test_a_phase_without_weight_is_not_logged():
    _, lines = logged([(0.0, 0.0, 0), (0.0, 0.0, 1), (-1.0, 4.0, 2)])
    assert lines == []


def test_the_total_is_over_all_phases():
    progress, _ = logged([(-2.0, 4.0, 0), (-4.0, 4.0, 1), (-6.0, 4.0, 2)])
    lines: list[str] = []
    assert progress.log_total(lines.append) and progress.average() == -1.0
    assert lines == [
        "Overall average objective function for 'output' is -1 over 12 frames.",
        "[this line is to be parsed by a script:] log-prob-per-frame=-1",
    ]


def test_a_total_without_weight_is_no_number():
    progress, _ = logged([(0.0, 0.0, 0)])
    lines: list[str] = []
    assert not progress.log_total(lines.append) and math.isnan(progress.average())
    assert lines[0] == "Overall average objective function for 'output' is nan over 0 frames."
