"""What flat-start training begins with: perturbed data, tree, phone language model, training graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.fst import FST, read_fst_file
from nnet.formats.tables import read_table
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from steps.chain.e2e.prepare import main
from steps.chain.e2e.transcripts import SilenceOptions, WordCounts, draw_phones, known_words
from steps.lang import Lang, chain_topology_text, make_lang, write_lang
from tests.steps.toy import LEXICON

LANG = make_lang({**LEXICON, "oh": [("o",), ("o", "o")]})


@pytest.fixture
def top(tmp_path: Path) -> Path:
    write_lang(LANG, tmp_path / "lang", chain_topology_text)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/text").write_text("a no\nb on no\nc\nd no maybe\ne oh\n")
    return tmp_path


def arguments(top: Path, *more: str) -> list[str]:
    return [f"--data={top / 'data'}", f"--lang={top / 'lang'}", f"--dir={top / 'tree'}", *more]


def test_every_transcript_gets_a_graph_without_probabilities(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(top)) == 0
    assert "1 of 6 words are not in the lexicon; 1 utterances have no words" in capsys.readouterr().out
    graphs = dict(read_table(f"scp:{top / 'tree/fst.1.scp'}", FST))
    assert list(graphs) == ["a", "b", "d", "e"]
    model = read_transition_model(str(top / "tree/0.trans_mdl"))
    ids = graphs["a"].ilabels
    assert set(model.phone_of(ids[ids > 0]).tolist()) == {LANG.phones[p] for p in ("SIL", "n", "o")}
    loops = model.is_self_loop(np.maximum(ids, 1)) & (ids > 0)
    assert not graphs["a"].weights[loops].any()
    assert LANG.words["no"] in graphs["a"].olabels
    assert LANG.words["<UNK>"] in graphs["d"].olabels
    assert read_fst_file(str(top / "tree/phone_lm.fst")).num_states > 3
    assert (top / "tree/num_jobs").read_text() == "1\n"


def test_a_topology_of_longer_phones_is_refused(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lang(LANG, top / "lang")
    assert main(arguments(top)) == 1
    assert "lasts at least 3 frames, in a chain topology it is 1" in capsys.readouterr().err
    assert not (top / "tree").exists()


@pytest.mark.parametrize(
    ("more", "pdfs", "width"),
    [
        ([], 6, 1),
        (["--type=biphone"], 24, 2),
        (["--type=biphone", "--ci-silence=true"], 14, 2),
        (["--type=biphone", "--tie=true", "--min-biphone-count=99", "--min-monophone-count=0"], 12, 2),
    ],
)
def test_the_tree_is_the_one_asked_for(more: list[str], pdfs: int, width: int, top: Path) -> None:
    assert main(arguments(top, *more)) == 0
    tree = read_tree(str(top / "tree/tree"))
    assert (tree.num_pdfs, tree.width) == (pdfs, width)
    assert read_transition_model(str(top / "tree/final.mdl")).num_pdfs == pdfs


def test_transcripts_without_words_are_refused_in_one_line(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (top / "data/text").write_text("c\n")
    assert main(arguments(top)) == 1
    assert capsys.readouterr().err.endswith("has no transcript with words\n")
    assert not (top / "tree").exists()


def test_a_lexicon_without_the_unknown_word_names_what_is_missing() -> None:
    lang = Lang(LANG.phones, LANG.words, "SIL", {"no": [("n", "o")]})
    with pytest.raises(ValueError, match="a: the lexicon has neither the word 'maybe' nor '<UNK>'"):
        dict(known_words({"a": ["maybe"]}, lang, "<UNK>", WordCounts()))


@pytest.mark.parametrize(
    ("edge", "between", "expected"),
    [
        (0.0, 0.0, "n o o n"),
        (1.0, 0.0, "SIL n o o n SIL"),
        (0.0, 1.0, "n o SIL o n"),
        (1.0, 1.0, "SIL n o SIL o n SIL"),
    ],
)
def test_silences_stand_where_they_may(edge: float, between: float, expected: str) -> None:
    phones = draw_phones(["no", "on"], LANG, SilenceOptions(edge, between), np.random.default_rng(0))
    name = {n: p for p, n in LANG.phones.items()}
    assert " ".join(name[p] for p in phones) == expected


def test_all_pronunciations_are_drawn(rng: np.random.Generator) -> None:
    drawn = {tuple(draw_phones(["oh"], LANG, SilenceOptions(0.0, 0.0), rng)) for _ in range(20)}
    assert drawn == {(LANG.phones["o"],), (LANG.phones["o"],) * 2}
