"""report.html: the curves, tables and options of a run on one page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from steps.diagnostics import OBJECTIVES, objective_key, read_scores
from steps.page_style import STYLE
from steps.progress_line import duration
from steps.regularization import COLUMNS
from steps.svg import Series, line_chart, shown

Scores = Sequence[tuple[int, Mapping[str, float], Mapping[str, float]]]
MOST_LINES = 8  # components in one chart


@dataclass(frozen=True)
class Summary:
    """What the page shows: records of iterations, scores by model (and of output-xent, in chain training),
    rows of the regularization table, options.
    """

    dir: Path
    num_iters: int
    records: Sequence[Mapping[str, Any]]
    scores: Scores
    penalty: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]
    xent: Scores = ()


def page(s: Summary) -> str:
    """The whole page."""
    body = [
        _heading(s),
        _section("Objective and accuracy", _curves(s), "grid2"),
        _section("Learning rate and time", _rates(s), "grid2"),
        _section("Parameters", _parameters(s), "grid2"),
        _section("Regularization", _regularization(s)),
        _section("Options", _options(s)),
        _section("Logs", _logs(s)),
    ]
    title = escape(f"{s.dir.resolve().name} - training")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _heading(s: Summary) -> str:
    done, seconds = len(s.records), sum(r["seconds"] for r in s.records)
    figures = [
        ("iterations", f"{done} of {s.num_iters}"),
        ("training time", duration(seconds) if s.records else "-"),
    ]
    for label, scores in (
        ("final model", _final_scores(s)),
        ("last model", s.scores[-1][2] if s.scores else {}),
    ):
        for key, unit in (*((key, "") for key in OBJECTIVES), ("accuracy", "%")):
            if key in scores and len(figures) < 6:
                value = f"{100 * scores[key]:.1f} %" if unit else f"{scores[key]:.4g}"
                figures.append((f"held-out {key}, {label}", value))
    cards = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in figures
    )
    return f"<h1>{escape(str(s.dir))}</h1><div class='cards'>{cards}</div>"


def _final_scores(s: Summary) -> dict[str, float]:
    logs = (s.dir / "log" / f"compute_prob_valid.{name}.log" for name in ("combined", "final"))
    return next(filter(None, map(read_scores, logs)), {})


def _section(title: str, content: str, kind: str = "") -> str:
    return f"<section><h2>{escape(title)}</h2><div class='{kind}'>{content}</div></section>"


def _curves(s: Summary) -> str:
    key = objective_key(s.scores[0][1]) if s.scores else OBJECTIVES[0]
    jobs = Series(
        "training jobs", [r["iteration"] for r in s.records], [r["objective"] for r in s.records], True
    )
    first = _chart(s, s.scores, key, f"{key} (per frame)", key, [jobs])
    if s.xent:
        return first + _chart(s, s.xent, key, f"{key} of output-xent (per frame)", "cross-entropy branch", [])
    return first + _chart(s, s.scores, "accuracy", "accuracy (fraction right)", "accuracy", [])


def _chart(s: Summary, scores: Scores, what: str, axis: str, name: str, more: list[Series]) -> str:
    """Training and held-out scores over the iterations."""
    start = s.num_iters // 30  # the first steps from a random model would flatten all that follows
    kept = [(n, t, v) for n, t, v in scores if n >= start]
    train = Series("training subset", [n for n, _, _ in kept], [t.get(what) for _, t, _ in kept])
    valid = Series("held out", [n for n, _, _ in kept], [v.get(what) for _, _, v in kept])
    title = f"{name} of the model before each iteration" + (f", from iteration {start}" if start else "")
    return line_chart(title, [train, valid, *more], "iteration", axis)


def _rates(s: Summary) -> str:
    x = [r["iteration"] for r in s.records]
    rate = Series("rate of a job", x, [r["learning_rate"] for r in s.records])
    effective = Series("effective rate (per job)", x, [r["effective_rate"] for r in s.records])
    whole = Series("iteration", x, [r["seconds"] for r in s.records])
    slowest = Series("slowest job", x, [max(j["seconds"] for j in r["jobs"]) for r in s.records], True)
    return line_chart("learning rate", [rate, effective], "iteration", "rate", log=True) + line_chart(
        "time", [whole, slowest], "iteration", "seconds"
    )


def _parameters(s: Summary) -> str:
    names = list(dict.fromkeys(row["component"] for row in s.penalty))
    charts = []
    for start in range(0, len(names), MOST_LINES):
        group, more = (
            names[start : start + MOST_LINES],
            f" ({start + 1} ...)" if len(names) > MOST_LINES else "",
        )
        norm, change = [], []
        for name in group:
            mine = [row for row in s.penalty if row["component"] == name]
            x = [row["iteration"] for row in mine]
            norm.append(Series(name, x, [row["param_norm"] for row in mine]))
            relative = [row["change_norm"] / row["param_norm"] if row["param_norm"] else None for row in mine]
            change.append(Series(name, x, relative))
        charts.append(line_chart(f"norm of parameters{more}", norm, "iteration", "Euclidean norm", log=True))
        charts.append(
            line_chart(f"relative change{more}", change, "iteration", "|change| / |parameters|", log=True)
        )
    return "".join(charts)


def _regularization(s: Summary) -> str:
    if not s.penalty:
        return "<p class='none'>nothing was recorded</p>"
    last = max(row["iteration"] for row in s.penalty)
    head = "".join(
        f'<th title="{escape(meaning)}">{escape(name.replace("_", " "))}</th>'
        for name, meaning in COLUMNS[1:]
    )
    lines = [_penalty_row(row) for row in s.penalty if row["iteration"] == last]
    note = (
        f"Iteration {last}; all iterations are in regularization.tsv. Hover over a heading for its meaning."
    )
    if outputs := s.options.get("chain.l2-regularize"):
        note += (
            f" --chain.l2-regularize={outputs:g} acts on the outputs of the network, not on parameters: it "
            "is no part of this table; logs show it as the second number of A + B = C."
        )
    return f"<p>{escape(note)}</p><div class='wide'><table><tr>{head}</tr>{''.join(lines)}</table></div>"


def _penalty_row(row: Mapping[str, Any]) -> str:
    cells = []
    for name, _ in COLUMNS[1:]:
        value = row[name]
        if name in ("shrink_per_epoch", "l2_share", "max_change_cut"):
            width = min(100.0, 100.0 * value)
            cells.append(f'<td class="bar" style="--w:{width:.1f}%">{100 * value:.3g} %</td>')
        else:
            cells.append(f"<td>{escape(value if isinstance(value, str) else shown(float(value)))}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _options(s: Summary) -> str:
    rows = "".join(
        f"<tr><td>--{escape(name)}</td><td>{escape(_option(value))}</td></tr>"
        for name, value in s.options.items()
    )
    return (
        f"<details><summary>{len(s.options)} options</summary><table class='options'>{rows}</table></details>"
    )


def _option(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _logs(s: Summary) -> str:
    items = []
    for r in s.records:
        number = r["iteration"]
        jobs = " ".join(_job_link(number, j) for j in r["jobs"])
        probs = " ".join(f'<a href="log/compute_prob_{w}.{number}.log">{w}</a>' for w in ("train", "valid"))
        items.append(f"<tr><td>{number}</td><td>{jobs}</td><td>{probs}</td><td>{r['seconds']:.1f}</td></tr>")
    head = "<tr><th>iteration</th><th>jobs</th><th>scores</th><th>seconds</th></tr>"
    return (
        f"<details><summary>{len(items)} iterations</summary><table>{head}{''.join(items)}</table></details>"
    )


def _job_link(iteration: int, job: Mapping[str, Any]) -> str:
    objective = "no objective" if job["objective"] is None else f"objective {job['objective']:.4g}"
    text = f"{job['job']}" if job["accepted"] else f"<s>{job['job']}</s>"
    return f'<a href="log/train.{iteration}.{job["job"]}.log" title="{objective}">{text}</a>'
