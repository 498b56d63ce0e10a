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
        elif is_array(value):
            setattr(new, fld.name, f(value))
        elif isinstance(value, tuple) and value and isinstance(value[0], Component):
            setattr(new, fld.name, tuple(_map_arrays(part, f) for part in value))
    return new


def astype(c: Component, dtype: Any) -> Component:
    """A copy of `c` with floating arrays in `dtype` (float64 for gradient checks)."""
    return _map_arrays(c, lambda a: a.astype(dtype) if np.issubdtype(a.dtype, np.floating) else a.copy())


def as_types_of(c: Component, other: Component) -> Component:
    """`c` itself, its parameters and statistics now in the types that those of `other` have."""
    for (leaf, name), (model, _) in zip(held(c, PARAM, STAT), held(other, PARAM, STAT)):
        value = getattr(leaf, name)
        if is_array(value):
            setattr(leaf, name, value.astype(getattr(model, name).dtype))
    return c


def on_device(c: Component) -> Component:
    """A copy of `c` whose arrays lie on the current CUDA device, and its counts, as arrays without axes."""
    new = _map_arrays(c, lambda a: to_device(to_host(a)))
    for leaf, name in held(new, STAT):
        value = getattr(leaf, name)
        if value is not None and not is_array(value):
            setattr(leaf, name, to_device(np.array(value)))
    return new


def on_host(c: Component) -> Component:
    """A copy of `c` whose arrays are numpy's and whose counts are Python's."""
    new = _map_arrays(c, lambda a: to_host(a).copy())
    for leaf, name in held(new, STAT):
        value = getattr(leaf, name)
        if is_array(value) and not value.ndim:
            setattr(leaf, name, value.item())
    return new


def with_own_stats(c: Component) -> Component:
    """A shallow copy of `c`: what is counted there is not counted in `c`."""
    new = shallow_copy(c)
    for name in names(c, STAT):
        setattr(new, name, _copied(getattr(c, name)))
    return new


def scale(c: Component, alpha: float, *roles: str) -> None:
    """Multiply parameters and statistics (or only `roles`) of `c` by alpha, in place. Zero clears NaN too."""
    for leaf, name in held(c, *(roles or (PARAM, STAT))):
        value = getattr(leaf, name)
        if value is None:
            continue
        if not is_array(value):
            setattr(leaf, name, type(value)(0) if alpha == 0 else value * alpha)
        elif alpha == 0:
            value[...] = 0
        else:
            value *= alpha


def stats(c: Component) -> list[Any]:
    """Copies of the statistics of `c` and its parts, for `set_stats`."""
    return [_copied(getattr(leaf, name)) for leaf, name in held(c, STAT)]


def set_stats(c: Component, values: Sequence[Any]) -> None:
    """Give `c` what `stats` returned for it, arrays into those that it has where they fit."""
    for (leaf, name), value in zip(held(c, STAT), values, strict=True):
        put(leaf, name, value)


def put(leaf: Component, name: str, value: Any) -> None:
    """The field `name` of `leaf` becomes `value`: written into the array that is there if it fits."""
    old = getattr(leaf, name)
    if is_array(old) and old.shape == getattr(value, "shape", None):
        old[...] = value
    else:
        setattr(leaf, name, _copied(value))


def _copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "dtype") else value


def held(c: Component, *roles: str) -> Iterator[tuple[Component, str]]:
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
    elif not is_array(mine):
        setattr(c, name, mine + theirs * alpha)
    elif mine.size == 0 and theirs.size:  # statistics that were never stored have no length yet
        setattr(c, name, theirs * mine.dtype.type(alpha))
    elif theirs.size:
        mine += mine.dtype.type(alpha) * theirs if alpha != 1.0 else theirs


def is_array(value: Any) -> bool:
    """Whether a field holds an array, which can be changed in place: on a device also one without axes."""
    return hasattr(value, "dtype") and (value.ndim > 0 or array_module(value) is not np)


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
        for leaf, field_name in held(c, PARAM, STAT):
            value = getattr(leaf, field_name)
            if value is not None and not bool(array_module(value).isfinite(value).all()):
                return name
    return None
