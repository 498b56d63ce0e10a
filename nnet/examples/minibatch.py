"""From training examples, merged or not, to the arrays that training computes with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.rows import stacked
from nnet.formats.examples import NnetExample, NnetIo
from nnet.formats.matrix import SparseMatrix
from nnet.minibatch import DenseTarget, Minibatch, SparseTarget, Target

N, T, X = 0, 1, 2  # columns of NnetIo.indexes


@dataclass(frozen=True)
class Grid:
    """Where the rows of an io lie: row k is frame frames[t[k]] of sequence n[k]; each (t, n) occurs once."""

    frames: tuple[int, ...]
    sequences: int
    t: np.ndarray
    n: np.ndarray

    @property
    def in_order(self) -> bool:
        """Whether there is one sequence, its frames rising."""
        return self.sequences == 1 and bool((np.diff(self.t) > 0).all())


def to_minibatch(
    examples: Sequence[NnetExample],
    inputs: Collection[str],
    outputs: Collection[str],
    keys: Sequence[str] | None = None,
) -> Minibatch:
    """One minibatch of `examples` of one structure; `inputs` and `outputs` are the network's node names.

    Features are decompressed into float32 (T, N, D); sparse supervision becomes entries, any other an array.
    Sequence e * s + i is sequence i of example e, s the number of sequences in each. Raises ValueError naming
    the example (by `keys` if given) if structures differ, a name is no node, or an io is no grid of (t, n).
    """
    if not examples:
        raise ValueError("a minibatch needs at least one example")
    names = [f"example {i}" for i in range(len(examples))] if keys is None else [f"example {k}" for k in keys]
    columns = _columns(examples, names)
    sequences = 1 + int(examples[0].io[0].indexes[:, N].max())
    batch = Minibatch(len(examples) * sequences, {}, {})
    for name, ios in columns.items():
        if name not in inputs and name not in outputs:
            raise ValueError(
                f"{names[0]} has an io '{name}', but the network has no such input or output node"
            )
        grid = _grid(ios[0], names[0])
        if grid.sequences != sequences:
            first = next(iter(columns))
            raise ValueError(
                f"{names[0]}: '{name}' has {grid.sequences} sequences, '{first}' has {sequences}"
            )
        if name in inputs:
            batch.inputs[name] = grid.frames, _values(ios, grid)
        else:
            batch.outputs[name] = _target(ios, grid)
    for what, have in (("input", batch.inputs), ("output", batch.outputs)):
        if not have:
            raise ValueError(f"{names[0]} has no {what} of the network, only {', '.join(columns)}")
    return batch


def inputs_of(
    ios: Sequence[NnetIo], inputs: Collection[str], where: str
) -> tuple[int, dict[str, tuple[tuple[int, ...], np.ndarray]]]:
    """The number of sequences of one example, and its inputs by name as (frames, values (T, N, D)).

    Raises ValueError naming `where` if there is none, a name is no input node, or sequences are not as many.
    """
    found: dict[str, tuple[tuple[int, ...], np.ndarray]] = {}
    sequences = 0
    for io in ios:
        if io.name not in inputs:
            raise ValueError(f"{where} has an input '{io.name}', but the network's are {', '.join(inputs)}")
        grid = _grid(io, where)
        if sequences and grid.sequences != sequences:
            raise ValueError(f"{where}: '{io.name}' has {grid.sequences} sequences, others have {sequences}")
        sequences = grid.sequences
        found[io.name] = grid.frames, _values([io], grid)
    if not found:
        raise ValueError(f"{where} has no input of the network")
    return sequences, found


def _columns(examples: Sequence[NnetExample], names: list[str]) -> dict[str, list[NnetIo]]:
    """The ios of all examples by name. Raises ValueError unless structures are equal."""
    columns = {io.name: [io] for io in examples[0].io}
    first = {io.name: (io.indexes, io.features.shape) for io in examples[0].io}
    for eg, name in zip(examples[1:], names[1:]):
        if len(eg.io) != len(first):
            raise ValueError(f"{name} has {len(eg.io)} inputs and outputs, {names[0]} has {len(first)}")
        for io in eg.io:
            if io.name not in first:
                raise ValueError(
                    f"{name} has '{io.name}', {names[0]} does not; only equal structures make a minibatch"
                )
            indexes, shape = first[io.name]
            if io.features.shape != shape or not _same(io.indexes, indexes):
                raise ValueError(
                    f"{name}: '{io.name}' has {io.features.shape} values at other rows or of another size "
                    f"than {names[0]} with {shape}; only equal structures make a minibatch"
                )
            columns[io.name].append(io)
    return columns


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or np.array_equal(a, b)


def _grid(io: NnetIo, where: str) -> Grid:
    n, t, x = io.indexes[:, N], io.indexes[:, T], io.indexes[:, X]
    if not len(t) or x.any():
        what = "no rows" if not len(t) else f"an index with x = {x[x != 0][0]}, where only 0 is supported"
        raise ValueError(f"{where}: '{io.name}' has {what}")
    frames, position = np.unique(t, return_inverse=True)
    sequences = int(n.max()) + 1
    cells = (
        np.bincount(position * sequences + n, minlength=len(frames) * sequences)
        if n.min() >= 0
        else np.zeros(1)
    )
    if not (cells == 1).all():
        raise ValueError(
            f"{where}: the {len(t)} rows of '{io.name}' do not hold each of {len(frames)} frames once for "
            f"each of {sequences} sequences"
        )
    return Grid(tuple(frames.tolist()), sequences, position, n)


def _values(ios: list[NnetIo], grid: Grid) -> np.ndarray:
    """Features as (T, N, D)."""
    rows = stacked([io.features for io in ios])  # (rows, examples, D)
    if grid.in_order:
        return rows
    out = np.empty((len(grid.frames), len(ios), grid.sequences, rows.shape[2]), np.float32)
    out[grid.t, :, grid.n] = rows
    return out.reshape(len(grid.frames), -1, rows.shape[2])


def _target(ios: list[NnetIo], grid: Grid) -> Target:
    sparse = [io.features for io in ios if isinstance(io.features, SparseMatrix)]
    if len(sparse) < len(ios):
        return DenseTarget(grid.frames, _values(ios, grid))
    counts = np.concatenate([m.indptr[1:] - m.indptr[:-1] for m in sparse])
    t, n = np.tile(grid.t, len(ios)), np.tile(grid.n, len(ios))
    n = n + np.repeat(np.arange(len(ios)) * grid.sequences, len(grid.t))
    return SparseTarget(
        grid.frames,
        sparse[0].cols,
        np.repeat(t, counts),
        np.repeat(n, counts),
        np.concatenate([m.indices for m in sparse]).astype(np.int64),
        np.concatenate([m.values for m in sparse]),
    )
