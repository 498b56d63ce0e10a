"""Acoustic scores of an utterance for every transition-id, and the best path that they give in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnet.combination import set_test_modes
from nnet.formats.model import AmNnet
from nnet.inference import ChunkOptions, Inference

FLOOR = 1.0e-20  # of priors


class AcousticModel:
    """Log-likelihoods, up to a constant, from a network with priors. Raises ValueError if it has none.

    Models with a chain topology need no priors: their outputs are scores already.
    """

    def __init__(self, am: AmNnet, chunks: ChunkOptions | None = None, ivector_period: int = 10):
        self.has_priors = bool(len(am.priors))
        if not self.has_priors and am.transitions.topology.is_hmm:
            raise ValueError("the model has no priors; run nnet3-am-adjust-priors first")
        self.transitions, self.ivector_period = am.transitions, ivector_period
        self.num_pdfs = am.nnet.output_dim("output")
        if am.transitions.num_pdfs > self.num_pdfs:
            raise ValueError(
                f"the transition model has {am.transitions.num_pdfs} pdfs, the network's output "
                f"{self.num_pdfs}"
            )
        self._pdf_of_id = am.transitions.pdf_of(np.arange(1, am.transitions.num_ids + 1))
        self._log_priors = np.log(np.maximum(am.priors, FLOOR)) if len(am.priors) else np.float32(0)
        self._inference = Inference(set_test_modes(am.nnet), chunks or ChunkOptions())

    def log_likelihoods(self, feats: np.ndarray, ivectors: np.ndarray | None = None) -> np.ndarray:
        """(output frames, pdfs): log posteriors minus log priors, or what a chain model puts out."""
        y = self._inference.compute(feats, ivectors, self.ivector_period)
        return np.asarray(y - self._log_priors)

    def by_transition_id(self, log_likelihoods: np.ndarray, scale: float) -> np.ndarray:
        """(frames, transition-ids): scaled log-likelihoods; column i belongs to transition-id i + 1."""
        return np.ascontiguousarray(log_likelihoods[:, self._pdf_of_id] * np.float32(scale), np.float32)


@dataclass(frozen=True)
class BestPath:
    """A path: transition-ids (one for every frame), word numbers, and whether it ends in a final state."""

    ids: np.ndarray
    words: list[int]
    complete: bool


def best_path(fst: Any, scores: np.ndarray, beam: float, max_active: int = 2**31 - 1) -> BestPath | None:
    """The cheapest path for `scores` (frames, transition-ids), or None if none survives the beam."""
    import kaldi_decoder  # noqa: PLC0415 - an extra
    import kaldifst  # noqa: PLC0415 - an extra

    options = kaldi_decoder.FasterDecoderOptions(beam=beam, max_active=max_active)
    search = kaldi_decoder.FasterDecoder(fst, options)
    search.decode(kaldi_decoder.DecodableCtc(scores))
    found, path = search.get_best_path()
    if not found:
        return None
    _, ids, words, _ = kaldifst.get_linear_symbol_sequence(path)
    return BestPath(np.array(ids, np.int32), list(words), search.reached_final())


def read_fst(path: Path) -> Any:
    """The graph, of either OpenFst type (vector or const). Raises ValueError naming the file."""
    import kaldifst  # noqa: PLC0415 - an extra

    if not path.is_file() or not path.stat().st_size:
        raise ValueError(f"{path} is missing or empty")
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head.startswith(b"\xd6\xfd\xb2\x7e"):  # OpenFst's magic number
        raise ValueError(f"{path} is not an OpenFst graph")
    fst = (kaldifst.StdConstFst if b"const" in head else kaldifst.StdVectorFst).read(str(path))
    if fst is None:
        raise ValueError(f"{path} is not a graph over the tropical semiring, of type vector or const")
    return fst
