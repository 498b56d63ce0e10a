"""The dropout schedule: piecewise linear proportions over the data consumed, by component-name pattern."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Curve:
    """Dropout proportion of the components that match `pattern`: linear between points (fraction of
    data, proportion).
    """

    pattern: str
    points: tuple[tuple[float, float], ...]

    def at(self, fraction: float) -> float:
        """The proportion when `fraction` of the data (0 to 1) has been consumed; right-continuous at
        jumps.
        """
        left = self.points[0]
        if fraction == 0:
            return left[1]
        for right in self.points[1:]:
            if right[0] > fraction:
                x = (fraction - left[0]) / (right[0] - left[0])
                return left[1] + x * (right[1] - left[1])
            left = right
        return left[1]


def parse(text: str | None) -> tuple[Curve, ...]:
    """Curves of `[PATTERN=]V0,V1@X1,...,VN` items separated by spaces, later ones overriding earlier ones.

    The first value is at 0, the last at 1, one in the middle without @X at 0.5. Raises ValueError naming the
    item.
    """
    return tuple(_parse_curve(item) for item in (text or "").split())


def proportions(curves: tuple[Curve, ...], fraction: float) -> list[tuple[str, float]]:
    """(pattern, proportion) in order of application."""
    return [(curve.pattern, curve.at(fraction)) for curve in curves]


def edits(curves: tuple[Curve, ...], fraction: float) -> str:
    """The same as edit directives of nnet3-copy, separated by semicolons."""
    return ";".join(
        f"set-dropout-proportion name={pattern} proportion={value}"
        for pattern, value in proportions(curves, fraction)
    )


def _parse_curve(item: str) -> Curve:
    pattern, _, values = item.rpartition("=")
    try:
        points = _parse_points(values.split(","))
    except ValueError as error:
        raise ValueError(
            f"--trainer.dropout-schedule: cannot use {item!r}: {error}; write e.g. 0,0@0.20,0.5@0.50,0"
        ) from error
    return Curve(pattern or "*", tuple(points))


def _parse_points(parts: list[str]) -> list[tuple[float, float]]:
    if len(parts) < 2:
        raise ValueError("a start and an end are needed")
    points = [(0.0, float(parts[0]))]
    for part in parts[1:-1]:
        proportion, _, at = part.partition("@")
        points.append((float(at) if at else 0.5, float(proportion)))
    points.append((1.0, float(parts[-1])))
    for (x0, _), (x1, _) in pairwise(points):
        if not 0.0 <= x0 <= x1 <= 1.0:
            raise ValueError(f"the fraction {x1:g} after {x0:g} does not rise within 0 to 1")
    for _, value in points:
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"the proportion {value:g} is not within 0 to 1")
    return points
