"""A Kaldi `lang` directory for a lexicon: phones, words, topology and the files that scripts read from
`phones/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnet.files import atomic_write

Lexicon = Mapping[str, Sequence[Sequence[str]]]  # word -> pronunciations, each a sequence of phones


@dataclass(frozen=True)
class Lang:
    """Symbols of a lang directory: phone and word numbers (from 1; 0 is <eps>), and the silence phone."""

    phones: dict[str, int]
    words: dict[str, int]
    silence: str
    lexicon: Lexicon


def make_lang(
    lexicon: Lexicon, silence: str = "SIL", unknown: str = "<UNK>", more_phones: Iterable[str] = ()
) -> Lang:
    """Number the phones and words of a lexicon: silence first, then phones and words in alphabetical order.

    The unknown word is pronounced as silence; `more_phones` occur in no word. Raises ValueError for a word
    without a pronunciation.
    """
    for word, pronunciations in lexicon.items():
        if not pronunciations or not all(pronunciations):
            raise ValueError(f"word {word!r} has no pronunciation, or an empty one")
    used = sorted(
        {*more_phones, *(p for prons in lexicon.values() for pron in prons for p in pron)} - {silence}
    )
    phones = {name: i for i, name in enumerate([silence, *used], 1)}
    words = {name: i for i, name in enumerate(sorted({unknown, *lexicon}), 1)}
    return Lang(phones, words, silence, {unknown: [(silence,)], **lexicon})


def topology_text(phones: Sequence[int], num_states: int = 3) -> str:
    """A left-to-right topology of `num_states` states for all `phones`, in Kaldi's text form."""
    states = "".join(
        f"<State> {s} <PdfClass> {s} <Transition> {s} 0.75 <Transition> {s + 1} 0.25 </State>\n"
        for s in range(num_states)
    )
    return _entry(phones, f"{states}<State> {num_states} </State>\n")


# Probabilities are never used in chain training; they only must sum to one.
CHAIN_STATES = {
    1: "<State> 0 <ForwardPdfClass> 0 <SelfLoopPdfClass> 1 <Transition> 0 0.5 <Transition> 1 0.5 </State>\n"
    "<State> 1 </State>\n",
    2: "<State> 0 <PdfClass> 0 <Transition> 1 0.5 <Transition> 2 0.5 </State>\n"
    "<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2 0.5 </State>\n"
    "<State> 2 </State>\n",
}


def chain_topology_text(phones: Sequence[int], num_states: int = 1) -> str:
    """The topology of LF-MMI: one frame at least, the first with a pdf of its own (chain/gen_topo.py; with 2
    states chain/gen_topo_orig.py).
    """
    return _entry(phones, CHAIN_STATES[num_states])


def _entry(phones: Sequence[int], states: str) -> str:
    numbers = " ".join(str(p) for p in phones)
    return (
        f"<Topology>\n<TopologyEntry>\n<ForPhones>\n{numbers}\n</ForPhones>\n"
        f"{states}</TopologyEntry>\n</Topology>\n"
    )


def write_lang(
    lang: Lang,
    folder: Path,
    topology: Callable[[Sequence[int]], str] = topology_text,
    unknown: str = "<UNK>",
) -> None:
    """Write the directory: phones.txt, words.txt, topo, lexicon.txt, oov.txt, phones/*. Raises OSError."""
    content = {
        "phones.txt": _symbols({**lang.phones, "#0": len(lang.phones) + 1}),
        "words.txt": _symbols({**lang.words, "#0": len(lang.words) + 1}),
        "topo": topology(list(lang.phones.values())),
        "oov.txt": f"{unknown}\n",
        "oov.int": f"{lang.words[unknown]}\n",
        "lexicon.txt": "".join(f"{w} {' '.join(p)}\n" for w, prons in lang.lexicon.items() for p in prons),
    }
    content |= _lists(lang) | _for_trees(lang)
    (folder / "phones").mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        with atomic_write(folder / name, text=True) as stream:
            stream.write(text)


def _lists(lang: Lang) -> dict[str, str]:
    """Lists of phones, each in three forms: which are silence, which are not."""
    silence = [lang.silence]
    speech = [p for p in lang.phones if p != lang.silence]
    content = {"phones/disambig.int": f"{len(lang.phones) + 1}\n"}
    for name, phones in (
        ("silence", silence),
        ("optional_silence", silence),
        ("context_indep", silence),
        ("nonsilence", speech),
    ):
        numbers = [str(lang.phones[p]) for p in phones]
        content[f"phones/{name}.txt"] = "".join(f"{p}\n" for p in phones)
        content[f"phones/{name}.int"] = "".join(f"{n}\n" for n in numbers)
        content[f"phones/{name}.csl"] = ":".join(numbers) + "\n"
    return content


def _for_trees(lang: Lang) -> dict[str, str]:
    """What the building of trees reads: every phone is a set and has a root; silence is not split."""
    roots = (
        f"{'not-shared not-split' if p == lang.silence else 'shared split'} {n}\n"
        for p, n in lang.phones.items()
    )
    sets = "".join(f"{n}\n" for n in lang.phones.values())
    return {"phones/sets.int": sets, "phones/roots.int": "".join(roots), "phones/extra_questions.int": ""}


def _symbols(numbers: Mapping[str, int]) -> str:
    return "<eps> 0\n" + "".join(f"{name} {number}\n" for name, number in numbers.items())


def read_lang(folder: Path) -> Lang:
    """The lang directory in `folder`, Kaldi's or ours: symbols, the optional silence, pronunciations.

    These are from lexicon.txt (word, phones), else from phones/align_lexicon.txt (word, word, phones). Raises
    ValueError naming file and line where a symbol is unknown.
    """
    phones = {p: n for p, n in read_symbols(folder / "phones.txt").items() if n and not p.startswith("#")}
    words = {w: n for w, n in read_symbols(folder / "words.txt").items() if n and not w.startswith("#")}
    silence = (folder / "phones" / "optional_silence.txt").read_text(encoding="utf-8").split()
    if len(silence) != 1 or silence[0] not in phones:
        raise ValueError(f"{folder / 'phones' / 'optional_silence.txt'}: expected one phone, found {silence}")
    plain = folder / "lexicon.txt"
    if plain.is_file():
        return Lang(phones, words, silence[0], _read_lexicon(plain, 1, phones, words))
    return Lang(
        phones, words, silence[0], _read_lexicon(folder / "phones" / "align_lexicon.txt", 2, phones, words)
    )


def _read_lexicon(
    path: Path, first: int, phones: Mapping[str, int], words: Mapping[str, int]
) -> dict[str, list[tuple[str, ...]]]:
    """Word -> pronunciations; phones begin in column `first`, <eps> is no word."""
    lexicon: dict[str, list[tuple[str, ...]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if not parts or parts[0] == "<eps>":
            continue
        if len(parts) <= first or parts[0] not in words or not phones.keys() >= set(parts[first:]):
            raise ValueError(f"{path}, line {number}: expected a word and its phones, found {line[:60]!r}")
        lexicon.setdefault(parts[0], []).append(tuple(parts[first:]))
    return lexicon


def read_symbols(path: Path) -> dict[str, int]:
    """Symbol -> number of a phones.txt or words.txt. Raises ValueError naming file and line."""
    symbols = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if len(parts) != 2 or not parts[1].isdigit():
            raise ValueError(f"{path}, line {number}: expected a symbol and a number, found {line[:40]!r}")
        symbols[parts[0]] = int(parts[1])
    if not symbols:
        raise ValueError(f"{path} is empty")
    return symbols
