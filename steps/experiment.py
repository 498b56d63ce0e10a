"""Names and state of an experiment directory: which stages are done, and with which options."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnet.files import atomic_write

STAGES = ".stages"
RECORDS = "progress"


class Changed(ValueError):  # noqa: N818 - what happened
    """What lies in the directory was made with other options or inputs."""


@dataclass(frozen=True)
class Experiment:
    """The files of one experiment; `suffix` is mdl for acoustic models, raw for bare networks."""

    dir: Path
    suffix: str = "mdl"

    def model(self, name: int | str) -> Path:
        """The model before iteration `name`, or `combined`, `final`."""
        return self.dir / f"{name}.{self.suffix}"

    def start_model(self, iteration: int) -> Path:
        """The network that the jobs of an iteration read: learning rate and dropout set, scaled."""
        return self.dir / f".start.{iteration}.raw"

    def job_model(self, iteration: int, job: int) -> Path:
        """What job `job` of an iteration makes."""
        return self.dir / f"{iteration + 1}.{job}.raw"

    def job_stats(self, iteration: int, job: int) -> Path:
        """The sums behind the regularization table from one job."""
        return self.dir / f".stats.{iteration}.{job}.json"

    def log(self, name: str) -> Path:
        """The log called `name`."""
        return self.dir / "log" / f"{name}.log"

    def train_log(self, iteration: int, job: int) -> Path:
        """The log of a training job."""
        return self.log(f"train.{iteration}.{job}")

    def record(self, iteration: int) -> Path:
        """What is known of a finished iteration."""
        return self.dir / RECORDS / f"{iteration}.json"

    def last_model(self) -> int | None:
        """The highest N for which model N exists, or None."""
        pattern = re.compile(rf"([0-9]+)\.{self.suffix}")
        numbers = [int(m[1]) for p in self.dir.iterdir() if (m := pattern.fullmatch(p.name))]
        return max(numbers, default=None)

    def records(self) -> list[dict[str, Any]]:
        """The records of finished iterations in order."""
        paths = (self.dir / RECORDS).glob("*.json")
        return [read_json(p) for p in sorted(paths, key=lambda p: int(p.stem))]

    def sweep(self) -> None:
        """Remove the temporary files of processes that were killed; only while the lock is held."""
        for folder in (
            self.dir,
            self.dir / RECORDS,
            self.dir / STAGES,
            self.dir / "egs",
            self.dir / "egs/info",
        ):
            for path in folder.glob(".*.tmp"):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stage:
    """A step of a run: done if its outputs exist and were made from the same options and inputs.

    `number` is Kaldi's stage number. `about` holds option values and identities of input files by name;
    `clean`
    removes what an unfinished attempt left besides outputs.
    """

    name: str
    number: int
    outputs: tuple[Path, ...]
    about: Mapping[str, Any]
    clean: Callable[[], None] = lambda: None

    def is_done(self, directory: Path) -> bool:
        """Whether the stage need not run. Raises Changed if it was done with other options."""
        record = directory / STAGES / f"{self.name}.json"
        if not all(p.exists() for p in self.outputs) or not record.exists():
            return False
        self.check(directory)
        return True

    def check(self, directory: Path) -> None:
        """Raise Changed if the stage's record, where there is one, tells of other options."""
        record = directory / STAGES / f"{self.name}.json"
        if not record.exists():
            return
        before, now = read_json(record)["about"], _plain(self.about)
        for key in sorted(set(before) | set(now)):
            if before.get(key) != now.get(key):
                raise Changed(_changed(directory, self, key, before.get(key), now.get(key)))

    def begin(self, directory: Path) -> None:
        """Note with which options the stage's outputs are being made."""
        (directory / STAGES).mkdir(exist_ok=True)
        write_json(directory / STAGES / f"{self.name}.json", {"stage": self.number, "about": self.about})

    def discard(self, directory: Path) -> None:
        """Forget the stage and remove its outputs."""
        for path in (*self.outputs, directory / STAGES / f"{self.name}.json"):
            path.unlink(missing_ok=True)
        self.clean()


def discard_from(exp: Experiment, stage: int) -> None:
    """Forget what an earlier run made from `stage` on; models 0 ... `stage` stay if `stage` is an iteration.

    Raises ValueError, before anything is removed, if the model to begin at does not exist.
    """
    if stage > 0 and not exp.model(stage).exists():
        raise ValueError(
            f"--restart=true --stage={stage} would begin at {exp.model(stage)}, which does not exist"
        )
    for record in (exp.dir / STAGES).glob("*.json"):
        if int(read_json(record)["stage"]) >= min(stage, 0):
            record.unlink()
    for number in range(max(stage, -1) + 1, (exp.last_model() or 0) + 1):
        exp.model(number).unlink(missing_ok=True)
        exp.record(number - 1).unlink(missing_ok=True)
    for name in ("combined", "final"):
        exp.model(name).unlink(missing_ok=True)


def _changed(directory: Path, stage: Stage, key: str, before: Any, now: Any) -> str:
    return (
        f"{directory} already holds {stage.name} made with {key}={_short(before)}, but now "
        f"{key}={_short(now)}: "
        f"give the earlier value to continue that run, choose another --dir, or add --restart=true "
        f"(with --stage={stage.number} to keep what comes before) to discard it"
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def identity(paths: Iterable[Path]) -> dict[str, str]:
    """What tells versions of input files apart: the content of small ones, size and time of change of
    large ones.
    """
    result = {}
    for path in paths:
        stat = path.stat()
        if stat.st_size < 1 << 20:
            result[str(path)] = "sha256 " + hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        else:
            result[str(path)] = f"{stat.st_size} bytes of {stat.st_mtime_ns}"
    return result


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError naming the file."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole."""
    with atomic_write(path, text=True) as stream:
        json.dump(value, stream, indent=1, sort_keys=True)
        stream.write("\n")


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON, so that comparison is exact."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain
