"""The change of a weight matrix: an outer product of rows, with natural gradient on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from nnet.backend import Array
from nnet.columns import Columns
from nnet.component import Component, Updatable
from nnet.cores import together
from nnet.kernels.fisher import settle
from nnet.kernels.products import multiply
from nnet.kernels.rows import add_scaled
from nnet.kernels.sums import column_sums
from nnet.natural_gradient import OnlineNaturalGradient

PASSES = 40  # multiplications in the time of passing over a number twice


@dataclass(frozen=True)
class NaturalGradient:
    """Settings of one preconditioner of a component."""

    rank: int
    alpha: float = 4.0
    update_period: int = 4
    num_samples_history: float = 2000.0
    freezes: bool = True  # stands still in the first pass of backstitch; in Kaldi a few types do not
    num_minibatches_history: float = 0.0  # takes the place of num_samples_history if not 0

    def updates(self, delta: Updatable) -> bool:
        """Whether the estimate may move now: the trainer sets "frozen" in delta's scratch."""
        return not (self.freezes and delta.scratch.get("frozen", False))

    def of(self, delta: Updatable, key: str) -> OnlineNaturalGradient:
        """The preconditioner `key` in delta's scratch, made on first use."""
        if key not in delta.scratch:
            delta.scratch[key] = OnlineNaturalGradient(
                self.rank,
                self.alpha,
                self.update_period,
                self.num_samples_history,
                self.num_minibatches_history,
            )
        return delta.scratch[key]


def settle_estimates(delta: Mapping[str, Component]) -> None:
    """On a device: move all preconditioners on that are due, together."""
    settle([ng.fisher for ng in preconditioners(delta) if ng.fisher is not None])


def preconditioners(delta: Mapping[str, Component]) -> Iterator[OnlineNaturalGradient]:
    """Those of all components, and of the parts of composite ones."""
    for c in delta.values():
        for part in {id(part): part for part in (c, *c.leaves())}.values():
            held = part.scratch.values() if isinstance(part, Updatable) else ()
            yield from (ng for ng in held if isinstance(ng, OnlineNaturalGradient))


def default_rank(dim: int, most: int) -> int:
    """Half the dimension, rounded up, at most `most`: Kaldi's rank where none is configured."""
    return min(most, (dim + 1) // 2)


def add_outer(
    delta: Updatable,
    x: Columns,
    dy: Array,
    W: Array,
    b: Array | None,
    *,
    natural: tuple[NaturalGradient, NaturalGradient] | None,
) -> None:
    """W += rate dYᵀ X and b += rate dYᵀ 1 for dy (N, out) and x (N, in), the ones for b in its last column.

    `natural` has the settings for the rows of x and of dy; None makes a plain update. W and b are delta's.
    With learning rate zero nothing is done, the preconditioners included (Kaldi: TdnnComponent::Backprop).
    """
    if delta.learning_rate == 0:
        return
    if natural is None or delta.is_gradient:
        change, scale = x.under(dy), delta.learning_rate
    else:
        change, scale = natural_outer(delta, x, dy, natural)
    add_scaled(W, change[:, : W.shape[1]], scale)
    if b is not None:
        b += scale * change[:, -1]


def natural_outer(
    delta: Updatable, x: Columns, dy: Array, natural: tuple[NaturalGradient, NaturalGradient]
) -> tuple[Array, Array]:
    """dY_hatᵀ X_hat, (out, in), and rate scale_x scale_dy.

    With P = I - W'W of either side, dY_hatᵀ X_hat = P_dy (dYᵀ X) P_x: where there are many rows it is cheaper
    to project the product than the rows.
    """
    update = natural[0].updates(delta)
    ng_x, ng_dy = natural[0].of(delta, "in"), natural[1].of(delta, "out")
    rows, wide, high = len(dy), x.shape[1], dy.shape[1]
    of_x, of_dy = _Side(ng_x, update), _Side(ng_dy, update)
    sides = []
    if _projects(rows, high, ng_x.rank):
        sides.append(partial(of_x.project, x))
    else:
        x = Columns((of_x.precondition(x.dense()),))
    if _projects(rows, wide, ng_dy.rank):
        sides.append(partial(of_dy.project, Columns((dy,))))
    else:
        dy = of_dy.precondition(dy)
    product = x.xp.empty((high, wide), x.dtype)
    together([*x.parts_under(dy, product), *sides])
    if of_x.W is not None:
        multiply(multiply(product, of_x.W.T), of_x.W, product, add=-1)
    if of_dy.W is not None:
        multiply(of_dy.W.T, multiply(of_dy.W, product), product, add=-1)
    return product, of_x.scale * of_dy.scale * delta.learning_rate


@dataclass
class _Side:
    """What the natural gradient of the rows of X or of dY says: W, None if not to be projected, and scale."""

    ng: OnlineNaturalGradient
    update: bool
    W: Array | None = None
    scale: Array = None

    def project(self, rows: Columns) -> None:
        self.W, self.scale = self.ng.projection(rows, self.update)

    def precondition(self, rows: Array) -> Array:
        """The rows preconditioned."""
        rows, self.scale = self.ng.precondition(rows, self.update)
        return rows


def _projects(rows: int, across: int, rank: int) -> bool:
    """Whether to project a product with so many rows across rather than the rows themselves.

    That takes 4 rank * across operations for each column, the other 2 rank * rows and two passes over rows.
    """
    return 2 * rank * across < rows * (rank + PASSES)


def add_gradient(
    delta: Updatable,
    G: Array,
    W: Array,
    b: Array,
    *,
    natural: tuple[NaturalGradient, NaturalGradient | None] | None,
) -> None:
    """W += rate * dW and b += rate * db for the finished gradient G = [dW | db], (out, in + 1).

    `natural` preconditions the rows of G, then (if not None) its columns; None makes a plain update. W and b
    are delta's.
    """
    if delta.learning_rate == 0:
        return
    scale = delta.learning_rate
    if natural is not None and not delta.is_gradient:
        rows, columns = natural
        G, scale_rows = rows.of(delta, "in").precondition(G, rows.updates(delta))
        scale = scale_rows * scale
        if columns is not None:
            Gt, scale_columns = columns.of(delta, "out").precondition(G.T.copy(), columns.updates(delta))
            G, scale = Gt.T, scale_columns * scale
    G = G * scale
    W += G[:, :-1]
    b += G[:, -1]


def add_row_sum(
    delta: Updatable, target: Array, rows: Array, natural: NaturalGradient | None, key: str
) -> None:
    """target += rate * sum of the preconditioned rows (N, D); a plain sum if `natural` is None."""
    if delta.learning_rate == 0:
        return
    change = column_sums(rows)
    if natural is None or delta.is_gradient:
        change *= delta.learning_rate
    else:
        W, scale = natural.of(delta, key).projection(Columns((rows,)), natural.updates(delta))
        if W is not None:  # sum of (x - x W'W) over rows
            change -= multiply(multiply(change[None], W.T), W)[0]
        change *= scale * delta.learning_rate
    target += change
