"""What examples are labelled with: alignments, or targets that a table gives by utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nnet.files import atomic_write
from nnet.formats.kinds import GENERAL_MATRIX, INT_VECTOR, MATRIX, Kind
from nnet.formats.tables import TableWriter, read_table
from steps.ali_dir import AliDir
from steps.data_dir import DataDir, read_map
from steps.executor import Executor

TOLERATED = 0.05  # of the utterances may lack features or labels
KINDS: dict[str, Kind] = {"classes": INT_VECTOR, "dense": MATRIX}  # what a table of labels holds
LIST = "targets.scp"  # in the working directory: where the labels of every utterance are

Say = Callable[[str], None]


class Labels(Protocol):
    """A source of labels. `kind` is a key of KINDS; `dim` the number of classes or columns, None if any."""

    @property
    def kind(self) -> str:
        """What the labels of an utterance are."""

    @property
    def dim(self) -> int | None:
        """The dimension of labels."""

    def input_files(self) -> Sequence[Path]:
        """The files that decide what the labels are."""

    def copied(self) -> Sequence[Path]:
        """Files that are kept beside the examples."""

    def prepare(self, data: DataDir, work: Path, executor: Executor, say: Say) -> list[tuple[str, int]]:
        """Write `work`/targets.scp; (utterance, frames) of what has features and labels, as in feats.scp."""


@dataclass(frozen=True)
class Alignments:
    """Pdfs from an alignment directory."""

    ali: AliDir
    kind: str = "classes"

    @property
    def dim(self) -> int:
        return self.ali.num_pdfs

    def input_files(self) -> list[Path]:
        """Archives, model and tree."""
        return self.ali.input_files()

    def copied(self) -> list[Path]:
        """The tree."""
        return [self.ali.path / "tree"]

    def prepare(self, data: DataDir, work: Path, executor: Executor, say: Say) -> list[tuple[str, int]]:
        """Pdfs by utterance, as one archive with an index."""
        lengths, found = {}, 0
        with TableWriter(f"ark,scp:{work / 'ali.ark'},{work / LIST}", INT_VECTOR) as writer:
            for utterance, ids in self.ali.alignments():
                found += 1
                if utterance in data.feats:
                    writer.write(utterance, self.ali.transitions.pdf_of(ids))
                    lengths[utterance] = len(ids)
        check_match(len(data.feats), found, len(lengths), say)
        return [(u, lengths[u]) for u in data.feats if u in lengths]


@dataclass(frozen=True)
class Targets:
    """Matrices (frames, dim), or vectors of class numbers, that a script file names."""

    scp: Path
    kind: str
    dim: int | None

    def input_files(self) -> list[Path]:
        """The script file."""
        return [self.scp]

    def copied(self) -> list[Path]:
        """Nothing: what decodes needs no targets."""
        return []

    def prepare(self, data: DataDir, work: Path, executor: Executor, say: Say) -> list[tuple[str, int]]:
        """The lines for utterances with features; frames are those of the features."""
        places = read_map(self.scp)
        both = [u for u in data.feats if u in places]
        check_match(len(data.feats), len(places), len(both), say, "targets", "--targets-scp")
        with atomic_write(work / LIST, text=True) as stream:
            stream.writelines(f"{u} {places[u]}\n" for u in both)
        frames = num_frames(data, both)
        return [(u, frames[u]) for u in both]


def num_frames(data: DataDir, utterances: Iterable[str]) -> dict[str, int]:
    """Frames by utterance from utt2num_frames if that is there and complete, else from the features."""
    listed = data.path / "utt2num_frames"
    known = {u: int(n) for u, n in read_map(listed).items()} if listed.is_file() else {}
    if all(u in known for u in utterances):
        return known
    table = read_table(f"scp:{data.path / 'feats.scp'}", GENERAL_MATRIX, data.allow_pipes)
    return {u: int(x.shape[0]) for u, x in table}


def check_match(
    features: int, labels: int, both: int, say: Say, what: str = "alignment", option: str = "--ali-dir"
) -> None:
    """Count utterances with only one of the two; ValueError if more than 5 % of either cannot be used."""
    labelled = f"an {what}" if what == "alignment" else what
    for have, lack, total in (("features", what, features), (labelled, "features", labels)):
        missing = total - both
        if missing:
            say(f"warning: {missing} of {total} utterances with {have} have no {lack}; they are left out")
        if missing > TOLERATED * total:
            raise ValueError(
                f"{missing} of {total} utterances with {have} have no {lack}, more than {TOLERATED:.0%}; "
                f"do --feat-dir and {option} belong together?"
            )
