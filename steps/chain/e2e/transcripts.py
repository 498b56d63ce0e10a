"""Transcripts as phones: pronunciations and silences drawn at random, for a phone language model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steps.lang import Lang


@dataclass(frozen=True)
class SilenceOptions:
    """How likely silence is at the edges of an utterance, and between its words (text_to_phones.py)."""

    edge: float = 0.8
    between: float = 0.2


@dataclass
class WordCounts:
    """Words in all, those that the lexicon lacks, and transcripts without words."""

    words: int = 0
    unknown: int = 0
    empty: int = 0

    def line(self) -> str:
        """One line for people."""
        return (
            f"{self.unknown} of {self.words} words are not in the lexicon; "
            f"{self.empty} utterances have no words and are left out"
        )


def known_words(
    text: Mapping[str, Sequence[str]], lang: Lang, unknown: str, counts: WordCounts
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(utterance, words) with `unknown` for words that the lexicon lacks; empty transcripts are left out.

    Raises ValueError for a missing word if the lexicon lacks `unknown` too.
    """
    for utterance, words in text.items():
        counts.words += len(words)
        missing = [w for w in words if w not in lang.lexicon]
        counts.unknown += len(missing)
        if missing and unknown not in lang.lexicon:
            raise ValueError(f"{utterance}: the lexicon has neither the word {missing[0]!r} nor {unknown!r}")
        if words:
            yield utterance, tuple(w if w in lang.lexicon else unknown for w in words)
        else:
            counts.empty += 1


def draw_phones(
    words: Sequence[str], lang: Lang, silence: SilenceOptions, rng: np.random.Generator
) -> list[int]:
    """The numbers of the phones of `words`: one pronunciation of each, silence here and there."""
    phones: list[str] = []
    for i, word in enumerate(["", *words]):
        pronunciations = lang.lexicon[word] if i else [()]
        phones += pronunciations[int(rng.integers(len(pronunciations)))]
        edge = i in (0, len(words))
        if rng.random() < (silence.edge if edge else silence.between):
            phones.append(lang.silence)
    return [lang.phones[p] for p in phones]
