"""Decoding graphs for monophone models over transition-ids: any sequence of words, or known words with
silence between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from nnet.files import atomic_write
from nnet.formats.transitions import TransitionModel
from steps.lang import Lang


@dataclass(frozen=True)
class GraphOptions:
    """Kaldi's mkgraph.sh scales, and how likely silence is between words. `unknown` is left out of loops."""

    transition_scale: float = 1.0
    self_loop_scale: float = 0.1
    silence_probability: float = 0.5
    unknown: str = "<UNK>"
    word_penalty: float = 0.0  # cost of every word


class HmmGraph:
    """A graph being built: words and silence between its states, each word a chain of HMM states.

    Arcs carry transition-ids in, word numbers out; weights are costs (negative natural logarithms).
    Self-loops
    come after the way out of their state, as in Kaldi's graphs. Raises ValueError for a model that is not a
    monophone one with a left-to-right topology.
    """

    def __init__(self, lang: Lang, model: TransitionModel, options: GraphOptions = GraphOptions()):
        import kaldifst  # noqa: PLC0415 - an extra

        self.kaldifst, self.lang, self.model, self.options = kaldifst, lang, model, options
        self.fst: Any = kaldifst.StdVectorFst()
        self.leave, self.stay = state_tables(model)
        self.fst.start = self.fst.add_state()

    def optional_silence(self, source: int, target: int) -> None:
        """Silence from `source` to `target`, or nothing."""
        p, silence = self.options.silence_probability, self.lang.phones[self.lang.silence]
        self._arc(source, target, 0, 0, -log(1 - p))
        self._phones(source, target, [silence], 0, -log(p))

    def word(self, source: int, target: int, word: str, cost: float) -> None:
        """All pronunciations of a word from `source` to `target`. Raises ValueError if the lexicon lacks
        it.
        """
        if word not in self.lang.lexicon:
            raise ValueError(f"the lexicon has no word {word!r}")
        pronunciations = self.lang.lexicon[word]
        cost += log(len(pronunciations)) + self.options.word_penalty
        for phones in pronunciations:
            numbers = [self.lang.phones[x] for x in phones]
            self._phones(source, target, numbers, self.lang.words[word], cost)

    def _phones(self, source: int, target: int, phones: Sequence[int], word: int, cost: float) -> None:
        """A chain of HMM states from `source` to `target`; word and cost stand on its first arc."""
        states = [(p, s) for p in phones for s in sorted(s for q, s in self.leave if q == p)]
        for i, key in enumerate(states):
            after = self.fst.add_state()
            own = self._cost(key)
            self._arc(source, after, self.leave[key], word if i == 0 else 0, own + (cost if i == 0 else 0.0))
            if key in self.stay:
                loop_cost = -self.options.self_loop_scale * float(self.model.log_probs[self.stay[key]])
                self._arc(after, after, self.stay[key], 0, loop_cost)
            source = after
        self._arc(source, target, 0, 0, 0.0)

    def _cost(self, key: tuple[int, int]) -> float:
        """Cost of leaving a state: of its way out given that it is left, and of leaving at all (the
        self-loop's scale).
        """
        leave = float(self.model.log_probs[self.leave[key]])
        if key not in self.stay:
            return -self.options.transition_scale * leave
        leaving = float(np.log1p(-np.exp(self.model.log_probs[self.stay[key]])))
        return -self.options.transition_scale * (leave - leaving) - self.options.self_loop_scale * leaving

    def _arc(self, source: int, target: int, ilabel: int, olabel: int, cost: float) -> None:
        self.fst.add_arc(source, self.kaldifst.StdArc(ilabel, olabel, cost, target))


def state_tables(model: TransitionModel) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Transition-ids by (phone, HMM state): of leaving the state, and of its self-loop.

    Raises ValueError if a state has several of either: then phones have contexts, or states may be skipped.
    """
    ids = np.arange(1, model.num_ids + 1)
    keys = zip(model.phone_of(ids).tolist(), model.hmm_state_of(ids).tolist())
    leave: dict[tuple[int, int], int] = {}
    stay: dict[tuple[int, int], int] = {}
    for key, i, loops in zip(keys, ids.tolist(), model.is_self_loop(ids).tolist()):
        table = stay if loops else leave
        if key in table:
            raise ValueError(
                f"phone {key[0]} has several transitions of a kind in HMM state {key[1]}: only left-to-right "
                "monophone models are supported here; for others take the HCLG.fst of Kaldi's mkgraph.sh"
            )
        table[key] = i
    return leave, stay


def word_loop(lang: Lang, model: TransitionModel, options: GraphOptions = GraphOptions()) -> Any:
    """Any sequence of words, each as likely as the others, optional silence around them: a
    kaldifst.StdVectorFst.
    """
    graph = HmmGraph(lang, model, options)
    loop = graph.fst.add_state()
    graph.optional_silence(graph.fst.start, loop)
    words = [w for w in lang.lexicon if w != options.unknown]
    for word in words:
        end = graph.fst.add_state()
        graph.word(loop, end, word, log(len(words)))
        graph.optional_silence(end, loop)
    graph.fst.set_final(loop, 0.0)
    return graph.fst


def word_sequence(
    lang: Lang, model: TransitionModel, slots: Sequence[Sequence[str]], options: GraphOptions = GraphOptions()
) -> Any:
    """One word out of each slot in turn, equally likely, optional silence around them: a
    kaldifst.StdVectorFst.
    """
    graph = HmmGraph(lang, model, options)
    place = graph.fst.add_state()
    graph.optional_silence(graph.fst.start, place)
    for words in slots:
        end, after = graph.fst.add_state(), graph.fst.add_state()
        for word in words:
            graph.word(place, end, word, log(len(words)))
        graph.optional_silence(end, after)
        place = after
    graph.fst.set_final(place, 0.0)
    return graph.fst


def write_graph(folder: Path, fst: Any, lang: Lang, model: TransitionModel) -> None:
    """Write HCLG.fst, words.txt and num_pdfs as mkgraph.sh does. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if not fst.write(str(folder / ".HCLG.fst")):
        raise OSError(f"{folder / 'HCLG.fst'} could not be written")
    (folder / ".HCLG.fst").replace(folder / "HCLG.fst")
    words = "<eps> 0\n" + "".join(f"{w} {n}\n" for w, n in lang.words.items())
    for name, text in (("words.txt", words), ("num_pdfs", f"{model.num_pdfs}\n")):
        with atomic_write(folder / name, text=True) as stream:
            stream.write(text)
