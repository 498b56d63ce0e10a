"""Decoding graphs over transition-ids: any sequence of words, or known words with silence between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from nnet.chain.hmm_graph import transducer_to_words
from nnet.files import atomic_write
from nnet.formats.fst import write_fst_file
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree
from nnet.fst.arrays import Arc, Fst
from steps.lang import Lang


@dataclass(frozen=True)
class GraphOptions:
    """Kaldi's mkgraph.sh scales, and how likely silence is between words. `unknown` is left out of loops."""

    transition_scale: float = 1.0
    self_loop_scale: float = 0.1
    silence_probability: float = 0.5
    unknown: str = "<UNK>"
    word_penalty: float = 0.0  # cost of every word


CHAIN = GraphOptions(self_loop_scale=1.0)  # what decoding with chain models wants


@dataclass
class _Beginning:
    """What pronunciations that begin alike go on with: longer beginnings by phone, and words that end with
    one phone more, as (phone, word, cost).
    """

    longer: dict[int, _Beginning] = field(default_factory=dict)
    ends: list[tuple[int, int, float]] = field(default_factory=list)

    def add(self, phones: Sequence[int], word: int, cost: float) -> None:
        """A pronunciation of a word."""
        at = self
        for phone in phones[:-1]:
            at = at.longer.setdefault(phone, _Beginning())
        at.ends += [(phone, word, cost) for phone in phones[-1:]]

    def least(self) -> float:
        """The lowest cost of a word that begins so."""
        return min([cost for _, _, cost in self.ends] + [b.least() for b in self.longer.values()])


class PhoneGraph:
    """A transducer being built from phones to words: words and silence between its states (Kaldi's L o G).

    Weights are costs (negative natural logarithms).
    """

    def __init__(self, lang: Lang, options: GraphOptions = GraphOptions()):
        self.lang, self.options = lang, options
        self.rows: list[list[Arc]] = [[]]

    def state(self) -> int:
        """A new state; the first is 0."""
        self.rows.append([])
        return len(self.rows) - 1

    def optional_silence(self, source: int, target: int) -> None:
        """Silence from `source` to `target`, or nothing."""
        p, silence = self.options.silence_probability, self.lang.phones[self.lang.silence]
        self._arc(source, target, 0, 0, -log(1 - p))
        self._arc(source, target, silence, 0, -log(p))

    def words(self, source: int, target: int, words: Sequence[str]) -> None:
        """All pronunciations of equally likely `words` from `source` to `target`, in a tree: those that begin
        alike share states. Each word stands on its last phone. Raises ValueError if the lexicon lacks one.
        """
        tree = _Beginning()
        for word in words:
            if word not in self.lang.lexicon:
                raise ValueError(f"the lexicon has no word {word!r}")
            pronunciations = self.lang.lexicon[word]
            cost = log(len(words)) + log(len(pronunciations)) + self.options.word_penalty
            for phones in pronunciations:
                tree.add([self.lang.phones[p] for p in phones], self.lang.words[word], cost)
        self._grow(tree, source, target, 0.0)

    def _grow(self, tree: _Beginning, source: int, target: int, paid: float) -> None:
        """Arcs for a tree; costs come as early as the words below have them in common (`paid` so far)."""
        for phone, word, cost in tree.ends:
            self._arc(source, target, phone, word, cost - paid)
        for phone, longer in tree.longer.items():
            at, least = self.state(), longer.least()
            self._arc(source, at, phone, 0, least - paid)
            self._grow(longer, at, target, least)

    def _arc(self, source: int, target: int, phone: int, word: int, cost: float) -> None:
        self.rows[source].append((phone, word, cost, target))

    def fst(self, final: int) -> Fst:
        """The transducer, whose paths end in `final`."""
        finals = np.full(len(self.rows), np.inf, np.float32)
        finals[final] = 0.0
        return Fst.from_lists(self.rows, finals)


def word_loop(lang: Lang, options: GraphOptions = GraphOptions()) -> Fst:
    """Any sequence of words, each as likely as the others, optional silence around them, out of phones."""
    graph = PhoneGraph(lang, options)
    loop, end = graph.state(), graph.state()
    graph.optional_silence(0, loop)
    graph.words(loop, end, [w for w in lang.lexicon if w != options.unknown])
    graph.optional_silence(end, loop)
    return graph.fst(loop)


def word_sequence(lang: Lang, slots: Sequence[Sequence[str]], options: GraphOptions = GraphOptions()) -> Fst:
    """One word out of each slot in turn, equally likely, optional silence around them, out of phones."""
    graph = PhoneGraph(lang, options)
    place = graph.state()
    graph.optional_silence(0, place)
    for words in slots:
        end, after = graph.state(), graph.state()
        graph.words(place, end, words)
        graph.optional_silence(end, after)
        place = after
    return graph.fst(place)


def decoding_graph(
    phones: Fst, tree: ContextTree, model: TransitionModel, options: GraphOptions = GraphOptions()
) -> Fst:
    """Words out of transition-ids, for words out of phones; self-loops come after the way out of their state,
    as in Kaldi's graphs.
    """
    return transducer_to_words(phones, tree, model, options.transition_scale, options.self_loop_scale)


def to_kaldifst(fst: Fst) -> Any:
    """A kaldifst.StdVectorFst with the same states and arcs."""
    import kaldifst  # noqa: PLC0415 - an extra

    graph = kaldifst.StdVectorFst()
    for _ in range(fst.num_states):
        graph.add_state()
    graph.start = fst.start
    for s, (row, final) in enumerate(zip(fst.lists(), fst.finals.tolist())):
        for ilabel, olabel, cost, target in row:
            graph.add_arc(s, kaldifst.StdArc(ilabel, olabel, cost, target))
        if np.isfinite(final):
            graph.set_final(s, final)
    return graph


def write_graph(folder: Path, fst: Fst, lang: Lang, model: TransitionModel) -> None:
    """Write HCLG.fst, words.txt and num_pdfs as mkgraph.sh does. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_fst_file(str(folder / "HCLG.fst"), fst)
    words = "<eps> 0\n" + "".join(f"{w} {n}\n" for w, n in lang.words.items())
    for name, text in (("words.txt", words), ("num_pdfs", f"{model.num_pdfs}\n")):
        with atomic_write(folder / name, text=True) as stream:
            stream.write(text)
