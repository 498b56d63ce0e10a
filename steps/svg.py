"""Line charts as SVG text: labelled axes with round ticks, a legend, values on hover; colours come from
the page's CSS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 14, 46
COLOURS = 8  # CSS variables --c0 ... --c7


@dataclass(frozen=True)
class Series:
    """Points of one line; values that are None or not finite leave a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    dashed: bool = False

    def points(self) -> list[tuple[float, float]]:
        """The points that can be drawn."""
        return [(x, y) for x, y in zip(self.x, self.y) if y is not None and math.isfinite(y)]


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from `low` to `high` with tick positions."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def position(self, value: float) -> float:
        """0 at `low`, 1 at `high`."""
        if self.log:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)


def line_chart(title: str, series: Sequence[Series], x_label: str, y_label: str, log: bool = False) -> str:
    """A <figure> with the chart and its legend, or with a sentence if there is nothing to draw."""
    if log:
        series = [_positive(s) for s in series]
    drawn = [s for s in series if s.points()]
    if not drawn:
        caption = f"<figcaption>{escape(title)}</figcaption>"
        return f"<figure>{caption}<p class='none'>nothing was recorded</p></figure>"
    points = [p for s in drawn for p in s.points()]
    x = tight(make_axis(x_label, [p[0] for p in points]), [p[0] for p in points])
    y = (
        make_log_axis(y_label, [p[1] for p in points])
        if log and points
        else make_axis(y_label, [p[1] for p in points])
    )
    body = [_grid(x, y), *(_line(s, n, x, y) for n, s in enumerate(drawn)), _labels(x, y)]
    legend = "".join(_legend_entry(s, n) for n, s in enumerate(drawn))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'
        f'<div class="legend">{legend}</div></figure>'
    )


def _positive(s: Series) -> Series:
    return Series(s.name, s.x, [v if v is not None and v > 0 else None for v in s.y], s.dashed)


def make_axis(label: str, values: Sequence[float]) -> Axis:
    """A linear axis over `values` with four to eight round ticks."""
    low, high = min(values), max(values)
    if high == low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = round_step((high - low) / 5)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    ticks = tuple(n * step for n in range(first, last + 1))
    return Axis(label, ticks[0], ticks[-1], ticks)


def tight(axis: Axis, values: Sequence[float]) -> Axis:
    """The axis cut at the extreme values, ticks beyond left out."""
    low, high = min(values), max(values)
    if low == high:
        return axis
    return Axis(axis.label, low, high, tuple(t for t in axis.ticks if low <= t <= high), axis.log)


def make_log_axis(label: str, values: Sequence[float]) -> Axis:
    """A logarithmic axis over positive `values`; ticks at powers of ten, and at 2 and 5 times them if it
    is short.
    """
    low, high = min(values), max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    multiples = (1, 2, 5) if last - first <= 3 else (1,)
    candidates = [m * 10.0**e for e in range(first - 1, last + 2) for m in multiples]
    start = max(t for t in candidates if t <= low * (1 + 1e-9))
    end = min(t for t in candidates if t >= high * (1 - 1e-9) and t > start)
    ticks = [t for t in candidates if start <= t <= end]
    return Axis(label, start, end, tuple(ticks[:: -(-len(ticks) // 9)]), log=True)


def round_step(width: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is at most `width`, or a little more."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= width * 0.8)


def shown(value: float) -> str:
    """A number as tick or hover text: four significant digits."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")


def _place(x: Axis, y: Axis, point: tuple[float, float]) -> tuple[float, float]:
    across = LEFT + x.position(point[0]) * (WIDTH - LEFT - RIGHT)
    down = HEIGHT - BOTTOM - y.position(point[1]) * (HEIGHT - TOP - BOTTOM)
    return round(across, 1), round(down, 1)


def _grid(x: Axis, y: Axis) -> str:
    parts = []
    for tick in y.ticks:
        _, at = _place(x, y, (x.low, tick))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{at + 4}" text-anchor="end">{shown(tick)}</text>')
    for tick in x.ticks:
        at, _ = _place(x, y, (tick, y.low))
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{at}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{shown(tick)}</text>"
        )
    return "".join(parts)


def _labels(x: Axis, y: Axis) -> str:
    middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
    return (
        f'<text class="axis" x="{LEFT + (WIDTH - LEFT - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x.label)}</text>"
        f'<text class="axis" transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )


def _line(series: Series, number: int, x: Axis, y: Axis) -> str:
    colour = f"var(--c{number % COLOURS})"
    dash = ' stroke-dasharray="5 4"' if series.dashed else ""
    places = [(p, _place(x, y, p)) for p in series.points()]
    path = " ".join(f"{a},{b}" for _, (a, b) in places)
    dots = "".join(
        f'<circle cx="{a}" cy="{b}" r="5"><title>{escape(series.name)}\n'
        f"{escape(x.label)} {shown(p[0])}: {shown(p[1])}</title></circle>"
        for p, (a, b) in places
    )
    return (
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.8"{dash} points="{path}"/>'
        f'<g class="dots" style="color:{colour}">{dots}</g>'
    )


def _legend_entry(series: Series, number: int) -> str:
    style = "dashed" if series.dashed else "solid"
    mark = f'<i style="border-top:2.5px {style} var(--c{number % COLOURS})"></i>'
    return f"<span>{mark}{escape(series.name)}</span>"
