"""The reports of a run, finished or not: accuracy.report (of output-xent too), regularization.tsv,
report.html.
"""

from __future__ import annotations

from nnet.files import atomic_write
from steps.accuracy_report import XENT, accuracy_report, scores_by_iteration
from steps.html_report import Summary, page
from steps.options import as_dict
from steps.regularization import rows, table
from steps.run import Run
from steps.schedule import Schedule


def accuracy_name(suffix: str) -> str:
    """What Kaldi calls the report of a run with models of this suffix."""
    return "accuracy.report" if suffix == "mdl" else "accuracy.output.report"


def write_reports(run: Run, schedule: Schedule) -> str:
    """Write all reports from what is known now; returns the text of accuracy.report."""
    exp = run.exp
    records = exp.records()
    scores = scores_by_iteration(exp.dir / "log", schedule.num_iters)
    xent = scores_by_iteration(exp.dir / "log", schedule.num_iters, XENT)
    penalty = rows(records, schedule)
    text = accuracy_report(scores, records)
    summary = Summary(exp.dir, schedule.num_iters, records, scores, penalty, as_dict(run.options), xent)
    contents = {
        accuracy_name(exp.suffix): text,
        "regularization.tsv": table(penalty),
        "report.html": page(summary),
    }
    if xent:
        contents[f"accuracy.{XENT}.report"] = accuracy_report(xent, records)
    for name, content in contents.items():
        with atomic_write(exp.dir / name, text=True) as stream:
            stream.write(content)
    return text
