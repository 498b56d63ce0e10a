"""Arithmetic on whole models, written once over the declared roles of fields (Kaldi's nnet-utils)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy as shallow_copy
from dataclasses import fields
from typing import Any

import numpy as np

from nnet.backend import Array, array_module, to_device, to_host
from nnet.component import PARAM, STAT, STATE, Component, Updatable, names, params

Components = Mapping[str, Component]


def copy(c: Component) -> Component:
    """An independent copy of `c`; natural-gradient state starts afresh."""
    return _map_arrays(c, lambda a: a.copy())


def _map_arrays(c: Component, f: Any) -> Component:
    new = shallow_copy(c)
    for fld in fields(c):
        value = getattr(c, fld.name)
        if fld.metadata.get("role") == STATE:
            setattr(new, fld.name, {})
        elif hasattr(value, "dtype") and hasattr(value, "shape") and value.ndim:
            setattr(new, fld.name, f(value))
        elif isinstance(value, tuple) and value and isinstance(value[0], Component):
            setattr(new, fld.name, tuple(_map_arrays(part, f) for part in value))
    return new


def astype(c: Component, dtype: Any) -> Component:
    """A copy of `c` with floating arrays in `dtype` (float64 for gradient checks)."""
    return _map_arrays(c, lambda a: a.astype(dtype) if np.issubdtype(a.dtype, np.floating) else a.copy())


def as_types_of(c: Component, other: Component) -> Component:
    """`c` itself, its parameters and statistics now in the types that those of `other` have."""
    for (leaf, name), (model, _) in zip(_held(c, PARAM, STAT), _held(other, PARAM, STAT)):
        value = getattr(leaf, name)
        if _is_array(value):
            setattr(leaf, name, value.astype(getattr(model, name).dtype))
    return c


def on_device(c: Component) -> Component:
    """A copy of `c` whose arrays lie on the current CUDA device."""
    return _map_arrays(c, lambda a: to_device(to_host(a)))


def on_host(c: Component) -> Component:
    """A copy of `c` whose arrays are numpy's."""
    return _map_arrays(c, lambda a: to_host(a).copy())


def scale(c: Component, alpha: float, *roles: str) -> None:
    """Multiply parameters and statistics (or only `roles`) of `c` by alpha, in place. Zero clears NaN too."""
    for leaf, name in _held(c, *(roles or (PARAM, STAT))):
        value = getattr(leaf, name)
        if value is None:
            continue
        if not _is_array(value):
            zero = value.dtype.type if hasattr(value, "dtype") else type(value)  # a count may lie on a device
            setattr(leaf, name, zero(0) if alpha == 0 else value * alpha)
        elif alpha == 0:
            value[...] = 0
        else:
            value *= alpha


def stats(c: Component) -> list[Any]:
    """Copies of the statistics of `c` and its parts, for `set_stats`."""
    return [_copied(getattr(leaf, name)) for leaf, name in _held(c, STAT)]


def set_stats(c: Component, values: Sequence[Any]) -> None:
    """Give `c` copies of what `stats` returned for it."""
    for (leaf, name), value in zip(_held(c, STAT), values, strict=True):
        setattr(leaf, name, _copied(value))


def _copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "dtype") else value


def _held(c: Component, *roles: str) -> Iterator[tuple[Component, str]]:
    """Fields that have one of `roles`, with the component that holds them: `c` or a part of it."""
    return ((leaf, name) for leaf in c.leaves() for name in names(leaf, *roles))


def add(c: Component, other: Component, alpha: float = 1.0, *roles: str) -> None:
    """c += alpha * other over parameters and statistics (or only `roles`), in place."""
    for leaf, from_leaf in zip(c.leaves(), other.leaves(), strict=True):
        for name in names(leaf, *(roles or (PARAM, STAT))):
            _add_field(leaf, name, getattr(from_leaf, name), alpha)


def _add_field(c: Component, name: str, theirs: Any, alpha: float) -> None:
    mine = getattr(c, name)
    if theirs is None:
        return
    if mine is None:
        setattr(c, name, theirs * alpha)
    elif not _is_array(mine):
        setattr(c, name, mine + theirs * alpha)
    elif mine.size == 0 and theirs.size:  # statistics that were never stored have no length yet
        setattr(c, name, theirs * mine.dtype.type(alpha))
    elif theirs.size:
        mine += mine.dtype.type(alpha) * theirs if alpha != 1.0 else theirs


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0


def sumsq(c: Component) -> Array:
    """Squared Euclidean norm of the parameters of `c`, on the device where they lie (no synchronisation)."""
    return dot(c, c)


def dot(a: Component, b: Component) -> Array:
    """Inner product of the parameters of two components of one type and size, accumulated in float32
    blocks, in float64.
    """
    other = params(b)
    total: Any = 0.0
    for name, x in params(a).items():
        xp = array_module(x)
        total = total + xp.vdot(x.ravel(), other[name].ravel()).astype(np.float64)
    return total


def zeros_like(components: Components) -> dict[str, Component]:
    """Copies of all components with parameters and statistics zero: where a minibatch's changes
    accumulate.
    """
    result = {name: copy(c) for name, c in components.items()}
    for c in result.values():
        scale(c, 0.0)
    return result


def updatable(components: Components) -> Iterable[tuple[str, Updatable]]:
    """The components that have parameters, with their names, in order."""
    return ((name, c) for name, c in components.items() if isinstance(c, Updatable) and params(c))


def all_finite(components: Components) -> str | None:
    """The name of the first component with a NaN or infinity among its parameters and statistics, or None."""
    for name, c in components.items():
        for leaf, field_name in _held(c, PARAM, STAT):
            value = getattr(leaf, field_name)
            if value is not None and not bool(array_module(value).isfinite(value).all()):
                return name
    return None
