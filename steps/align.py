"""Viterbi alignment: which HMM state every frame belongs to, given a model and the words that were said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnet.formats.model import AmNnet, read_am
from nnet.formats.tree import ContextTree, read_tree
from nnet.inference import ChunkOptions
from steps.decode import read_text
from steps.graph import CHAIN, GraphOptions, decoding_graph, to_kaldifst, word_sequence
from steps.lang import Lang, read_lang
from steps.model_features import chunks_for, features_for, subsampling_factor
from steps.search import AcousticModel, best_path
from steps.write_ali import write_ali_dir


@dataclass(frozen=True)
class AlignOptions:
    """Scales and beams of Kaldi's steps/nnet3/align.sh: what fails with `beam` is tried with `retry_beam`.

    None: what suits the kind of model; chain models have scores of full size, 1.0, others want 0.1.
    """

    acoustic_scale: float | None = None
    beam: float = 10.0
    retry_beam: float = 40.0
    graph: GraphOptions | None = None


@dataclass
class AlignCounts:
    """Utterances aligned, of these with the retry beam, and those left out: no path, no words."""

    done: int = 0
    retried: int = 0
    failed: int = 0
    no_words: int = 0

    def line(self) -> str:
        """One line for people."""
        left_out = f"{self.failed} without a path, {self.no_words} without words"
        return f"aligned {self.done} utterances ({self.retried} with the wider beam), left out {left_out}"


class Aligner:
    """Aligns with one model and its tree. Raises ValueError for a model that needs priors and has none."""

    def __init__(
        self,
        am: AmNnet,
        tree: ContextTree,
        lang: Lang,
        options: AlignOptions = AlignOptions(),
        chunks: ChunkOptions | None = None,
    ):
        self.model, self.tree, self.lang = AcousticModel(am, chunks), tree, lang
        is_chain = not self.model.has_priors
        self.beams = options.beam, options.retry_beam
        self.graph_options = options.graph or (CHAIN if is_chain else GraphOptions())
        scale = options.acoustic_scale
        self.acoustic_scale = scale if scale is not None else 1.0 if is_chain else 0.1
        self._graphs: dict[tuple[str, ...], Any] = {}

    def align(self, log_likelihoods: np.ndarray, words: Sequence[str]) -> tuple[np.ndarray, bool] | None:
        """Transition-ids (frames,) of the best path, and whether it took the wider beam; None without one."""
        scores = self.model.by_transition_id(log_likelihoods, self.acoustic_scale)
        for beam in self.beams:
            path = best_path(self._graph(tuple(words)), scores, beam)
            if path is not None and path.complete:
                return path.ids, beam != self.beams[0]
        return None

    def _graph(self, words: tuple[str, ...]) -> Any:
        if words not in self._graphs:
            slots = [[word] for word in words]
            phones = word_sequence(self.lang, slots, self.graph_options)
            graph = decoding_graph(phones, self.tree, self.model.transitions, self.graph_options)
            self._graphs[words] = to_kaldifst(graph)
        return self._graphs[words]


def align_data(
    model: Path,
    lang_folder: Path,
    data: Path,
    folder: Path,
    options: AlignOptions = AlignOptions(),
    warn: Callable[[str], None] = lambda message: None,
) -> AlignCounts:
    """Align the utterances of a data directory; `folder` becomes a Kaldi alignment directory, with as many
    transition-ids as the model has output frames (their rate is in frame_subsampling_factor).

    `model` is DIR/final.mdl; DIR/tree is its tree. Raises ValueError if no utterance can be aligned, or a
    word is not in the lexicon.
    """
    am, tree, counts = read_am(str(model)), read_tree(str(model.parent / "tree")), AlignCounts()
    aligner = Aligner(am, tree, read_lang(lang_folder), options, chunks_for(model.parent))
    alignments = list(_alignments(aligner, model, data, counts, warn))
    if not alignments:
        raise ValueError(f"no utterance of {data} could be aligned with {model}")
    cmvn_opts = model.parent / "cmvn_opts"
    write_ali_dir(
        folder,
        alignments,
        tree,
        am.transitions,
        lang_folder / "phones.txt",
        cmvn_opts.read_text(encoding="utf-8").strip() if cmvn_opts.is_file() else "",
        subsampling_factor(model.parent),
    )
    return counts


def _alignments(
    aligner: Aligner, model: Path, data: Path, counts: AlignCounts, warn: Callable[[str], None]
) -> Iterator[tuple[str, np.ndarray]]:
    text = read_text(data / "text")
    for utterance, feats in features_for(model.parent, data):
        if not text.get(utterance):
            counts.no_words += 1
            warn(f"{utterance}: no words in {data / 'text'}")
            continue
        found = aligner.align(aligner.model.log_likelihoods(feats), text[utterance])
        if found is None:
            counts.failed += 1
            warn(f"{utterance}: no path for {' '.join(text[utterance])!r} in {len(feats)} frames")
            continue
        counts.done += 1
        counts.retried += found[1]
        yield utterance, found[0]
