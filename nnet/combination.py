"""Averages of models, and the choice of how many of the last models to average (nnet3-average,
nnet3-combine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from nnet import tree
from nnet.component import Component
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate
from nnet.score import Scorer, score


def average(models: Iterable[Nnet], weights: Sequence[float] | None = None) -> Nnet:
    """The weighted average of parameters and statistics of models of one structure.

    Weights are normalised to sum to one; without them all models weigh the same. Models are consumed one
    by one and summed in double precision, so that the average of identical models is that model.
    Raises ValueError if there is none, if counts differ, or if a model has another structure or a NaN or
    infinity.
    """
    models = iter(models) if weights is None else iter(_counted(models, len(weights)))
    if weights is None:
        models = list(models)
        weights = [1.0] * len(models)
    total = float(sum(weights))
    if not weights or total == 0.0:
        raise ValueError("nothing to average: no models, or weights that sum to zero")
    first: Nnet | None = None
    for number, (model, weight) in enumerate(zip(models, weights), 1):
        check_finite(model, f"model {number}")
        if first is None:
            first = model
            result = Nnet(
                dict(model.nodes), {n: tree.astype(c, np.float64) for n, c in model.components.items()}
            )
            scale_net(result, weight / total)
        else:
            check_same_structure(first, model, f"model {number}")
            add_net(result, model, weight / total)
    assert first is not None
    for name, c in result.components.items():
        tree.as_types_of(c, first.components[name])
    return result


def _counted(models: Iterable[Nnet], count: int) -> Iterable[Nnet]:
    number = 0
    for model in models:
        number += 1
        if number <= count:
            yield model
    if number != count:
        raise ValueError(f"{number} models but {count} weights")


def scale_net(nnet: Nnet, alpha: float) -> None:
    """Multiply all parameters and statistics by alpha, in place (Kaldi's ScaleNnet)."""
    for c in nnet.components.values():
        tree.scale(c, alpha)


def add_net(nnet: Nnet, other: Nnet, alpha: float) -> None:
    """nnet += alpha * other over parameters and statistics, in place (Kaldi's AddNnet)."""
    for name, c in nnet.components.items():
        tree.add(c, other.components[name], alpha)


def check_finite(nnet: Nnet, what: str) -> None:
    """Raise ValueError naming the component if `nnet` has a NaN or an infinity."""
    bad = tree.all_finite(nnet.components)
    if bad is not None:
        raise ValueError(
            f"{what}: component {bad} has a NaN or an infinity among its parameters or statistics"
        )


def check_same_structure(a: Nnet, b: Nnet, what: str) -> None:
    """Raise ValueError if the components of `b` differ from those of `a` in names, types or sizes."""
    if list(a.components) != list(b.components):
        differing = sorted(set(a.components) ^ set(b.components))[:3]
        raise ValueError(
            f"{what} has other components than the first: {', '.join(differing) or 'another order'}"
        )
    for name, c in a.components.items():
        other = b.components[name]
        if type(c) is not type(other) or _dims(c) != _dims(other):
            raise ValueError(
                f"{what}: component {name} is a {other.TYPE} {_dims(other)}, "
                f"but a {c.TYPE} {_dims(c)} in the first"
            )


def _dims(c: Component) -> str:
    return f"{c.input_dim} -> {c.output_dim}"


def combine(
    models: Iterable[Nnet],
    batches: Sequence[Minibatch],
    num_models: int,
    max_objective_evaluations: int = 30,
    batchnorm_test_mode: bool = False,
    dropout_test_mode: bool = True,
    log: Callable[[str], None] = lambda line: None,
    evaluate: Evaluate | None = None,
    recompute: Evaluate | None = None,
) -> Nnet:
    """The running average of the first i of `models` (newest first) whose objective on `batches` is best.

    The objective is evaluated after every ceil(num_models / max_objective_evaluations) additions and at
    the end.
    Batch-norm statistics of the result are recomputed on `batches` (Kaldi's nnet3-combine). `evaluate` and
    `recompute` make objectives of outputs, here and there; by default what the output nodes name.
    """
    _check_arguments(batches, max_objective_evaluations)

    def value_of(nnet: Nnet) -> float:
        return objective(nnet, batches, batchnorm_test_mode, dropout_test_mode, evaluate)

    every = -(-num_models // max_objective_evaluations)
    candidates = (
        (count, running)
        for count, running in running_averages(models)
        if (count - 1) % every == 0 or count == num_models
    )
    best = best_candidate(candidates, value_of, log)
    if any(c.TYPE == "BatchNormComponent" for c in best.components.values()):
        recompute_stats(best, batches, log, recompute)
    return best


def running_averages(models: Iterable[Nnet]) -> Iterator[tuple[int, Nnet]]:
    """(n, average of the first n models) for n = 1, 2, ...; asking for the next changes the average.

    Raises ValueError if a model has another structure than the first, or a NaN or infinity.
    """
    running: Nnet | None = None
    for n, model in enumerate(models, 1):
        check_finite(model, f"model {n} of the combination")
        if running is None:
            running = model.copy()
        else:
            check_same_structure(running, model, f"model {n} of the combination")
            scale_net(running, (n - 1) / n)
            add_net(running, model, 1.0 / n)
        yield n, running


def best_candidate(
    candidates: Iterable[tuple[int, Nnet]], value_of: Callable[[Nnet], float], log: Callable[[str], None]
) -> Nnet:
    """A copy of that average (n, average) whose value is highest. Raises ValueError if no value is finite."""
    best: Nnet | None = None
    best_count, best_value, first_value = 1, -float("inf"), -float("inf")
    for count, candidate in candidates:
        value = value_of(candidate)
        if best is None:
            first_value = value
            log(f"objective function using the last model is {value:.6g}")
        else:
            log(f"Combining last {count} models, objective function is {value:.6g}")
        if best is None or value > best_value:
            best, best_count, best_value = candidate.copy(), count, value
    if best is None:
        raise ValueError("no models to combine")
    if best_value == -float("inf"):
        raise ValueError("the objective of no combination is finite: is there a NaN in the examples?")
    log(
        f"Combining {best_count} nnets, objective function changed from {first_value:.6g} to {best_value:.6g}"
    )
    return best


def _check_arguments(batches: Sequence[Minibatch], max_objective_evaluations: int) -> None:
    if not batches:
        raise ValueError("no examples to choose the combination with")
    if max_objective_evaluations < 1:
        raise ValueError(f"max-objective-evaluations={max_objective_evaluations} must be at least 1")


def objective(
    nnet: Nnet,
    batches: Sequence[Minibatch],
    batchnorm_test_mode: bool,
    dropout_test_mode: bool,
    evaluate: Evaluate | None = None,
) -> float:
    """Objective per frame over all outputs, evaluated on a copy in the given test modes; -inf if not
    finite.
    """
    copy = set_test_modes(nnet.copy(), batchnorm_test_mode or None, dropout_test_mode or None)
    scores = score(copy, batches, compute_accuracy=False, evaluate=evaluate).values()
    weight = sum(s.weight for s in scores)
    value = sum(s.total + s.extra for s in scores) / weight if weight else -float("inf")
    return value if abs(value) < float("inf") else -float("inf")


def recompute_stats(
    nnet: Nnet,
    batches: Iterable[Minibatch],
    log: Callable[[str], None] = lambda line: None,
    evaluate: Evaluate | None = None,
) -> None:
    """Replace all statistics of `nnet` by those of a pass over `batches` (Kaldi's RecomputeStats)."""
    log("Recomputing stats on nnet (affects batch-norm)")
    for c in nnet.components.values():
        tree.scale(c, 0.0, "stat")
    scorer = Scorer(nnet, compute_accuracy=evaluate is None, store_stats=True, evaluate=evaluate)
    for batch in batches:
        scorer.add(batch)
    for line in scorer.lines():
        log(line)
    log("Done recomputing stats.")


def set_test_modes(nnet: Nnet, batchnorm: bool | None = True, dropout: bool | None = True) -> Nnet:
    """Set the test modes of batch-norm and of all random components in place (None leaves one alone);
    returns `nnet`.
    """
    for c in nnet.components.values():
        if hasattr(c, "test_mode"):
            wanted = batchnorm if c.TYPE == "BatchNormComponent" else dropout
            if wanted is not None:
                c.test_mode = wanted
    return nnet
