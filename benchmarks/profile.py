"""Where the time of training goes: seconds by component and kind of work, for one network.

usage: OPENBLAS_NUM_THREADS=1 python -m benchmarks.profile --networks DIR [--only tdnnf] [--minibatches 8]

Kinds: forward; backward (the derivative of the input); update (the product of the gradient, without what
follows); natural gradient (the preconditioning inside update). Below the components: the rules on the whole
change, and the rest, which is copies between components, the objective, and Python. Timers cost about a
microsecond a call.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import existing, one_line
from benchmarks.paired import row, table
from benchmarks.step_job import NETWORKS, Network, chosen, prepare
from egs.arguments import Parser, count
from nnet import trainer as training
from nnet.examples.stream import read_minibatches
from nnet.flat import Flat
from nnet.graph.network import Nnet
from nnet.natural_gradient import OnlineNaturalGradient

KINDS = ("forward", "backward", "update", "natural gradient")
METHODS = {  # of components, and the kind of work that they are
    **{kind: kind for kind in KINDS[:3]},
    "forward_unbiased": "forward",
    "forward_clipped": "forward",
    "forward_in": "forward",
    "backward_in": "backward",
    "count_in": "update",
    "update_in": "update",
}
RULES = "rules: L2, max-change, statistics, orthonormal rows"
SHOWN = 12  # components with a row of their own


class Stopwatch:
    """Seconds by (who, kind); what is timed inside something else is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.open: list[list[Any]] = []  # (who, kind), seconds of what was timed inside

    def timed(self, work: Callable[..., Any], kind: str, who: str | None = None) -> Callable[..., Any]:
        """`work`, its time counted for `who`, or for what it was called from."""

        def timed(*args: Any, **more: Any) -> Any:
            name = who if who is not None else self.open[-1][0] if self.open else "-"
            self.open.append([name, 0.0])
            start = time.perf_counter()
            try:
                return work(*args, **more)
            finally:
                spent = time.perf_counter() - start
                self.seconds[name, kind] += spent - self.open.pop()[1]
                if self.open:
                    self.open[-1][1] += spent

        return timed


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = Parser(__doc__ or "")
    p.add_argument(
        "--networks", type=existing, required=True, help="folder with tdnn.xconfig, tdnnf.xconfig, ..."
    )
    p.add_argument("--only", default="", help="one network")
    p.add_argument("--minibatches", type=count, default=8, help="that are timed (8)")
    options = p.parse_args(argv)
    for network in chosen(NETWORKS, options.only, options.networks):
        with tempfile.TemporaryDirectory() as folder:
            show(network.name, *profile(network, options.networks, Path(folder), options.minibatches))
    return 0


def profile(network: Network, xconfigs: Path, folder: Path, count: int) -> tuple[Stopwatch, float, int]:
    """Times of `count` minibatches after a first one, their sum in all, and how many."""
    nnet = prepare(network, xconfigs, folder, (1, count))
    trainer = training.Trainer(nnet)
    trainer.step(next(iter(read_minibatches(f"ark:{folder}/few.ark", nnet))))
    batches = list(read_minibatches(f"ark:{folder}/many.ark", nnet))
    watch = Stopwatch()
    undo = watch_engine(watch, nnet)
    try:
        start = time.perf_counter()
        for batch in batches:
            trainer.step(batch)
        return watch, time.perf_counter() - start, count
    finally:
        for place, name, before in undo:
            setattr(place, name, before)


def watch_engine(watch: Stopwatch, nnet: Nnet) -> list[tuple[Any, str, Any]]:
    """Put timers around the work of components, natural gradient and rules; what to set back."""
    for name, component in nnet.components.items():
        for method, kind in METHODS.items():
            if hasattr(component, method):
                setattr(component, method, watch.timed(getattr(component, method), kind, name))
    undo: list[tuple[Any, str, Any]] = []
    for method in ("precondition", "projection"):
        undo.append((OnlineNaturalGradient, method, getattr(OnlineNaturalGradient, method)))
    undo.append((Flat, "update", Flat.update))
    for rule in ("store_stats", "scale_batchnorm_stats", "constrain_orthonormal"):
        undo.append((training, rule, getattr(training, rule)))
    for place, name, before in undo:
        of_rules = place is not OnlineNaturalGradient
        timed = watch.timed(before, RULES if of_rules else KINDS[3], "" if of_rules else None)
        setattr(place, name, timed)
    return undo


def show(network: str, watch: Stopwatch, total: float, count: int) -> None:
    """Print milliseconds a minibatch, the components that take most first."""
    by_component: dict[str, dict[str, float]] = defaultdict(dict)
    for (who, kind), seconds in watch.seconds.items():
        by_component[who][kind] = 1000 * seconds / count
    rules = by_component.pop("", {}).get(RULES, 0.0)
    ranked = sorted(by_component, key=lambda who: -sum(by_component[who].values()))
    table(f"{network}, ms", *KINDS, "all", "share")
    whole = 1000 * total / count
    for who in ranked[:SHOWN]:
        show_row(who, by_component[who], whole)
    others = [by_component[who] for who in ranked[SHOWN:]]
    if others:
        show_row(f"{len(others)} others", added(others), whole)
    everything = added(list(by_component.values()))
    show_row("all components", everything, whole)
    known = sum(everything.values())
    for what, ms in ((RULES, rules), ("the rest", whole - known - rules), ("a minibatch", whole)):
        row(what, *[None] * len(KINDS), ms, f"{100 * ms / whole:.0f} %")
    print()


def added(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Sums by kind."""
    return {kind: sum(p.get(kind, 0.0) for p in parts) for kind in KINDS}


def show_row(what: str, times: dict[str, float], whole: float) -> None:
    """One row by kind, its sum and its share."""
    known = sum(times.values())
    row(what, *(times.get(kind) for kind in KINDS), known, f"{100 * known / whole:.0f} %")


if __name__ == "__main__":
    raise SystemExit(main())
