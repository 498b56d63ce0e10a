"""accuracy.report: duration, objectives on training and held-out examples and their difference, by
iteration.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.diagnostics import read_scores

HEADING = "%Iter\tduration\ttrain_objective\tvalid_objective\tdifference"


XENT = "output-xent"  # the branch of chain training with a cross-entropy objective


def scores_by_iteration(
    log_dir: Path, last: int, output: str = "output"
) -> list[tuple[int, dict[str, float], dict[str, float]]]:
    """(iteration, training scores, held-out scores) of `output` for the models 0 ... last that both were
    computed for.
    """
    result = []
    for number in range(last + 1):
        train = read_scores(log_dir / f"compute_prob_train.{number}.log", output)
        valid = read_scores(log_dir / f"compute_prob_valid.{number}.log", output)
        if train and valid:
            result.append((number, train, valid))
    return result


def accuracy_report(
    scores: Sequence[tuple[int, Mapping[str, float], Mapping[str, float]]],
    records: Sequence[Mapping[str, Any]],
) -> str:
    """The report in Kaldi's form, on accuracy, or on log-probability where there is only that (LF-MMI)."""
    key = "log-probability" if scores and "log-probability" in scores[0][1] else "accuracy"
    seconds = {r["iteration"]: max(j["seconds"] for j in r["jobs"]) for r in records}
    lines = [HEADING]
    for number, train, valid in scores:
        if number in seconds and key in train and key in valid:
            a, b = train[key], valid[key]
            lines.append(f"{number}\t{seconds[number]:.1f}\t{a:g}\t{b:g}\t{b - a:g}")
    total = datetime.timedelta(seconds=round(sum(seconds.values())))
    return "\n".join([*lines, f"Total training time is {total}\n"])
