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
ITERATIONS = "the models of its iterations"  # the stage that makes them
OWN_FOLDERS = (".", "configs", "log", RECORDS, STAGES, "egs", "egs/info", "egs/log", "egs/.work")
_IDENTITY = re.compile(r"sha256 [0-9a-f]{16}|[0-9]+ bytes of [0-9]+")


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
        for folder in OWN_FOLDERS:
            for path in (self.dir / folder).glob(".*.tmp"):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stage:
    """A step of a run: done if its outputs exist and were made from the same options and inputs.

    `number` is Kaldi's stage number. `about` holds option values and identities of input files by name;
    `clean` removes what an unfinished attempt left besides outputs.
    """

    name: str
    number: int
    outputs: tuple[Path, ...]
    about: Mapping[str, Any]
    clean: Callable[[], None] = lambda: None

    def is_done(self, directory: Path) -> bool:
        """Whether the stage need not run. Raises Changed if it was done with other options."""
        if not all(p.exists() for p in self.outputs) or not has_record(directory, self.name):
            return False
        self.check(directory)
        return True

    def matches(self, directory: Path) -> bool:
        """Whether the stage was begun, and with the options and inputs of now."""
        record = _record(directory, self.name)
        return record.exists() and _difference(read_json(record)["about"], _plain(self.about)) is None

    def check(self, directory: Path) -> None:
        """Raise Changed if the stage's record, where there is one, tells of other options."""
        record = _record(directory, self.name)
        if not record.exists():
            return
        difference = _difference(read_json(record)["about"], _plain(self.about))
        if difference is not None:
            raise Changed(_changed(directory, self, *difference))

    def begin(self, directory: Path) -> None:
        """Note with which options the stage's outputs are being made."""
        (directory / STAGES).mkdir(exist_ok=True)
        write_json(_record(directory, self.name), {"stage": self.number, "about": self.about})

    def discard(self, directory: Path) -> None:
        """Forget the stage and remove its outputs."""
        for path in self.outputs:
            path.unlink(missing_ok=True)
        self.clean()
        _record(directory, self.name).unlink(missing_ok=True)


def has_record(directory: Path, stage: str) -> bool:
    """Whether a stage of this name was begun in the experiment's directory."""
    return _record(directory, stage).exists()


def _record(directory: Path, stage: str) -> Path:
    return directory / STAGES / f"{stage}.json"


def _changed(directory: Path, stage: Stage, key: str, old: Any, new: Any) -> str:
    """What differs, and what can be done."""
    if not _is_identity(old) and not _is_identity(new):
        what, back = f" made with {key}={_short(old)}, but now {key}={_short(new)}", "give the earlier value"
    elif old is None or new is None:
        word = "without" if old is None else "from"
        what, back = f" made {word} {key}, unlike now", "give the earlier inputs"
    else:
        what, back = f" made from another version of {key}", "put the earlier one back"
    keep = f" (with --stage={stage.number} to keep what comes before)" if stage.number <= 0 else ""
    return (
        f"{directory} already holds {stage.name}{what}: {back} to continue that run, choose another --dir, "
        f"or add --restart=true to discard it{keep}"
    )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """(name, value before, value now) of the first value that differs; a value that is missing is None."""
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        both = isinstance(old, dict) and isinstance(new, dict)
        found = _difference(old, new) if both else (key, old, new)  # type: ignore[arg-type]
        if old != new and found is not None:
            return found
    return None


def _is_identity(value: Any) -> bool:
    return isinstance(value, str) and _IDENTITY.fullmatch(value) is not None


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
