"""Decoding with an HCLG graph and the word error rate: what steps/nnet3/decode.sh and score.sh are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnet.combine import set_test_modes
from nnet.files import atomic_write
from nnet.formats.kinds import MATRIX
from nnet.formats.model import AmNnet, read_am
from nnet.formats.tables import random_access, read_table
from nnet.inference import ChunkOptions, Inference
from steps.lang import read_symbols


@dataclass(frozen=True)
class DecodeOptions:
    """Beam and scale of the search, and how the network computes. `acoustic_scale` 0.1 suits cross-entropy models."""

    acoustic_scale: float = 0.1
    beam: float = 15.0
    max_active: int = 7000
    chunks: ChunkOptions = ChunkOptions()
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
    """Best paths through an HCLG for one acoustic model. Raises ValueError if graph and model do not belong together."""

    def __init__(self, am: AmNnet, graph: Path, options: DecodeOptions = DecodeOptions()):
        import kaldi_decoder  # noqa: PLC0415 - an extra
        import kaldifst  # noqa: PLC0415 - an extra

        if not len(am.priors):
            raise ValueError("the model has no priors; run nnet3-am-adjust-priors first")
        wanted = (
            int((graph / "num_pdfs").read_text())
            if (graph / "num_pdfs").exists()
            else am.transitions.num_pdfs
        )
        if wanted != am.nnet.output_dim("output"):
            raise ValueError(f"{graph} is for {wanted} pdfs, the model has {am.nnet.output_dim('output')}")
        self.options, self._kaldifst, self._decoder = options, kaldifst, kaldi_decoder
        self.fst = read_fst(graph / "HCLG.fst", kaldifst)
        self.words = {number: word for word, number in read_symbols(graph / "words.txt").items()}
        ids = np.arange(1, am.transitions.num_ids + 1)
        self.pdf_of_id = am.transitions.pdf_of(ids)
        self.log_priors = np.log(np.maximum(am.priors, 1e-20))
        self.inference = Inference(set_test_modes(am.nnet), options.chunks)

    def log_likelihoods(self, feats: np.ndarray, ivectors: np.ndarray | None = None) -> np.ndarray:
        """(frames, pdfs): log posteriors minus log priors."""
        y = self.inference.compute(feats, ivectors, self.options.online_ivector_period)
        return np.asarray(y - self.log_priors)

    def decode(self, log_likelihoods: np.ndarray) -> list[str] | None:
        """Words of the best path, or None if no path ends within the beam."""
        scores = log_likelihoods[:, self.pdf_of_id] * np.float32(self.options.acoustic_scale)
        options = self._decoder.FasterDecoderOptions(
            beam=self.options.beam, max_active=self.options.max_active
        )
        search = self._decoder.FasterDecoder(self.fst, options)
        search.decode(self._decoder.DecodableCtc(np.ascontiguousarray(scores, np.float32)))
        found, path = search.get_best_path()
        if not found:
            return None
        _, _, numbers, _ = self._kaldifst.get_linear_symbol_sequence(path)
        return [self.words[n] for n in numbers]


def read_fst(path: Path, kaldifst: Any) -> Any:
    """The graph, of either OpenFst type (vector or const). Raises ValueError naming the file."""
    if not path.exists() or not path.stat().st_size:
        raise ValueError(f"{path} is missing or empty")
    head = path.read_bytes()[:64]
    kind = kaldifst.StdConstFst if b"const" in head else kaldifst.StdVectorFst
    fst = kind.read(str(path))
    if fst is None:
        raise ValueError(f"{path} is not an OpenFst graph")
    return fst


def decode_data(
    model: Path,
    graph: Path,
    data: Path,
    folder: Path,
    options: DecodeOptions = DecodeOptions(),
) -> ErrorRate:
    """Decode the utterances of a data directory; writes folder/hyp.txt, folder/wer and returns the error rate.

    An utterance without a path counts as empty. Raises ValueError for an utterance without a reference.
    """
    decoder = Decoder(read_am(str(model)), graph, options)
    reference = read_text(data / "text")
    hypotheses = dict(hypothesize(decoder, data, options))
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


def hypothesize(decoder: Decoder, data: Path, options: DecodeOptions) -> Iterator[tuple[str, list[str]]]:
    """(utterance, words) for all features of a data directory."""
    ivectors = random_access(options.online_ivectors, MATRIX) if options.online_ivectors else {}
    for utterance, feats in read_table(f"scp:{data}/feats.scp", MATRIX):
        yield utterance, decoder.decode(decoder.log_likelihoods(feats, ivectors.get(utterance))) or []


def read_text(path: Path) -> dict[str, list[str]]:
    """Utterance -> words of a `text` file."""
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {row[0]: row[1:] for row in rows}


def error_rate(reference: Mapping[str, Sequence[str]], hypotheses: Mapping[str, Sequence[str]]) -> ErrorRate:
    """Errors of `hypotheses` against `reference`, both by utterance, by Kaldi's edit distance."""
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
