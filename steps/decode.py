"""Decoding with an HCLG graph and the word error rate: what steps/nnet3/decode.sh and score.sh are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nnet.files import atomic_write
from nnet.formats.kinds import MATRIX
from nnet.formats.model import AmNnet, read_am
from nnet.formats.tables import random_access
from nnet.inference import ChunkOptions
from steps.lang import read_symbols
from steps.model_features import chunks_for, features_for
from steps.search import AcousticModel, best_path, read_fst


@dataclass(frozen=True)
class DecodeOptions:
    """Beam and scale of the search, and how the network computes.

    `acoustic_scale` None: 0.1 for models with priors (cross-entropy), 1.0 for those without (LF-MMI).
    """

    acoustic_scale: float | None = None
    beam: float = 15.0
    max_active: int = 7000
    chunks: ChunkOptions = field(default_factory=ChunkOptions)
    online_ivectors: str = ""  # rspecifier
    online_ivector_period: int = 10


@dataclass(frozen=True)
class ErrorRate:
    """Word errors summed over utterances."""

    insertions: int
    deletions: int
    substitutions: int
    words: int
    utterances: int
    wrong_utterances: int

    @property
    def errors(self) -> int:
        """Insertions, deletions and substitutions together."""
        return self.insertions + self.deletions + self.substitutions

    @property
    def wer(self) -> float:
        """Errors for 100 words of the reference."""
        return 100.0 * self.errors / self.words

    def line(self) -> str:
        """The line that Kaldi's scoring scripts print."""
        return (
            f"%WER {self.wer:.2f} [ {self.errors} / {self.words}, {self.insertions} ins, "
            f"{self.deletions} del, {self.substitutions} sub ]"
        )


class Decoder:
    """Words of best paths through a graph. Raises ValueError if graph and model do not belong together."""

    def __init__(self, am: AmNnet, graph: Path, options: DecodeOptions = DecodeOptions()):
        self.options = options
        self.model = AcousticModel(am, options.chunks, options.online_ivector_period)
        self.fst = read_fst(graph / "HCLG.fst")
        self.words = {number: word for word, number in read_symbols(graph / "words.txt").items()}
        if (graph / "num_pdfs").exists():
            wanted = int((graph / "num_pdfs").read_text())
            if wanted != self.model.num_pdfs:
                raise ValueError(f"{graph} is for {wanted} pdfs, the model has {self.model.num_pdfs}")

    def decode(self, log_likelihoods: np.ndarray) -> list[str] | None:
        """Words of the best path for log-likelihoods (frames, pdfs), or None if no path survives the beam."""
        given = self.options.acoustic_scale
        scale = given if given is not None else 0.1 if self.model.has_priors else 1.0
        scores = self.model.by_transition_id(log_likelihoods, scale)
        path = best_path(self.fst, scores, self.options.beam, self.options.max_active)
        return None if path is None else [self._word(n) for n in path.words]

    def _word(self, number: int) -> str:
        if number not in self.words:
            raise ValueError(f"the graph has word number {number}, which its words.txt lacks")
        return self.words[number]


def decode_data(
    model: Path, graph: Path, data: Path, folder: Path, options: DecodeOptions = DecodeOptions()
) -> ErrorRate:
    """Decode the utterances of a data directory; writes folder/hyp.txt, folder/wer and returns the error
    rate.

    An utterance without a path counts as empty. Raises ValueError for an utterance without a reference.
    """
    options = replace(options, chunks=chunks_for(model.parent, options.chunks))
    decoder = Decoder(read_am(str(model)), graph, options)
    reference = read_text(data / "text")
    hypotheses = dict(hypothesize(decoder, model, data, options))
    missing = sorted(set(hypotheses) - set(reference))
    if missing:
        raise ValueError(f"{data / 'text'} has no words for {missing[0]} ({len(missing)} utterances in all)")
    rate = error_rate({u: reference[u] for u in hypotheses}, hypotheses)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{u} {' '.join(words)}".rstrip() + "\n" for u, words in hypotheses.items()]
    for name, content in (("hyp.txt", "".join(lines)), ("wer", rate.line() + "\n")):
        with atomic_write(folder / name, text=True) as stream:
            stream.write(content)
    return rate


def hypothesize(
    decoder: Decoder, model: Path, data: Path, options: DecodeOptions
) -> Iterator[tuple[str, list[str]]]:
    """(utterance, words) for all features of a data directory, normalised as the model's were."""
    with (
        random_access(options.online_ivectors, MATRIX) if options.online_ivectors else nullcontext() as table
    ):
        for utterance, feats in features_for(model.parent, data):
            if table is not None and utterance not in table:
                raise ValueError(f"{options.online_ivectors} has no i-vectors for utterance {utterance}")
            ivectors = None if table is None else table[utterance]
            yield utterance, decoder.decode(decoder.model.log_likelihoods(feats, ivectors)) or []


def read_text(path: Path) -> dict[str, list[str]]:
    """Utterance -> words of a `text` file."""
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {row[0]: row[1:] for row in rows}


def error_rate(reference: Mapping[str, Sequence[str]], hypotheses: Mapping[str, Sequence[str]]) -> ErrorRate:
    """Errors of `hypotheses` against `reference`, both by utterance, by Kaldi's edit distance.

    Raises ValueError if the reference has no words.
    """
    from kaldialign import edit_distance  # noqa: PLC0415 - an extra

    sums = {"ins": 0, "del": 0, "sub": 0}
    wrong = 0
    for utterance, words in reference.items():
        counts = edit_distance(list(words), list(hypotheses[utterance]))
        wrong += counts["total"] > 0
        for kind in sums:
            sums[kind] += counts[kind]
    words_in_all = sum(len(words) for words in reference.values())
    if not words_in_all:
        raise ValueError("the reference has no words")
    return ErrorRate(sums["ins"], sums["del"], sums["sub"], words_in_all, len(reference), wrong)
