"""What must go before something is made anew: results of an earlier run with other options or inputs."""

from __future__ import annotations

import re
from pathlib import Path

from steps.experiment import ITERATIONS, RECORDS, STAGES, Experiment, has_record, read_json

# Between start and end of an iteration, of the combination, of the priors, of the transform and of model 0.
WORK_FILES = (
    "[0-9]*.[0-9]*.raw",
    ".start.*.raw",
    ".stats.*.json",
    ".combine.*.json",
    ".combined*.raw",
    ".post.*.npy",
    "*.lda_stats",
)
_SCORE = re.compile(r"compute_prob_(?:valid|train)\.([0-9]+|combined|final)\.log")


def discard_from(exp: Experiment, stage: int) -> None:
    """Forget what an earlier run made from `stage` on; models 0 ... `stage` stay if `stage` is an iteration.

    Records go last, so that nothing is taken for made elsewhere, or for complete, if this is interrupted.
    Raises ValueError, before anything is removed, if the model to begin at does not exist.
    """
    if stage > 0 and not exp.model(stage).exists():
        there = [n for n in range((exp.last_model() or 0) + 1) if exp.model(n).exists()]
        raise ValueError(
            f"--restart=true --stage={stage} would begin at {exp.model(stage)}, which does not exist; give "
            f"the number of a model that does ({', '.join(map(str, there)) or 'none'}), or no --stage"
        )
    discard_models(exp, max(stage, -1))
    for record in (exp.dir / STAGES).glob("*.json"):
        if _number(record) >= min(stage, 0):
            record.unlink()


def discard_models(exp: Experiment, last: int) -> None:
    """Remove all models but 0 ... `last`, what is known of the others, and what unfinished jobs left.

    Model `last` is scored anew: it may have been made again.
    """
    for name in ("final", "combined"):
        exp.model(name).unlink(missing_ok=True)
    for number in range(exp.last_model() or 0, last, -1):
        exp.model(number).unlink(missing_ok=True)
    for record in (exp.dir / RECORDS).glob("*.json"):
        if int(record.stem) >= last:
            record.unlink()
    for pattern in WORK_FILES:
        for path in exp.dir.glob(pattern):
            path.unlink()
    for path in (exp.dir / "log").glob("compute_prob_*.log"):
        found = _SCORE.fullmatch(path.name)
        if found is not None and not (found[1].isdigit() and int(found[1]) < last):
            path.unlink()


def refuse_models_made_elsewhere(exp: Experiment) -> None:
    """Raise ValueError if there are models of iterations, or a final one, that no record tells of."""
    final, last = exp.model("final"), exp.last_model() or 0
    if final.exists() and not has_record(exp.dir, final.name):
        found = final
    elif last and not has_record(exp.dir, ITERATIONS):
        found = exp.model(last)
    else:
        return
    raise ValueError(
        f"{found} is there, but {exp.dir / STAGES} has no record of how it was made: choose another --dir "
        f"(--trainer.input-model={found} begins with its network), or add --restart=true to discard it"
    )


def _number(record: Path) -> int:
    """The stage's number; as of the last stage for a damaged record, which is to go in any case."""
    try:
        return int(read_json(record)["stage"])
    except (ValueError, KeyError):
        return 10**6
