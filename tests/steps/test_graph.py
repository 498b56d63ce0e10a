"""Graphs: what they accept, what it costs, and which models they refuse."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("kaldifst")

import kaldifst

from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import ContextTree, monophone_tree
from nnet.fst.arrays import Fst
from steps.graph import GraphOptions, decoding_graph, to_kaldifst, word_loop, word_sequence, write_graph
from steps.lang import Lang, make_lang
from steps.search import best_path, read_fst
from tests.steps.toy import toy_ids, toy_lang

Model = tuple[Lang, ContextTree, TransitionModel]


def toy(top: Path) -> Model:
    """The toy language with its tree."""
    lang, model = toy_lang(top)
    return lang, monophone_tree(dict.fromkeys(lang.phones.values(), 3)), model


def graph(phones: Fst, tree: ContextTree, model: TransitionModel) -> kaldifst.StdVectorFst:
    """The decoding graph as the decoder takes it."""
    return to_kaldifst(decoding_graph(phones, tree, model))


def words_of(fst: kaldifst.StdVectorFst, ids: np.ndarray, num_ids: int) -> list[int] | None:
    """Word numbers for which the graph accepts exactly these transition-ids, or None."""
    scores = np.full((len(ids), num_ids), -1e4, np.float32)
    scores[np.arange(len(ids)), ids - 1] = 0.0
    path = best_path(fst, scores, 1e3)
    accepted = path is not None and path.complete and path.ids.tolist() == ids.tolist()
    return path.words if accepted else None


@pytest.mark.parametrize(
    ("phones", "words"),
    [
        (["n", "o"], ["no"]),
        (["SIL", "n", "o"], ["no"]),
        (["n", "o", "SIL"], ["no"]),
        (["n", "o", "o", "n"], ["no", "on"]),
        (["n", "o", "SIL", "n", "o", "n", "o"], ["no", "no", "no"]),
        (["SIL"], []),
    ],
)
def test_a_loop_accepts_sequences_of_words(tmp_path: Path, phones: list[str], words: list[str]) -> None:
    lang, tree, model = toy(tmp_path)
    ids = toy_ids(lang, model, phones, 5 * len(phones))
    assert words_of(graph(word_loop(lang), tree, model), ids, model.num_ids) == [lang.words[w] for w in words]


@pytest.mark.parametrize(
    "phones", [["n"], ["n", "n"], ["n", "SIL", "o"], ["n", "o", "o"], ["SIL", "SIL", "n", "o"]]
)
def test_a_loop_accepts_nothing_else(tmp_path: Path, phones: list[str]) -> None:
    lang, tree, model = toy(tmp_path)
    ids = toy_ids(lang, model, phones, 5 * len(phones))
    assert words_of(graph(word_loop(lang), tree, model), ids, model.num_ids) is None


@pytest.mark.parametrize(
    ("slots", "phones", "accepted"),
    [
        ([["no"]], ["n", "o"], True),
        ([["no"]], ["SIL", "n", "o", "SIL"], True),
        ([["no"]], ["o", "n"], False),
        ([["no"]], ["n", "o", "n", "o"], False),
        ([["no"], ["on"]], ["n", "o", "SIL", "o", "n"], True),
        ([["no"], ["on"]], ["n", "o"], False),
        ([["no", "on"]], ["o", "n"], True),
        ([["no", "on"]], ["o", "n", "o", "n"], False),
    ],
)
def test_a_sequence_accepts_one_word_of_each_slot(
    tmp_path: Path, slots: list[list[str]], phones: list[str], accepted: bool
) -> None:
    lang, tree, model = toy(tmp_path)
    ids = toy_ids(lang, model, phones, 4 * len(phones))
    assert (
        words_of(graph(word_sequence(lang, slots), tree, model), ids, model.num_ids) is not None
    ) == accepted


def test_the_cost_of_a_path_is_that_of_its_transitions_words_and_silences(tmp_path: Path) -> None:
    lang, tree, model = toy(tmp_path)
    options = GraphOptions(transition_scale=1.0, self_loop_scale=0.1, silence_probability=0.2)
    fst = to_kaldifst(decoding_graph(word_loop(lang, options), tree, model, options))
    ids = toy_ids(lang, model, ["n", "o"], 10)  # six states, four self-loops
    chain = kaldifst.make_linear_acceptor(ids.tolist())
    best = kaldifst.shortest_path(kaldifst.compose(chain, fst))
    cost = kaldifst.get_linear_symbol_sequence(best)[3]
    expected = log(2) - 2 * log(0.8) - 0.1 * (4 * log(0.75) + 6 * log(0.25))
    assert float(cost.value) == pytest.approx(expected, rel=1e-5)


def test_words_that_begin_alike_share_states_and_keep_their_costs() -> None:
    lexicon = {
        "see": [("s", "i")],
        "sea": [("s", "i")],
        "seed": [("s", "i", "d")],
        "seek": [("s", "i", "k"), ("s", "e", "k")],
        "do": [("d", "u")],
    }
    lang = make_lang(lexicon)
    fst = word_sequence(lang, [list(lexicon)], GraphOptions(silence_probability=0.5, word_penalty=0.25))
    phone, word = ({n: w for w, n in table.items()} for table in (lang.phones, lang.words))
    rows, found, waiting = fst.lists(), {}, [(fst.start, (), (), 0.0)]
    while waiting:
        s, phones, words, cost = waiting.pop()
        if np.isfinite(fst.finals[s]):
            found[phones, words] = cost
        for i, o, w, t in rows[s]:
            waiting.append(
                (t, phones + ((phone[i],) if i else ()), words + ((word[o],) if o else ()), cost + w)
            )
    silence = (lang.silence,)
    for w, pronunciations in lexicon.items():
        for p in pronunciations:
            for key in ((a + p + b, (w,)) for a in ((), silence) for b in ((), silence)):
                expected = log(5) + log(len(pronunciations)) + 0.25 + 2 * log(2)
                assert found.pop(key) == pytest.approx(expected, rel=1e-5)
    assert not found
    inner = {(s, i) for s, row in enumerate(rows) for i, o, _, _ in row if i and not o}
    assert len(inner) == sum(i > 0 and o == 0 for row in rows for i, o, _, _ in row)
    assert sum(phone.get(i) == "s" for row in rows for i, _, _, _ in row) == 1


def test_a_word_without_pronunciation_is_named(tmp_path: Path) -> None:
    lang, _, _ = toy(tmp_path)
    with pytest.raises(ValueError, match="the lexicon has no word 'maybe'"):
        word_sequence(lang, [["maybe"]])


def test_states_that_may_be_skipped_are(tmp_path: Path) -> None:
    lang, _ = toy_lang(tmp_path)
    states = [
        HmmState(0, 0, ((0, 0.5), (1, 0.25), (2, 0.25))),
        HmmState(1, 1, ((1, 0.75), (2, 0.25))),
        HmmState(-1, -1, ()),
    ]
    tree = monophone_tree(dict.fromkeys((1, 2, 3), 2))
    model = transition_model(tree, topology(states, [1, 2, 3]))
    fst = graph(word_loop(lang), tree, model)
    leave = {
        (int(model.phone_of(i)), bool(model.is_final(i))): i
        for i in range(1, model.num_ids + 1)
        if not model.is_self_loop(i) and model.hmm_state_of(i) == 0
    }
    ids = np.array([leave[lang.phones["o"], True], leave[lang.phones["n"], True]])
    assert words_of(fst, ids, model.num_ids) == [lang.words["on"]]


def test_a_written_graph_reads_back(tmp_path: Path) -> None:
    lang, tree, model = toy(tmp_path)
    fst = decoding_graph(word_loop(lang), tree, model)
    write_graph(tmp_path / "graph", fst, lang, model)
    back = read_fst(tmp_path / "graph" / "HCLG.fst")
    ids = toy_ids(lang, model, ["n", "o"], 10)
    assert words_of(back, ids, model.num_ids) == [lang.words["no"]]
    assert (tmp_path / "graph" / "words.txt").read_text() == "<eps> 0\n<UNK> 1\nno 2\non 3\n"
    assert (tmp_path / "graph" / "num_pdfs").read_text() == "9\n"


@pytest.mark.parametrize(
    ("content", "message"), [(None, "missing or empty"), (b"", "missing or empty"), (b"HCLG", "no.* OpenFst")]
)
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "HCLG.fst"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_fst(path)
