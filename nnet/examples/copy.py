"""Changing single examples: frame selection, less context, time shifts, weights, names (nnet3-copy-egs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nnet.examples.rows import scaled, select_rows
from nnet.formats.examples import NnetExample, NnetIo

N, T = 0, 1  # columns of NnetIo.indexes


@dataclass
class FrameSelector:
    """Keeps one labelled frame, less context: `frame` "" (all), "random" or a number; context -1 keeps it.

    `warn` is told once for each side when an example has less context than is asked for.
    """

    frame: str = ""
    left_context: int = -1
    right_context: int = -1
    frame_shift: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    warn: Callable[[str], None] = lambda message: None
    _warned: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        if self.frame not in ("", "random"):
            try:
                int(self.frame)
            except ValueError:
                raise ValueError(f"--frame={self.frame} is neither a frame number nor 'random'") from None

    @property
    def changes(self) -> bool:
        """Whether anything is asked for."""
        return self.frame != "" or (self.left_context, self.right_context, self.frame_shift) != (-1, -1, 0)

    def __call__(self, eg: NnetExample) -> NnetExample | None:
        """The example cut down and shifted, or None if it does not have the frame asked for.

        Frames and contexts are those of "input" and "output"; other ios are kept whole, and "ivector" is not
        shifted. Raises ValueError for merged examples.
        """
        first_in, last_in, first_out, last_out = time_span(eg)
        if self.frame:
            frame = (
                int(self.rng.integers(first_out, last_out + 1)) if self.frame == "random" else int(self.frame)
            )
            if not first_out <= frame <= last_out:
                return None
            first_out = last_out = frame
        if self.left_context != -1:
            self._check("left", self.left_context, first_out - first_in)
            first_in = max(first_in, first_out - self.left_context)
        if self.right_context != -1:
            self._check("right", self.right_context, last_in - last_out)
            last_in = min(last_in, last_out + self.right_context)
        spans = {"input": (first_in, last_in), "output": (first_out, last_out)}
        return shift_times(NnetExample([_cut(io, spans.get(io.name)) for io in eg.io]), self.frame_shift)

    def _check(self, side: str, wanted: int, there: int) -> None:
        if there < wanted and side not in self._warned:
            self._warned.add(side)
            end = "initial" if side == "left" else "final"
            self.warn(
                f"You requested --{side}-context={wanted}, but example only has {side}-context of {there} "
                f"(will warn only once; this may be harmless if using any --*{side}-context-{end} options)"
            )


def time_span(eg: NnetExample) -> tuple[int, int, int, int]:
    """First and last t of "input", then of "output". Raises ValueError if one is absent or some n not 0."""
    spans: dict[str, tuple[int, int]] = {}
    for io in eg.io:
        if io.indexes[:, N].any():
            raise ValueError(
                f"'{io.name}' holds {io.indexes[:, N].max() + 1} sequences: select frames before merging"
            )
        spans[io.name] = int(io.indexes[:, T].min()), int(io.indexes[:, T].max())
    for name in ("input", "output"):
        if name not in spans:
            raise ValueError(
                f"example has no io named '{name}', only {', '.join(spans)}: no frames can be selected"
            )
    return *spans["input"], *spans["output"]


def _cut(io: NnetIo, span: tuple[int, int] | None) -> NnetIo:
    if span is None:
        return io
    keep = (io.indexes[:, T] >= span[0]) & (io.indexes[:, T] <= span[1])
    if not keep.any():
        raise ValueError(f"no row of '{io.name}' has a t from {span[0]} to {span[1]}")
    return NnetIo(io.name, io.indexes[keep], select_rows(io.features, keep))


def shift_times(eg: NnetExample, offset: int, keep: tuple[str, ...] = ("ivector",)) -> NnetExample:
    """`eg` with `offset` added to every t, except in the ios named in `keep`."""
    if offset == 0:
        return eg
    by = np.array([0, offset, 0], np.int32)
    return NnetExample(
        [io if io.name in keep else NnetIo(io.name, io.indexes + by, io.features) for io in eg.io]
    )


def scale_output(eg: NnetExample, weight: float) -> NnetExample:
    """`eg` with the supervision in "output" times `weight`. Raises ValueError if there is none to scale."""
    if weight == 1.0:
        return eg
    _require_output(eg)
    return NnetExample(
        [
            io if io.name != "output" else NnetIo(io.name, io.indexes, scaled(io.features, weight))
            for io in eg.io
        ]
    )


def rename_output(eg: NnetExample, name: str) -> NnetExample:
    """`eg` with "output" called `name` (multilingual training). Raises ValueError if there is no "output"."""
    _require_output(eg)
    return NnetExample([io if io.name != "output" else NnetIo(name, io.indexes, io.features) for io in eg.io])


def _require_output(eg: NnetExample) -> None:
    if not any(io.name == "output" for io in eg.io):
        raise ValueError(f"example has no io named 'output', only {', '.join(io.name for io in eg.io)}")


def draw_count(proportion: float, rng: np.random.Generator) -> int:
    """An integer with expectation `proportion`: its floor or its ceiling. Raises ValueError if negative."""
    if proportion < 0:
        raise ValueError(f"--keep-proportion={proportion:g} is negative")
    whole = int(proportion)
    rest = proportion - whole
    return whole + bool(rest and rng.random() < rest)
