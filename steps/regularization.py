"""What L2 did in every iteration and component: the rows of regularization.tsv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steps.schedule import Schedule, l2_step

COLUMNS = (
    ("iteration", "number of the iteration, from 0"),
    ("component", "name in the network"),
    ("alpha", "l2-regularize of the component"),
    ("learning_rate", "rate of the component: jobs x effective rate x learning-rate-factor"),
    ("sequences", "N, sequences per minibatch"),
    ("factor", "l2-regularize-factor, 1 / jobs"),
    ("shrink_per_minibatch", "2 N factor rate alpha: the share of its weights that the penalty takes"),
    ("shrink_per_epoch", "the same over an epoch, if nothing but the penalty acted"),
    ("l2_norm", "norm of the penalty's part of a minibatch's change"),
    ("gradient_norm", "norm of the gradient's part of it"),
    ("l2_share", "l2_norm / (l2_norm + gradient_norm)"),
    ("max_change_cut", "fraction of minibatches whose change was scaled down by max-change"),
    ("param_norm", "norm of the parameters after the iteration"),
    ("change_norm", "norm of the iteration's change"),
)


def rows(records: Sequence[Mapping[str, Any]], schedule: Schedule) -> list[dict[str, Any]]:
    """One row per iteration and component, keys as in COLUMNS."""
    return [
        _row(record, name, c, schedule)
        for record in records
        for name, c in record.get("components", {}).items()
    ]


def table(table_rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as tab-separated text with a heading."""
    lines = ["\t".join(name for name, _ in COLUMNS)]
    for row in table_rows:
        lines.append("\t".join(_shown(row[name]) for name, _ in COLUMNS))
    return "\n".join(lines) + "\n"


def shrink_per_epoch(step: float, minibatches: float, iterations_per_epoch: float) -> float:
    """1 - (1 - step) ** (minibatches of a job per epoch); averaging jobs does not change it."""
    return float(1.0 - max(0.0, 1.0 - step) ** (minibatches * iterations_per_epoch))


def _row(record: Mapping[str, Any], name: str, c: Mapping[str, float], schedule: Schedule) -> dict[str, Any]:
    step = l2_step(c["sequences"], c["factor"], c["learning_rate"], c["alpha"])
    iterations_per_epoch = schedule.archives_expanded / record["num_jobs"]
    both = c["l2_norm"] + c["gradient_norm"]
    return {
        "iteration": record["iteration"],
        "component": name,
        **{k: c[k] for k in ("alpha", "learning_rate", "sequences", "factor", "l2_norm", "gradient_norm")},
        "shrink_per_minibatch": step,
        "shrink_per_epoch": shrink_per_epoch(step, c["num_minibatches"], iterations_per_epoch),
        "l2_share": c["l2_norm"] / both if both else 0.0,
        **{k: c[k] for k in ("max_change_cut", "param_norm", "change_norm")},
    }


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
