"""A decoding graph for monophone models: any sequence of words, each as likely as the others, over transition-ids."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from nnet.formats.transitions import TransitionModel
from steps.lang import Lang


@dataclass(frozen=True)
class GraphOptions:
    """Kaldi's mkgraph.sh scales, and how likely silence is between words. `unknown` is left out of the graph."""

    transition_scale: float = 1.0
    self_loop_scale: float = 0.1
    silence_probability: float = 0.5
    unknown: str = "<UNK>"
    word_penalty: float = 0.0  # cost of every word


class WordLoop:
    """Builds the graph: a loop of words, optional silence between them, HMM states with self-loops after leaving.

    Arcs carry transition-ids in, word numbers out; weights are costs (negative natural logarithms).
    """

    def __init__(self, lang: Lang, model: TransitionModel, options: GraphOptions = GraphOptions()):
        import kaldifst  # noqa: PLC0415 - an extra

        self.kaldifst, self.lang, self.model, self.options = kaldifst, lang, model, options
        self.fst: Any = kaldifst.StdVectorFst()
        ids = np.arange(1, model.num_ids + 1)
        keys = zip(model.phone_of(ids).tolist(), model.hmm_state_of(ids).tolist())
        self.leave: dict[tuple[int, int], int] = {}
        self.stay: dict[tuple[int, int], int] = {}
        for key, i, loops in zip(keys, ids.tolist(), model.is_self_loop(ids).tolist()):
            (self.stay if loops else self.leave)[key] = i

    def build(self) -> Any:
        """The graph as a kaldifst.StdVectorFst."""
        start = self.fst.add_state()
        self.fst.start = start
        loop = self.fst.add_state()
        p, silence = self.options.silence_probability, self.lang.phones[self.lang.silence]
        self._arc(start, loop, 0, 0, -log(1 - p))
        self._phones(start, loop, [silence], 0, -log(p))
        words = [w for w in self.lang.lexicon if w != self.options.unknown]
        for word in words:
            pronunciations = self.lang.lexicon[word]
            cost = log(len(words)) + log(len(pronunciations)) + self.options.word_penalty
            for phones in pronunciations:
                end = self.fst.add_state()
                self._phones(loop, end, [self.lang.phones[x] for x in phones], self.lang.words[word], cost)
                self._arc(end, loop, 0, 0, -log(1 - p))
                self._phones(end, loop, [silence], 0, -log(p))
        self.fst.set_final(loop, 0.0)
        return self.fst

    def _phones(self, source: int, target: int, phones: list[int], word: int, cost: float) -> None:
        """A chain of HMM states from `source` to `target`; word and cost stand on its first arc."""
        states = [(p, s) for p in phones for s in sorted(s for q, s in self.leave if q == p)]
        for i, key in enumerate(states):
            after = self.fst.add_state()
            leave = self.leave[key]
            own = self._cost(leave)
            self._arc(source, after, leave, word if i == 0 else 0, own + (cost if i == 0 else 0.0))
            if key in self.stay:
                loop_cost = -self.options.self_loop_scale * float(self.model.log_probs[self.stay[key]])
                self._arc(after, after, self.stay[key], 0, loop_cost)
            source = after
        self._arc(source, target, 0, 0, 0.0)

    def _cost(self, leave: int) -> float:
        """Cost of leaving a state: of its way out given that it is left, and of leaving at all (the self-loop's scale)."""
        key = (int(self.model.phone_of(leave)), int(self.model.hmm_state_of(leave)))
        if key not in self.stay:
            return -self.options.transition_scale * float(self.model.log_probs[leave])
        leaving = float(np.log1p(-np.exp(self.model.log_probs[self.stay[key]])))
        among_exits = float(self.model.log_probs[leave]) - leaving
        return -self.options.transition_scale * among_exits - self.options.self_loop_scale * leaving

    def _arc(self, source: int, target: int, ilabel: int, olabel: int, cost: float) -> None:
        self.fst.add_arc(source, self.kaldifst.StdArc(ilabel, olabel, cost, target))


def write_graph(
    folder: Path, lang: Lang, model: TransitionModel, options: GraphOptions = GraphOptions()
) -> None:
    """Write HCLG.fst, words.txt and num_pdfs as mkgraph.sh does."""
    folder.mkdir(parents=True, exist_ok=True)
    fst = WordLoop(lang, model, options).build()
    fst.write(str(folder / "HCLG.fst"))
    words = "<eps> 0\n" + "".join(f"{w} {n}\n" for w, n in lang.words.items())
    (folder / "words.txt").write_text(words, encoding="utf-8")
    (folder / "num_pdfs").write_text(f"{model.num_pdfs}\n")
