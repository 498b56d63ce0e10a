"""Frame-level examples of some utterances, from features, labels and i-vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.split import ChunkOptions
from nnet.files import atomic_write
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import random_access
from nnet.programs.program import log, warn
from steps.data_dir import DataDir, cmvn_options
from steps.labels import KINDS, LIST, TOLERATED
from steps.texts import first_word, read_int, read_lines

PROG = "nnet3-get-egs"
KIND = EXAMPLE


def examples(
    directory: Path, spec: dict[str, Any], utterances: list[str], rng: np.random.Generator, name: str
) -> Iterator[tuple[str, NnetExample]]:
    """(key, example) of `utterances`, dimensions noted for info/. Raises ValueError if many are unusable."""
    work = directory / ".work"
    data = DataDir(Path(spec["feat_dir"]), cmvn_options(spec["cmvn_opts"]), spec["allow_pipes"])
    ivectors, period = ivectors_of(spec)
    options = _make_options(spec, period)
    maker = ExampleMaker(options, rng, lambda message: warn(PROG, message))
    features = data.features(utterances, work / f"{name}.scp")
    dims = Dims(work)
    labels = f"scp:{filtered(work, utterances, name)}"
    with random_access(labels, KINDS[spec["labels"]], spec["allow_pipes"]) as targets:
        for key, eg in maker.stream(features, targets, ivectors):
            dims.note(eg.io)
            yield key, eg
    for line in maker.splitter.summary():
        log(PROG, line)
    check_usable(maker.counts.problems, maker.counts.utterances)


def check_usable(problems: int, utterances: int) -> None:
    """Raise ValueError if more than 5 % of the utterances were no use."""
    if problems > TOLERATED * max(1, utterances):
        raise ValueError(f"{problems} of {utterances} utterances could not be used, see above")


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

    def note(self, ios: Iterable[NnetIo]) -> None:
        """Compare an example's inputs with the first one's; ValueError if a dimension differs."""
        dims = {io.name: io.features.shape[1] for io in ios if io.name != "output"}
        if not self.seen:
            self.seen = dims
            for name, of in (("feat_dim", "input"), ("ivector_dim", "ivector")):
                with atomic_write(self.work / name, text=True) as stream:
                    stream.write(f"{dims.get(of, 0)}\n")
        elif dims != self.seen:
            raise ValueError(f"features of different dimensions: {self.seen} and {dims}")


def ivectors_of(spec: dict[str, Any]) -> tuple[Any, int]:
    """The table of i-vectors, if there is one, and the frames from one of its rows to the next."""
    if spec["ivector_dir"] is None:
        return None, 1
    directory = Path(spec["ivector_dir"])
    period = read_int(directory / "ivector_period")
    return random_access(f"scp:{directory / 'ivector_online.scp'}", MATRIX, spec["allow_pipes"]), period


def filtered(work: Path, utterances: list[str], name: str) -> Path:
    """The list of labels, cut down to `utterances`."""
    wanted = set(utterances)
    path = work / f"targets.{name}.scp"
    with atomic_write(path, text=True) as stream:
        stream.writelines(line + "\n" for line in read_lines(work / LIST) if first_word(line)[0] in wanted)
    return path
