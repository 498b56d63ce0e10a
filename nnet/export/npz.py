"""A network as a numpy archive: every array and setting of every component under its name."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

import numpy as np

from nnet.backend import to_host
from nnet.component import CONFIG, PARAM, STAT, Component
from nnet.files import atomic_write
from nnet.graph.network import Nnet

Arrays = dict[str, np.ndarray]


def npz_arrays(nnet: Nnet) -> Arrays:
    """`NAME.FIELD` for each component (params, statistics, settings), `NAME.type`, and `config`: the nodes.

    Parts of a composite component are `NAME.parts.0`, ... . No value needs pickle to be read.
    """
    arrays: Arrays = {"config": np.array("\n".join(nnet.config_lines()))}
    for name, component in nnet.components.items():
        arrays.update(_arrays_of(name, component))
    return arrays


def _arrays_of(name: str, component: Component) -> Arrays:
    arrays: Arrays = {f"{name}.type": np.array(component.TYPE)}
    for f in fields(component):
        value = getattr(component, f.name)
        if f.metadata.get("role") not in (PARAM, STAT, CONFIG) or value is None:
            continue
        if isinstance(value, tuple) and value and all(isinstance(part, Component) for part in value):
            for i, part in enumerate(value):
                arrays.update(_arrays_of(f"{name}.{f.name}.{i}", part))
        else:
            arrays[f"{name}.{f.name}"] = _array(value)
    return arrays


def _array(value: Any) -> np.ndarray:
    """Arrays from either device; numbers, words and tuples of them as arrays."""
    return to_host(value) if getattr(value, "ndim", 0) else np.asarray(value)


def save_npz(nnet: Nnet, path: str | os.PathLike[str]) -> int:
    """Write the arrays of `npz_arrays` to `path`, which appears whole; returns how many there are."""
    arrays = npz_arrays(nnet)
    with atomic_write(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return len(arrays)
