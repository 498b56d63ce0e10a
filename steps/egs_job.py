"""One job of making examples: from utterances to shares of the archives, from shares to an archive, or
the subsets.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np

from nnet.examples.shuffle import subset
from nnet.files import atomic_write
from nnet.formats.basic import KaldiOutput
from nnet.programs.program import log
from steps.egs_dir import SORTS, Sort
from steps.experiment import read_json
from steps.texts import naming, read_lines

PROG = "nnet3-get-egs"
SOURCES = {"egs": "steps.egs_source", "cegs": "steps.chain.egs_source"}  # modules that make examples
SETS = ("valid", "train")  # of diagnostics
BUFFER = 256 << 20  # bytes of examples held before they are written out
TRAIN, SHUFFLE, VALID, SUBSET, DRAW = range(5)  # what a generator is for: part of its seed


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.egs_job EGS_DIR (split | shuffle | subset) N`: make one part of the examples that EGS_DIR
    plans.
    """
    directory, what, number = list(sys.argv[1:] if argv is None else argv)
    work = {"split": split, "shuffle": shuffle_archive, "subset": make_subset}[what]
    try:
        work(Path(directory), int(number))
    except (ValueError, OSError) as error:
        print(f"ERROR ({_program(Path(directory))}) {error}", file=sys.stderr)
        return 1
    return 0


def _program(directory: Path) -> str:
    """The program of Kaldi's that makes such examples: messages bear its name."""
    try:
        return str(_source(_spec(directory)).PROG)
    except (ValueError, OSError):
        return PROG  # the plan itself cannot be read


def split(directory: Path, number: int) -> None:
    """Examples of share `number` of the training utterances, each put into a random archive's share."""
    spec, work = _spec(directory), directory / ".work"
    for old in (*work.glob(f"{number}.*.bytes"), *work.glob(f"{number}.*.sizes")):
        old.unlink()
    utterances = read_lines(work / "train_uttlist")
    jobs = max(1, min(spec["options"]["nj"], len(utterances)))
    rng = np.random.default_rng((spec["srand"], TRAIN, number))
    shares = Shares(work, number, spec["info"]["num_archives"])
    for record in records(directory, spec, utterances[number - 1 :: jobs], rng, f"train.{number}"):
        shares.add(int(rng.integers(spec["info"]["num_archives"])), record)
    shares.flush()
    with atomic_write(work / f"{number}.done", text=True) as stream:
        stream.write("done\n")


class Shares:
    """One job's shares of all archives: buffered, then appended to files, however many archives there are."""

    def __init__(self, work: Path, number: int, count: int):
        self.work, self.number = work, number
        self.records: list[list[bytes]] = [[] for _ in range(count)]
        self.held = 0

    def add(self, archive: int, record: bytes) -> None:
        """Put an encoded example into archive `archive` (from 0)."""
        self.records[archive].append(record)
        self.held += len(record)
        if self.held > BUFFER:
            self.flush()

    def flush(self) -> None:
        """Append what is held to the files: the bytes, and the size of each example."""
        for archive, records in enumerate(self.records, 1):
            sizes = np.array([len(r) for r in records], np.int64).tobytes()
            for kind, parts in (("bytes", records), ("sizes", [sizes])):
                path = self.work / f"{self.number}.{archive}.{kind}"
                with naming(path), path.open("ab") as stream:
                    stream.writelines(parts)
        self.records = [[] for _ in self.records]
        self.held = 0


def shuffle_archive(directory: Path, number: int) -> None:
    """Archive `number`: all jobs' shares of it in random order."""
    spec, work = _spec(directory), directory / ".work"
    pieces: list[memoryview] = []
    jobs = sorted(int(p.name.partition(".")[0]) for p in work.glob(f"*.{number}.bytes"))
    for job in jobs:
        data = memoryview((work / f"{job}.{number}.bytes").read_bytes())
        sizes = np.frombuffer((work / f"{job}.{number}.sizes").read_bytes(), np.int64)
        ends = np.cumsum(sizes)
        pieces += [data[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist())]
    if not pieces:
        raise ValueError(f"archive {number} would be empty: too few examples; lower the number of archives")
    order = np.random.default_rng((spec["srand"], SHUFFLE, number)).permutation(len(pieces))
    with atomic_write(SORTS[spec["sort"]].archive(directory, number)) as stream:
        stream.writelines(pieces[i] for i in order)
    log(_source(spec).PROG, f"Shuffled order of {len(pieces)} neural-network training examples")


def make_subset(directory: Path, number: int) -> None:
    """The examples of set `number` for diagnostics, and those that it lends to the final combination."""
    spec, which = _spec(directory), SETS[number]
    purpose, uttlist = {"valid": (VALID, "valid_uttlist"), "train": (SUBSET, "train_subset_uttlist")}[which]
    rng = np.random.default_rng((spec["srand"], purpose))
    made = list(records(directory, spec, read_lines(directory / uttlist), rng, which))
    draw = np.random.default_rng((spec["srand"], DRAW, purpose))
    combine, diagnostic = (subset(made, count, draw)[0] for count in spec["counts"][which])
    check_any(diagnostic, f"{which}_diagnostic.{spec['sort']}")
    for path, some in zip(set_outputs(directory, number, SORTS[spec["sort"]]), (diagnostic, combine)):
        with atomic_write(path) as stream:
            stream.writelines(some)


def set_outputs(directory: Path, number: int, sort: Sort) -> tuple[Path, Path]:
    """The files that `make_subset` makes: for diagnostics, and for the combination."""
    which = SETS[number]
    return directory / f"{which}_diagnostic.{sort.word}", directory / ".work" / f"combine.{which}"


def join_combine(directory: Path, sort: Sort) -> None:
    """The examples for the final combination, from what the sets lend."""
    parts = [set_outputs(directory, n, sort)[1].read_bytes() for n in range(len(SETS))]
    name = f"combine.{sort.word}"
    check_any(b"".join(parts), name)
    with atomic_write(directory / name) as stream:
        stream.writelines(parts)


def check_any(examples: Sized, name: str) -> None:
    """Raise ValueError if there are no examples."""
    if not len(examples):
        raise ValueError(f"no examples for {name}; is every utterance shorter than a chunk?")


def records(
    directory: Path, spec: dict[str, Any], utterances: list[str], rng: np.random.Generator, name: str
) -> Iterator[bytes]:
    """The examples of `utterances` as they stand in a binary archive, keys included."""
    source = _source(spec)
    for key, eg in source.examples(directory, spec, utterances, rng, name):
        stream = io.BytesIO()
        stream.write(key.encode() + b" \0B")
        source.KIND.write(KaldiOutput(stream, True), eg)
        yield stream.getvalue()


def _source(spec: dict[str, Any]) -> Any:
    return importlib.import_module(spec.get("source", SOURCES[spec["sort"]]))


def _spec(directory: Path) -> dict[str, Any]:
    return read_json(directory / ".work" / "spec.json")


if __name__ == "__main__":
    sys.exit(main())
