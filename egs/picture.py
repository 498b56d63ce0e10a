"""One picture of a training, as SVG: log-likelihood and accuracy by iteration, and what came out.

usage: python -m egs.picture EXPERIMENT PICTURE.svg
e.g.:  python -m egs.picture exp/digits/tdnn docs/digits.svg
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from egs import recipe
from egs.arguments import Parser
from nnet.files import atomic_write
from steps.accuracy_report import scores_by_iteration
from steps.diagnostics import read_scores
from steps.svg import HEIGHT, WIDTH, Series, line_chart

MOST = 100_000  # iterations looked for
GAP, HEAD = 20, 64
COLOURS = {"training subset": "#0b66c3", "held out": "#c8500a"}
STYLE = """text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.grid { stroke: #e3e7ea; } .tick { font-size: 11px; fill: #656d76; } .axis { font-size: 12px; fill: #656d76; }
.title { font-size: 15px; font-weight: 600; } .legend { font-size: 12px; }"""
HOVER = re.compile(r'<g class="dots".*?</g>', re.DOTALL)
INNER = re.compile(r"<svg [^>]*>(?P<body>.*?)</svg>", re.DOTALL)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw; returns the exit status."""
    parser = Parser(__doc__ or "")
    parser.add_argument("experiment", type=Path, help="directory of a training, finished or not")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    return recipe.guarded(draw, parser.parse_args(argv))


def draw(options: argparse.Namespace) -> None:
    """Write the picture. Raises ValueError if the experiment has no scores yet."""
    folder: Path = options.experiment
    numbers = [int(p.suffixes[0][1:]) for p in folder.glob("log/compute_prob_valid.[0-9]*.log")]
    scores = scores_by_iteration(folder / "log", min(max(numbers, default=-1), MOST))
    if not scores:
        raise ValueError(f"{folder} has no scores in its log directory; was anything trained there?")
    iterations = [n for n, _, _ in scores]
    panels = []
    for key, label in (
        ("log-likelihood", "log-likelihood per frame"),
        ("accuracy", "fraction of frames right"),
    ):
        train = Series("training subset", iterations, [t.get(key) for _, t, _ in scores])
        valid = Series("held out", iterations, [v.get(key) for _, _, v in scores])
        panels.append(panel(line_chart(label, [train, valid], "iteration", label)))
    with atomic_write(options.picture, text=True) as stream:
        stream.write(page(panels, heading(folder)))


def panel(figure: str) -> str:
    """The drawing in a figure of steps.svg, with colours for the page's variables, and no hover text."""
    found = INNER.search(figure)
    if found is None:
        raise ValueError("there is nothing to draw")
    body = HOVER.sub("", found["body"])
    for number, colour in enumerate(COLOURS.values()):
        body = body.replace(f"var(--c{number})", colour)
    return body


def heading(folder: Path) -> str:
    """What came out, in a line."""
    final = read_scores(folder / "log" / "compute_prob_valid.combined.log")
    parts = [f"held out, final model: {100 * final['accuracy']:.1f} % of frames right"] if final else []
    wer = folder / "decode_test" / "wer"
    if wer.is_file():
        parts.append(f"unseen voices: word error rate {wer.read_text(encoding='utf-8').split()[1]} %")
    return "; ".join(parts) or str(folder)


def page(panels: Sequence[str], title: str) -> str:
    """The panels beside each other below title and legend."""
    width = len(panels) * (WIDTH + GAP) - GAP
    legend = "".join(
        f'<g transform="translate({14 + 150 * n} 46)">'
        f'<path d="M0 0H26" stroke="{colour}" stroke-width="2.5"/>'
        f'<text class="legend" x="32" y="4">{name}</text></g>'
        for n, (name, colour) in enumerate(COLOURS.items())
    )
    charts = "".join(
        f'<svg x="{n * (WIDTH + GAP)}" y="{HEAD}" width="{WIDTH}" height="{HEIGHT}">{body}</svg>'
        for n, body in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEAD + HEIGHT}" width="{width}" '
        f'height="{HEAD + HEIGHT}" role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text class="title" x="14" y="24">{escape(title)}</text>'
        f"{legend}{charts}</svg>\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
