"""What is kept of a finished iteration: its record, and the log of how far the parameters went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnet import __version__, tree
from nnet.files import atomic_write
from nnet.graph.info import nnet_info
from nnet.graph.network import Nnet
from nnet.programs.nnet3_show_progress import norms, per_component
from steps import dropout
from steps.outcome import Outcome
from steps.schedule import Iteration


def iteration_record(
    iteration: Iteration,
    outcomes: Sequence[Outcome],
    good: Sequence[int],
    seconds: float,
    curves: tuple[dropout.Curve, ...],
) -> dict[str, Any]:
    """What is worth knowing of a finished iteration, as plain data; non-finite numbers are None."""
    frames = sum(o.frames for o in outcomes if o.job in good)
    objective = (
        sum(o.objective * o.frames for o in outcomes if o.job in good) / frames if frames else math.nan
    )
    return {
        "iteration": iteration.number,
        "epoch": iteration.epoch,
        "num_jobs": iteration.num_jobs,
        "effective_rate": iteration.effective_rate,
        "learning_rate": iteration.learning_rate,
        "shrink": iteration.shrink,
        "dropout": dropout.proportions(curves, iteration.fraction),
        "seconds": seconds,
        "objective": finite(objective),
        "jobs": [asdict(o) | {"objective": finite(o.objective), "accepted": o.job in good} for o in outcomes],
    }


def finite(value: float) -> float | None:
    """`value`, or None (JSON has no NaN)."""
    return value if math.isfinite(value) else None


def component_sums(
    stats: Sequence[dict[str, Any]], change: dict[str, float], size: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Means over jobs of the regularization numbers by component; norms are those of the averaged model."""
    result = {}
    for name, norm in size.items():
        parts = [s[name] for s in stats if name in s]
        if parts:
            means = {key: sum(p[key] for p in parts) / len(parts) for key in parts[0]}
            result[name] = means | {"param_norm": norm, "change_norm": change[name]}
    return result


def change_norms(before: Nnet, after: Nnet) -> dict[str, float]:
    """Euclidean norm of the change of every updatable component."""
    difference = {}
    for name, c in tree.updatable(after.components):
        difference[name] = tree.copy(c)
        tree.add(difference[name], before.components[name], -1.0, "param")
    return norms(difference)


def write_progress_log(path: Path, nnet: Nnet, change: dict[str, float], before: dict[str, float]) -> None:
    """The network as nnet3-info shows it, then the differences as nnet3-show-progress does."""
    prefix = f"LOG (nnet3-show-progress[pynnet3-{__version__}]:main():nnet3-show-progress.cc:0)"
    relative = {name: x / before[name] if before[name] else math.inf for name, x in change.items()}
    with atomic_write(path, text=True) as stream:
        stream.write(nnet_info(nnet))
        for what, values in (
            ("Parameter differences per layer", change),
            ("Norms of parameter matrices from <new-nnet-in>", norms(nnet.components)),
            ("Relative parameter differences per layer", relative),
        ):
            stream.write(f"{prefix} {what} are {per_component(values)}\n")
