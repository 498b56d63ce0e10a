"""An ONNX graph under construction, and signals in it: arrays (N, T, D) that know which frames they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

TO_THE_END = 2**31 - 1


@dataclass(frozen=True)
class Signal:
    """The value `name`, (N, frames, dim): frames first ... T - 1 - short when the input has T frames.

    A `timeless` one has a single frame that stands for all: an i-vector, and what is computed from it.
    """

    name: str
    dim: int
    first: int = 0
    short: int = 0
    timeless: bool = False

    def shifted(self, offset: int) -> Signal:
        """The signal whose frame t is this one's frame t + offset."""
        return self if self.timeless else replace(self, first=self.first - offset, short=self.short + offset)


class OnnxGraph:
    """Collects nodes and constants; every method adds operators and returns the name of their result."""

    def __init__(self) -> None:
        import onnx  # noqa: PLC0415 - an extra

        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.known: dict[tuple[object, ...], str] = {}
        self.scope = ""

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The first output of a new operator; the same one if it has been asked for before."""
        key = (kind, *inputs, repr(sorted(attributes.items())))
        if key not in self.known:
            name = f"{self.scope}.{kind}.{len(self.nodes)}"
            self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
            self.known[key] = name
        return self.known[key]

    def floats(self, values: Any) -> str:
        """A constant of single precision."""
        return self._constant(np.asarray(values, np.float32))

    def ints(self, *values: int) -> str:
        """A constant vector of integers."""
        return self._constant(np.array(values, np.int64))

    def _constant(self, values: np.ndarray) -> str:
        key = (values.tobytes(), values.shape, str(values.dtype))
        if key not in self.known:
            name = f"{self.scope}.constant.{len(self.constants)}"
            self.constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
            self.known[key] = name
        return self.known[key]

    def affine(self, x: str, W: Any, b: Any = None) -> str:
        """W x + b over the last axis."""
        y = self.op("MatMul", x, self.floats(np.asarray(W).T))
        return y if b is None else self.op("Add", y, self.floats(b))

    def reshaped(self, x: str, *shape: int) -> str:
        """Other axes after N and T, which stay as they are."""
        return self.op("Reshape", x, self.ints(0, 0, *shape))

    def sliced(self, x: str, axis: int, start: int, stop: int) -> str:
        """Positions start ... stop - 1 of an axis; a negative stop counts from the end."""
        return self.op("Slice", x, self.ints(start), self.ints(stop), self.ints(axis))

    def thinned(self, x: str, step: int) -> str:
        """Frames 0, step, 2 step, ..."""
        return self.op("Slice", x, self.ints(0), self.ints(TO_THE_END), self.ints(1), self.ints(step))

    # -- signals

    def cut(self, x: Signal, first: int, short: int) -> str:
        """The frames first ... T - 1 - short of a signal that has them, or its only frame."""
        start, end = first - x.first, short - x.short
        if x.timeless or (start == 0 and end == 0):
            return x.name
        return self.sliced(x.name, 1, start, -end if end else TO_THE_END)

    def joined(self, parts: Sequence[Signal], how: str) -> Signal:
        """`how` "Concat": columns side by side; "Add": the sum. Only frames that all parts have are kept."""
        if len(parts) == 1:
            return parts[0]
        timed = [p for p in parts if not p.timeless]
        first = max((p.first for p in timed), default=0)
        short = max((p.short for p in timed), default=0)
        names = [self.cut(p, first, short) for p in parts]
        dim = sum(p.dim for p in parts) if how == "Concat" else parts[0].dim
        if how == "Concat":
            like = next((n for p, n in zip(parts, names) if not p.timeless), None)
            full = [self.repeated(n, like) if p.timeless and like else n for p, n in zip(parts, names)]
            name = self.op("Concat", *full, axis=2)
        else:
            name = names[0]
            for other in names[1:]:
                name = self.op("Add", name, other)
        return Signal(name, dim, first, short, timeless=not timed)

    def repeated(self, x: str, like: str) -> str:
        """x (N, 1, D) or (1, 1, D) at all the frames and sequences of `like`."""
        sizes = self.sliced(self.op("Shape", like), 0, 0, 2)
        return self.op("Expand", x, self.op("Concat", sizes, self.ints(1), axis=0))
