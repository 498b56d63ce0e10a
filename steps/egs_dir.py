"""A directory of training examples: its files, and the numbers in info/ that say what the examples are."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnet.files import atomic_write

COPIED = ("cmvn_opts", "splice_opts", "info/final.ie.id", "final.mat", "global_cmvn.stats", "online_cmvn")


SUBSETS = ("combine", "train_diagnostic", "valid_diagnostic")


@dataclass(frozen=True)
class Sort:
    """A sort of examples: the word in the names of its files, and the program that copies such examples."""

    word: str
    copy: str

    def archive(self, directory: Path, number: int) -> Path:
        """The file of archive `number` (from 1)."""
        return directory / f"{self.word}.{number}.ark"

    def archives(self, directory: Path, count: int) -> tuple[Path, ...]:
        """The files of all archives."""
        return tuple(self.archive(directory, n) for n in range(1, count + 1))

    def subsets(self, directory: Path) -> tuple[Path, ...]:
        """The files of the subsets."""
        return tuple(directory / f"{name}.{self.word}" for name in SUBSETS)


FRAMES = Sort("egs", "nnet.programs.nnet3_copy_egs")
CHAIN = Sort("cegs", "nnet.programs.nnet3_chain_copy_egs")
SORTS = {sort.word: sort for sort in (FRAMES, CHAIN)}


@dataclass(frozen=True)
class EgsInfo:
    """What info/ says; contexts are in frames, -1 where utterance ends are not special."""

    num_archives: int
    frames_per_eg: str
    feat_dim: int
    ivector_dim: int
    left_context: int
    right_context: int
    left_context_initial: int = -1
    right_context_final: int = -1
    num_frames: int = 0
    egs_per_archive: int = 0

    def write(self, directory: Path) -> None:
        """Write every number to its file, num_archives last."""
        (directory / "info").mkdir(parents=True, exist_ok=True)
        for name in reversed(list(self.__dataclass_fields__)):
            with atomic_write(directory / "info" / name, text=True) as stream:
                stream.write(f"{getattr(self, name)}\n")


def read_info(directory: Path) -> EgsInfo:
    """The numbers in info/; those that older scripts did not write have defaults. Raises ValueError."""
    values: dict[str, int | str] = {}
    for name in EgsInfo.__dataclass_fields__:
        path = directory / "info" / name
        if path.is_file():
            text = path.read_text(encoding="utf-8").strip()
            try:
                values[name] = text if name == "frames_per_eg" else int(text)
            except ValueError:
                raise ValueError(f"{path} should hold an integer, it holds {text!r}") from None
        elif name in ("num_archives", "frames_per_eg", "feat_dim", "left_context", "right_context"):
            raise ValueError(f"{directory} is no directory of examples: there is no {path}")
        elif name == "ivector_dim":
            values[name] = 0
    return EgsInfo(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Examples:
    """The tables of a directory of examples. Those of multitask training are script files, with the names of
    outputs and the weights of the examples in egs.output.N.ark and egs.weight.N.ark beside them (or cegs.*).
    """

    directory: Path
    multitask: bool = False
    sort: Sort = FRAMES

    def archive(self, number: int, *options: str) -> str:
        """Rspecifier of archive `number` (from 1); multitask ones are copied with `options`."""
        return self._table(self.archive_path(number), f"{self.sort.word}.", f".{number}", options)

    def subset(self, name: str) -> str:
        """Rspecifier of `combine`, `valid_diagnostic` or `train_diagnostic`."""
        return self._table(self.subset_path(name), f"{name}.", "", ())

    def archive_path(self, number: int) -> Path:
        """The file of archive `number`."""
        return self.directory / f"{self.sort.word}.{number}.{'scp' if self.multitask else 'ark'}"

    def subset_path(self, name: str) -> Path:
        """The file of a subset."""
        return self.directory / f"{name}.{'scp' if self.multitask else self.sort.word}"

    def _table(self, path: Path, prefix: str, suffix: str, options: Sequence[str]) -> str:
        if not self.multitask:
            return f"ark:{path}"
        words = [sys.executable, "-m", self.sort.copy, "--print-args=false", *options]
        for option, name in (("outputs", "output"), ("weights", "weight")):
            table = self.directory / f"{prefix}{name}{suffix}.ark"
            if table.is_file():
                words.append(f"--{option}=ark:{table}")
        return f"ark:{shlex.join([*words, f'scp:{path}', 'ark:-'])} |"


def find_examples(directory: Path, sort: Sort = FRAMES) -> Examples:
    """The examples in `directory`. Raises ValueError unless there is just one valid_diagnostic file."""
    plain, script = (directory / f"valid_diagnostic.{suffix}" for suffix in (sort.word, "scp"))
    if plain.exists() and script.exists():
        raise ValueError(f"there are both {plain} and {script}: which kind of examples is meant?")
    if not plain.exists() and not script.exists():
        raise ValueError(f"{directory} is no directory of examples: there is no {plain} or {script.name}")
    return Examples(directory, script.exists(), sort)


def verify(examples: Examples, info: EgsInfo, wanted: EgsInfo) -> None:
    """Raise ValueError unless the examples serve a training that would make `wanted`."""
    directory = examples.directory
    subsets = [examples.subset_path(name) for name in SUBSETS]
    for path in (*(examples.archive_path(n) for n in range(1, info.num_archives + 1)), *subsets):
        if not path.exists():
            raise ValueError(f"--egs.dir: there is no {path}")
    for name in ("feat_dim", "ivector_dim", "left_context_initial", "right_context_final", "frames_per_eg"):
        mine, theirs = getattr(wanted, name), getattr(info, name)
        if mine != theirs and not (name == "feat_dim" and mine == 0):
            raise ValueError(f"the examples in {directory} have {name}={theirs}, this training needs {mine}")
    for name in ("left_context", "right_context"):
        mine, theirs = getattr(wanted, name), getattr(info, name)
        if theirs < mine:
            raise ValueError(
                f"the examples in {directory} have {name}={theirs}, this training needs {mine} at least"
            )


def remove(directory: Path) -> bool:
    """Remove the archives of training examples unless the file .nodelete says no; whether they are gone."""
    if (directory / ".nodelete").exists():
        return False
    for path in (p for sort in SORTS.values() for p in directory.glob(f"{sort.word}.*.ark")):
        target = path.resolve()
        path.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
    return True
