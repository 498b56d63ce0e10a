"""Lang directories: numbering, files, reading back, Kaldi's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnet.formats.topology import read_topology_file
from steps.lang import make_lang, read_lang, read_symbols, write_lang

LEXICON = {"no": [("n", "o")], "on": [("o", "n"), ("o", "n", "o")]}


def test_silence_is_the_first_phone_and_others_follow_in_order() -> None:
    lang = make_lang(LEXICON)
    assert lang.phones == {"SIL": 1, "n": 2, "o": 3}
    assert lang.words == {"<UNK>": 1, "no": 2, "on": 3}


def test_phones_that_occur_in_no_word_are_numbered_too() -> None:
    assert make_lang(LEXICON, more_phones=["m", "SIL"]).phones == {"SIL": 1, "m": 2, "n": 3, "o": 4}


@pytest.mark.parametrize("pronunciations", [[], [()], [("n",), ()]])
def test_a_word_that_cannot_be_said_is_refused(pronunciations: list[tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="'mute' has no pronunciation"):
        make_lang({"mute": pronunciations})


def test_a_written_lang_directory_reads_back_as_it_was(tmp_path: Path) -> None:
    lang = make_lang(LEXICON)
    write_lang(lang, tmp_path / "lang")
    assert read_lang(tmp_path / "lang") == lang


def test_the_files_are_those_that_kaldis_scripts_look_for(tmp_path: Path) -> None:
    write_lang(make_lang(LEXICON), tmp_path)
    assert (tmp_path / "phones.txt").read_text() == "<eps> 0\nSIL 1\nn 2\no 3\n#0 4\n"
    assert (tmp_path / "oov.int").read_text() == "1\n"
    assert (tmp_path / "phones" / "silence.csl").read_text() == "1\n"
    assert (tmp_path / "phones" / "nonsilence.csl").read_text() == "2:3\n"


def test_the_topology_lets_every_phone_stay_in_each_of_three_states(tmp_path: Path) -> None:
    write_lang(make_lang(LEXICON), tmp_path)
    topology = read_topology_file(str(tmp_path / "topo"))
    assert tuple(topology.phones) == (1, 2, 3)
    assert [s.transitions for s in topology.states(2)[:3]] == [
        ((0, 0.75), (1, 0.25)),
        ((1, 0.75), (2, 0.25)),
        ((2, 0.75), (3, 0.25)),
    ]


def test_a_lang_directory_of_kaldis_is_read_from_its_align_lexicon(shared: Path) -> None:
    lang = read_lang(shared / "fsdd" / "lang")
    assert lang.silence == "SIL"
    assert lang.lexicon["zero"] == [("Z", "IH", "R", "OW"), ("Z", "IY", "R", "OW")]
    assert lang.phones["AH"] == 3 and "#0" not in lang.phones and "<eps>" not in lang.phones


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lexicon.txt", "no n x\n", "line 1: expected a word and its phones, found 'no n x'"),
        ("lexicon.txt", "no n o\nmaybe n\n", "line 2"),
        ("lexicon.txt", "no\n", "line 1"),
        ("phones.txt", "n one\n", "line 1: expected a symbol and a number"),
        ("words.txt", "", "is empty"),
        ("phones/optional_silence.txt", "", "expected one phone"),
    ],
)
def test_a_damaged_lang_directory_is_refused_with_the_place(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    write_lang(make_lang(LEXICON), tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_lang(tmp_path)
    assert name in str(caught.value)


def test_symbols_may_be_separated_by_any_space(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("<eps>\t0\nno  1\n")
    assert read_symbols(tmp_path / "words.txt") == {"<eps>": 0, "no": 1}
