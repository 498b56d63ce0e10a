"""From a minibatch's change to the model: L2, max-change, batch-norm decay, orthonormal constraint.

Kaldi's order in one step of training (nnet-training.cc): the change of the backward pass is in delta; L2 is
added to it; limits are applied and it goes into the model; statistics are scaled; matrices are pulled towards
orthonormal rows; delta is scaled by the momentum.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nnet import tree
from nnet.backend import Array, array_module, to_host
from nnet.columns import sumsq
from nnet.component import STAT, Component, Updatable, params

UPDATE_SPEED = 0.125  # of the orthonormal constraint: quadratic convergence near the goal


class HasComponents(Protocol):
    """A network: something with components by name."""

    components: dict[str, Component]


Model = HasComponents | Mapping[str, Component]


def components_of(model: Model) -> Mapping[str, Component]:
    """The components of a network, or the mapping itself."""
    return model if isinstance(model, Mapping) else model.components


def apply_l2_regularization(nnet: Model, delta_nnet: Model, scale: float, lrate: float | None = None) -> None:
    """delta.c -= 2 * scale * lrate_c * l2_regularize_c * nnet.c, for all parameters of updatable c.

    `scale` is the number of sequences in the minibatch times l2-regularize-factor. lrate_c is the rate in
    force of delta's component, or `lrate` times its learning-rate factor. Where the product is zero nothing
    is touched. Raises ValueError if delta lacks a component. Kaldi: ApplyL2Regularization.
    """
    delta = components_of(delta_nnet)
    for name, c in tree.updatable(components_of(nnet)):
        if name not in delta:
            raise ValueError(
                f"L2: component {name} of the network is not in delta, which has {', '.join(delta)}"
            )
        d: Any = delta[name]
        rate = d.learning_rate if lrate is None else lrate * d.learning_rate_factor
        factor = -2.0 * scale * rate * d.l2_regularize
        if factor != 0.0:
            tree.add(d, c, factor)  # the statistics of recurrent cells too, as Kaldi does


def check_l2_regularization(nnet: Model, n: int, factor: float) -> None:
    """Raise ValueError if L2 alone would turn the signs of a component's parameters, or make them zero.

    A minibatch of `n` sequences multiplies them by 1 - 2 * n * factor * lrate * alpha, factor being
    l2-regularize-factor, which must stay above 0.
    """
    for name, c in tree.updatable(components_of(nnet)):
        part = 2.0 * n * factor * c.learning_rate * c.l2_regularize
        if part >= 1:
            raise ValueError(
                f"component {name}: L2 would turn the signs of its parameters: 2 * {n} sequences * "
                f"l2-regularize-factor {factor:g} * learning rate {c.learning_rate:g} * "
                f"l2-regularize {c.l2_regularize:g} = {part:g}, which must be less than 1; with these, "
                f"l2-regularize must be below {c.l2_regularize / part:g}"
            )


@dataclass
class MaxChangeStats:
    """How often limits on the change of parameters acted."""

    per_component: Counter[str] = field(default_factory=Counter)
    overall: int = 0
    minibatches: int = 0
    rejected: int = 0  # minibatches whose change was not finite

    def take(self, names: Sequence[str], counts: np.ndarray) -> None:
        """Set how often the limits of components `names` acted, and last the overall one."""
        self.per_component = Counter(dict(zip(names, counts[:-1].astype(int).tolist())))
        self.overall = int(counts[-1])

    def lines(self, nnet: Model) -> list[str]:
        """Kaldi's lines at the end of training, components in the network's order."""
        found = [
            f"For {name}, per-component max-change was enforced "
            f"{100.0 * self.per_component[name] / self.minibatches:g} % of the time."
            for name in components_of(nnet)
            if self.per_component[name]
        ]
        if self.overall:
            share = 100.0 * self.overall / self.minibatches
            found.append(f"The global max-change was enforced {share:g} % of the time.")
        return found


def update_with_max_change(
    nnet: Model,
    delta_nnet: Model,
    max_param_change: float,
    max_change_scale: float,
    scale: float,
    stats: MaxChangeStats,
) -> bool:
    """nnet += scale * delta, each component and then the whole held to its limit times max_change_scale.

    A limit of zero is none. Statistics in delta go along, those of components without parameters unlimited.
    If the change is not finite anywhere the model stays as it is, delta becomes zero and the result is False
    (Kaldi's UpdateNnetWithMaxChange would let NaN pass). One synchronisation with the device.
    """
    model, delta = components_of(nnet), components_of(delta_nnet)
    stats.minibatches += 1
    sizes = {name: abs(scale) * norm for name, norm in norms(delta).items()}
    if not all(math.isfinite(size) for size in sizes.values()):
        stats.rejected += 1
        for c in delta.values():
            tree.scale(c, 0.0)
        return False
    factors = component_factors(delta, sizes, max_change_scale, stats)
    whole = math.sqrt(sum((factors[name] * size) ** 2 for name, size in sizes.items()))
    if max_param_change != 0.0 and whole > max_param_change * max_change_scale:
        scale *= max_param_change * max_change_scale / whole
        stats.overall += 1
    for name, c in delta.items():
        tree.add(model[name], c, scale * factors.get(name, 1.0))
    return True


def component_factors(
    delta: Mapping[str, Component], sizes: Mapping[str, float], max_change_scale: float, stats: MaxChangeStats
) -> dict[str, float]:
    """What holds each component to its own limit: 1, or limit / size where its size exceeds that."""
    factors = {}
    for name, c in tree.updatable(delta):
        limit = c.max_change * max_change_scale
        limited = c.max_change != 0.0 and sizes[name] > limit
        factors[name] = limit / sizes[name] if limited else 1.0
        stats.per_component[name] += limited
    return factors


def norms(components: Mapping[str, Component]) -> dict[str, float]:
    """Euclidean norms of the parameters of all updatable components, read from the device at once."""
    squares = {
        name: sum(sumsq(a.reshape(len(a), -1) if a.ndim > 1 else a[None]) for a in params(c).values())
        for name, c in tree.updatable(components)
    }
    if not squares:
        return {}
    values = list(squares.values())
    host = to_host(array_module(values[0]).stack(values))
    return {name: math.sqrt(s) if s >= 0 else math.nan for name, s in zip(squares, host.tolist())}


def scale_batchnorm_stats(nnet: Model, factor: float, good: Array | bool = True) -> None:
    """Shrink what batch normalisation remembers, so that it stays fresh (Kaldi: ScaleBatchnormStats).

    Not if the minibatch was not `good`, which may be known on the device only.
    """
    if not 0 <= factor <= 1:
        raise ValueError(f"batchnorm-stats-scale={factor} must lie between 0 and 1")
    scale = factor if good is True else array_module(good).where(good != 0, factor, 1.0)
    for c in components_of(nnet).values():
        for leaf, name in tree.held(c, STAT) if factor != 1 and c.TYPE == "BatchNormComponent" else ():
            value = getattr(leaf, name)
            value *= scale
            setattr(leaf, name, value)


def constrain_orthonormal(
    nnet: Model, rng: np.random.Generator | None = None, good: Array | bool = True
) -> None:
    """One step towards orthonormal rows (or columns of tall matrices) for components that ask for it.

    Without `rng` all; with it each with probability 1/4, as in training (Kaldi: ConstrainOrthonormal).
    Nothing moves if the minibatch was not `good`, which may be known on the device only.
    """
    for W, constraint in constrained(components_of(nnet)):
        if rng is None or rng.integers(4) == 0:
            orthonormal_step(W if W.shape[0] <= W.shape[1] else W.T, constraint, good)


def constrained(components: Mapping[str, Component]) -> Iterator[tuple[Array, float]]:
    """Weight matrices with an orthonormal constraint, and the constraint."""
    for _, c in tree.updatable(components):
        constraint = getattr(c, "orthonormal_constraint", 0.0)
        if constraint != 0.0:
            yield weights(c), constraint


def weights(c: Updatable) -> Array:
    """The weight matrix of an affine, linear or time-delay component."""
    return params(c)["W"]


def orthonormal_step(M: Array, constraint: float, good: Array | bool = True) -> None:
    """M -= 4 nu/s² (M M' - s² I) M in place, nu = 1/8; no step if `good` is 0.

    A positive constraint is s; with a negative one s floats: s² = tr(PP)/tr(P) for P = M M', which makes the
    change orthogonal to M; nu is halved, then halved again, far from the goal (Povey et al., "Semi-orthogonal
    low-rank matrix factorization for deep neural networks", Interspeech 2018, sections 2.2 and 2.3). With a
    fixed s, as in Kaldi, M diverges if it starts with singular values beyond sqrt(3) s.
    """
    xp = array_module(M)
    P = M @ M.T  # (rows, rows)
    s, speed = (constraint, UPDATE_SPEED) if constraint > 0 else floating_scale(P)
    s2 = xp.asarray(s, dtype=M.dtype) ** 2  # s rounded first, as in Kaldi: equal to the last bit
    P.reshape(-1)[:: len(P) + 1] -= s2
    rate = xp.asarray(4 * speed, dtype=M.dtype) / s2
    if good is not True:
        rate = rate * good.astype(M.dtype)  # type: ignore[union-attr]
    M -= rate * (P @ M)


def floating_scale(P: Array) -> tuple[Array, Array]:
    """The scale s that P (rows, rows) suggests, and the speed; speed 0 if P is next to nothing."""
    xp = array_module(P)
    trace, square = P.trace(dtype=np.float64), (P * P).sum(dtype=np.float64)
    empty = trace < 1e-15
    safe = xp.where(empty, 1.0, trace)
    ratio = square * len(P) / safe**2  # 1 at the goal, where all eigenvalues of P are equal
    speed = UPDATE_SPEED * xp.where(ratio > 1.02, 0.5, 1.0) * xp.where(ratio > 1.1, 0.5, 1.0)
    return xp.where(empty, 1.0, xp.sqrt(square / safe)), xp.where(empty, 0.0, speed)
