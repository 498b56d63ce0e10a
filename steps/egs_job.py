"""One job of making examples: from utterances to shares of the archives, from shares to an archive, or
the subsets.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.shuffle import subset
from nnet.examples.split import ChunkOptions
from nnet.files import atomic_write
from nnet.formats.basic import KaldiOutput
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import random_access
from nnet.programs.program import log, warn
from steps.data_dir import DataDir, cmvn_options
from steps.experiment import read_json
from steps.labels import KINDS, LIST
from steps.texts import first_word, naming, read_int, read_lines

PROG = "nnet3-get-egs"
BUFFER = 256 << 20  # bytes of examples held before they are written out
TRAIN, SHUFFLE, VALID, SUBSET, DRAW = range(5)  # what a generator is for: part of its seed


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.egs_job EGS_DIR (split | shuffle | subsets) N`: make one part of the examples that EGS_DIR
    plans.
    """
    directory, what, number = list(sys.argv[1:] if argv is None else argv)
    work = {"split": split, "shuffle": shuffle_archive, "subsets": make_subsets}[what]
    try:
        work(Path(directory), int(number))
    except (ValueError, OSError) as error:
        print(f"ERROR ({PROG}) {error}", file=sys.stderr)
        return 1
    return 0


def split(directory: Path, number: int) -> None:
    """Examples of share `number` of the training utterances, each put into a random archive's share."""
    spec, work = _spec(directory), directory / ".work"
    for old in (*work.glob(f"{number}.*.bytes"), *work.glob(f"{number}.*.sizes")):
        old.unlink()
    utterances = read_lines(work / "train_uttlist")
    jobs = max(1, min(spec["options"]["nj"], len(utterances)))
    rng = np.random.default_rng((spec["srand"], TRAIN, number))
    shares = Shares(work, number, spec["info"]["num_archives"])
    for key, eg in examples(directory, spec, utterances[number - 1 :: jobs], rng, f"train.{number}"):
        shares.add(int(rng.integers(spec["info"]["num_archives"])), encode(key, eg))
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
    with atomic_write(directory / f"egs.{number}.ark") as stream:
        stream.writelines(pieces[i] for i in order)
    log(PROG, f"Shuffled order of {len(pieces)} neural-network training examples")


def make_subsets(directory: Path, number: int) -> None:
    """The examples for diagnostics and for the final combination."""
    spec, options = _spec(directory), _spec(directory)["options"]
    chosen: dict[str, list[bytes]] = {"combine": []}
    for which, purpose, uttlist in (
        ("valid", VALID, "valid_uttlist"),
        ("train", SUBSET, "train_subset_uttlist"),
    ):
        rng = np.random.default_rng((spec["srand"], purpose))
        utterances = read_lines(directory / uttlist)
        records = [encode(k, eg) for k, eg in examples(directory, spec, utterances, rng, which)]
        draw = np.random.default_rng((spec["srand"], DRAW, purpose))
        combine, diagnostic = options[f"num_{which}_frames_combine"], options["num_frames_diagnostic"]
        chosen["combine"] += subset(records, combine // spec["principal"], draw)[0]
        chosen[f"{which}_diagnostic"] = subset(records, max(1, diagnostic // spec["principal"]), draw)[0]
    for name, records in chosen.items():
        if not records:
            raise ValueError(f"no examples for {name}.egs; is every utterance shorter than a chunk?")
        with atomic_write(directory / f"{name}.egs") as stream:
            stream.writelines(records)


def examples(
    directory: Path, spec: dict[str, Any], utterances: list[str], rng: np.random.Generator, name: str
) -> Iterator[tuple[str, NnetExample]]:
    """(key, example) of `utterances`, dimensions noted for info/. Raises ValueError if many are unusable."""
    work = directory / ".work"
    data = DataDir(Path(spec["feat_dir"]), cmvn_options(spec["cmvn_opts"]), spec["allow_pipes"])
    ivectors, period = _ivectors(spec)
    options = _make_options(spec, period)
    maker = ExampleMaker(options, rng, lambda message: warn(PROG, message))
    features = data.features(utterances, work / f"{name}.scp")
    dims = Dims(work)
    labels = f"scp:{_filtered(work, utterances, name)}"
    with random_access(labels, KINDS[spec["labels"]], spec["allow_pipes"]) as targets:
        for key, eg in maker.stream(features, targets, ivectors):
            dims.note(eg)
            yield key, eg
    for line in maker.splitter.summary():
        log(PROG, line)
    if maker.counts.problems > 0.05 * max(1, maker.counts.utterances):
        raise ValueError(
            f"{maker.counts.problems} of {maker.counts.utterances} utterances could not be used, see above"
        )


def _make_options(spec: dict[str, Any], ivector_period: int) -> MakeOptions:
    info, options = spec["info"], spec["options"]
    contexts = ("left_context", "right_context", "left_context_initial", "right_context_final")
    chunks = ChunkOptions(
        num_frames=info["frames_per_eg"],
        frame_subsampling_factor=options["frame_subsampling_factor"],
        **{name: info[name] for name in contexts},
    )
    return MakeOptions(
        chunks=chunks,
        dim=spec["dim"],
        compress=options["compress"],
        ivector_period=ivector_period,
        targets_length_tolerance=options["length_tolerance"],
        target_name="labels",
    )


class Dims:
    """Checks that all features have one dimension, and writes it down for info/."""

    def __init__(self, work: Path):
        self.work = work
        self.seen: dict[str, int] = {}

    def note(self, eg: NnetExample) -> None:
        """Compare with the first example; ValueError if a dimension differs."""
        dims = {io.name: io.features.shape[1] for io in eg.io if io.name != "output"}
        if not self.seen:
            self.seen = dims
            for name, of in (("feat_dim", "input"), ("ivector_dim", "ivector")):
                with atomic_write(self.work / name, text=True) as stream:
                    stream.write(f"{dims.get(of, 0)}\n")
        elif dims != self.seen:
            raise ValueError(f"features of different dimensions: {self.seen} and {dims}")


def encode(key: str, eg: NnetExample) -> bytes:
    """An example as it stands in a binary archive, key included."""
    stream = io.BytesIO()
    stream.write(key.encode() + b" \0B")
    EXAMPLE.write(KaldiOutput(stream, True), eg)
    return stream.getvalue()


def _ivectors(spec: dict[str, Any]) -> tuple[Any, int]:
    if spec["ivector_dir"] is None:
        return None, 1
    directory = Path(spec["ivector_dir"])
    period = read_int(directory / "ivector_period")
    return random_access(f"scp:{directory / 'ivector_online.scp'}", MATRIX, spec["allow_pipes"]), period


def _filtered(work: Path, utterances: list[str], name: str) -> Path:
    """The list of labels, cut down to `utterances`."""
    wanted = set(utterances)
    path = work / f"targets.{name}.scp"
    with atomic_write(path, text=True) as stream:
        stream.writelines(line + "\n" for line in read_lines(work / LIST) if first_word(line)[0] in wanted)
    return path


def _spec(directory: Path) -> dict[str, Any]:
    return read_json(directory / ".work" / "spec.json")


if __name__ == "__main__":
    sys.exit(main())
