"""Reports say what happened: accuracy.report, regularization.tsv, report.html."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from steps.accuracy_report import accuracy_report
from steps.html_report import Summary, page
from steps.progress_line import Clock, duration
from steps.regularization import COLUMNS, rows, shrink_per_epoch, table
from steps.schedule import Schedule
from steps.svg import Series, line_chart, make_axis, make_log_axis, round_step, shown
from tests.steps.conftest import Trained

SCHEDULE = Schedule(4, 8, 4.0, 2, 2, 1, 0.0015, 0.00015, "128", 2.0)
COMPONENT = {
    "alpha": 0.01,
    "learning_rate": 0.003,
    "factor": 0.5,
    "num_minibatches": 31.0,
    "sequences": 128.0,
    "l2_norm": 0.2,
    "gradient_norm": 0.6,
    "max_change_cut": 0.25,
    "param_norm": 10.0,
    "change_norm": 1.0,
}


def record(number: int, **more: Any) -> dict[str, Any]:
    job = {"job": 1, "objective": -1.0, "frames": 10.0, "seconds": 2.0 + number, "accepted": True}
    base = {
        "iteration": number,
        "num_jobs": 2,
        "seconds": 3.0,
        "objective": -1.0,
        "jobs": [job],
        "epoch": 0.5,
    }
    rates = {"learning_rate": 0.003, "effective_rate": 0.0015, "shrink": 1.0, "dropout": []}
    return {**base, **rates, "components": {"tdnn1.affine": COMPONENT}, **more}


def test_accuracy_report_has_kaldis_columns() -> None:
    scores = [
        (0, {"accuracy": 0.5}, {"accuracy": 0.25}),
        (1, {"accuracy": 0.75}, {"accuracy": 0.5}),
        (2, {}, {}),
    ]
    lines = accuracy_report(scores, [record(0), record(1)]).splitlines()
    assert lines[0] == "%Iter\tduration\ttrain_objective\tvalid_objective\tdifference"
    assert lines[1:3] == ["0\t2.0\t0.5\t0.25\t-0.25", "1\t3.0\t0.75\t0.5\t-0.25"]
    assert lines[3] == "Total training time is 0:00:05"


def test_the_regularization_table_follows_the_arithmetic_of_the_penalty() -> None:
    (row,) = rows([record(3)], SCHEDULE)
    step = 2 * 128 * 0.5 * 0.003 * 0.01
    assert row["shrink_per_minibatch"] == pytest.approx(step)
    assert row["shrink_per_epoch"] == pytest.approx(1 - (1 - step) ** (31 * 32 / 2))
    assert row["l2_share"] == pytest.approx(0.25)
    text = table([row]).splitlines()
    assert text[0].split("\t") == [name for name, _ in COLUMNS]
    assert text[1].split("\t")[:3] == ["3", "tdnn1.affine", "0.01"]


def test_a_penalty_that_takes_everything_shrinks_by_all() -> None:
    assert shrink_per_epoch(1.0, 10, 1) == 1.0
    assert shrink_per_epoch(0.0, 10, 1) == 0.0


class Checker(HTMLParser):
    """Checks that tags close in order."""

    EMPTY = frozenset({"meta", "line", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(trained: Trained) -> None:
    text = (trained.dir / "report.html").read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.seen.count("svg") == 6
    assert not re.search(r"(src|href)=.?https?:", text)
    for wanted in (
        "held out",
        "training subset",
        "tdnn" if "tdnn" in text else "affine",
        "--trainer.num-epochs",
        "shrink per epoch",
    ):
        assert wanted in text
    for link in re.findall(r'href="(log/[^"]+)"', text):
        assert (trained.dir / link).is_file()


def test_the_regularization_table_of_a_run_has_all_iterations_and_components(trained: Trained) -> None:
    lines = [line.split("\t") for line in (trained.dir / "regularization.tsv").read_text().splitlines()[1:]]
    assert {(int(r[0]), r[1]) for r in lines} == {(n, c) for n in range(8) for c in ("affine", "out")}
    by_name = {name: i for i, (name, _) in enumerate(COLUMNS)}
    for r in lines:
        assert (float(r[by_name["l2_norm"]]) > 0) == (r[1] == "affine")


def test_a_page_without_any_iteration_can_be_made(tmp_path: Path) -> None:
    text = page(Summary(tmp_path, 10, [], [], [], {"dir": "x"}))
    assert "0 of 10" in text
    assert "nothing was recorded" in text


def test_names_are_escaped() -> None:
    assert "<b>" not in line_chart("t", [Series("<b>", [0, 1], [1.0, 2.0])], "<b>", "y")


def test_gaps_and_zeros_are_left_out() -> None:
    chart = line_chart("t", [Series("s", [0, 1, 2, 3], [1.0, None, float("nan"), 2.0])], "x", "y")
    assert chart.count("<circle") == 2
    assert "nothing" in line_chart("t", [Series("s", [0, 1], [0.0, -1.0])], "x", "y", log=True)


@pytest.mark.parametrize(
    ("values", "low", "high"), [([0.3, 97.0], 0, 100), ([-1.9, -0.35], -2, 0), ([5, 5], 4.4, 5.6)]
)
def test_axes_end_on_round_ticks_around_the_values(values: list[float], low: float, high: float) -> None:
    axis = make_axis("x", values)
    assert axis.low == pytest.approx(low)
    assert axis.high == pytest.approx(high)
    assert 4 <= len(axis.ticks) <= 9


def test_logarithmic_axes_have_decades() -> None:
    axis = make_log_axis("y", [0.001, 1000.0])
    assert (axis.low, axis.high) == (pytest.approx(1e-3), pytest.approx(1e3))
    assert axis.position(1.0) == pytest.approx(0.5)


@pytest.mark.parametrize(("width", "step"), [(1.0, 1.0), (1.3, 2.0), (0.04, 0.05), (7.0, 10.0)])
def test_steps_are_round(width: float, step: float) -> None:
    assert round_step(width) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.12341, "0.1234"), (1.5e-5, "1.5e-5"), (2.0e6, "2e6")]
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (45, "45 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (100000, "1 d 3 h"),
        (float("nan"), "unknown time"),
    ],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_time_left_is_estimated_from_the_last_iterations() -> None:
    clock = Clock(SCHEDULE)
    for iteration in list(SCHEDULE)[:2]:
        clock.passed(iteration, 2.0)
    assert clock.seconds_left() == pytest.approx(62 * 2.0)
