"""The command that builds a tree from alignments and converts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.context_trees.alignments import split_to_phones
from nnet.formats.tree import read_tree
from steps.ali_dir import AliDir
from steps.chain.build_tree import main
from steps.lang import Lang, chain_topology_text, make_lang, write_lang
from steps.monophone import monophone_model, transition_ids
from steps.write_ali import write_ali_dir
from tests.steps.toy import LEXICON, write_toy_data


@pytest.fixture
def top(tmp_path: Path, rng: np.random.Generator) -> Path:
    """ali/, data/ and lang/ with a chain topology; the vowel sounds different after the consonant."""
    lang: Lang = make_lang(LEXICON)
    write_lang(lang, tmp_path / "lang3")
    write_lang(lang, tmp_path / "lang", chain_topology_text)
    tree, model = monophone_model(tmp_path / "lang3", lang)
    n, o, silence = (lang.phones[p] for p in ("n", "o", "SIL"))
    ids, feats = {}, {}
    for k in range(12):
        phones = [silence, n, o, silence, o, n][: 6 - k % 2]
        lengths = [7 + (k + i) % 3 for i in range(len(phones))]
        ids[f"u{k:02}"] = transition_ids(model, phones, lengths)
        own, before = np.repeat(phones, lengths), np.repeat([0, *phones[:-1]], lengths)
        mean = np.stack([3.0 * own, 2.0 * (before == n)], axis=1)
        feats[f"u{k:02}"] = (mean + 0.3 * rng.normal(size=mean.shape)).astype(np.float32)
    write_ali_dir(
        tmp_path / "ali", ids.items(), tree, model, tmp_path / "lang3/phones.txt", "--norm-means=false"
    )
    write_toy_data(tmp_path / "data", feats, dict.fromkeys(feats, "no"))
    return tmp_path


def arguments(top: Path, *more: str) -> list[str]:
    given = {"data": top / "data", "lang": top / "lang", "ali-dir": top / "ali", "dir": top / "tree"}
    return [*(f"--{name}={value}" for name, value in given.items()), "--context-width=2", "--thresh=5", *more]


def test_the_new_directory_has_a_tree_and_alignments_at_the_lower_rate(top: Path) -> None:
    assert main(arguments(top, "--frame-subsampling-factor=3", "--round-num-leaves=false")) == 0
    tree = read_tree(str(top / "tree/tree"))
    assert (tree.width, tree.central) == (2, 1)
    n, o = 2, 3
    assert tree.pdf((n, o), 1) != tree.pdf((1, o), 1)
    assert tree.pdf((n, 1), 1) == tree.pdf((o, 1), 1)  # silence does not depend on its context
    old, new = AliDir(top / "ali"), AliDir(top / "tree")
    new.check()
    assert new.num_pdfs == new.transitions.num_pdfs == tree.num_pdfs
    before = dict(old.alignments())
    for utterance, ids in new.alignments():
        assert len(ids) == -(-len(before[utterance]) // 3)
        phones = [
            [s.phone for s in split_to_phones(d.transitions, x)]
            for d, x in ((old, before[utterance]), (new, ids))
        ]
        assert phones[0] == phones[1]


def test_repeated_alignments_have_the_frames_of_the_old_ones(top: Path) -> None:
    assert main(arguments(top, "--frame-subsampling-factor=3", "--repeat-frames=true")) == 0
    lengths = {u: len(ids) for u, ids in AliDir(top / "ali").alignments()}
    assert {u: len(ids) for u, ids in AliDir(top / "tree").alignments()} == lengths


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("phones.txt", "<eps> 0\nSIL 1\no 2\nn 3\n", "do not belong together"),
        ("phones/roots.int", "shared split 1\nshared 2\n", "roots.int, line 2"),
        ("phones/roots.int", "shared split 1\n", "differ in the phone 2"),
        ("phones/sets.int", "1 a\n", "sets.int: expected numbers of phones"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    name: str, text: str, message: str, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (top / "lang" / name).write_text(text)
    assert main(arguments(top)) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (top / "tree").exists()


def test_utterances_without_alignments_or_of_another_length_are_counted(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ali = AliDir(top / "ali")
    rows = {u: ids[:-1] if u == "u03" else ids for u, ids in ali.alignments() if u != "u02"}
    (top / "ali/ali.1.gz").unlink()
    tree = read_tree(str(top / "ali/tree"))
    write_ali_dir(
        top / "ali", rows.items(), tree, ali.transitions, top / "lang/phones.txt", "--norm-means=false"
    )
    assert main(arguments(top)) == 0
    assert "10 used, 1 without alignment, 1 that could not be used" in capsys.readouterr().out


def test_alignments_of_a_lower_rate_are_drawn_out_to_the_features(top: Path) -> None:
    assert main(arguments(top, "--frame-subsampling-factor=3", "--round-num-leaves=false")) == 0
    assert (top / "tree/frame_subsampling_factor").read_text() == "3\n"
    given = [f"--data={top / 'data'}", f"--lang={top / 'lang3'}", f"--ali-dir={top / 'tree'}"]
    assert main([*given, f"--dir={top / 'back'}", "--context-width=2", "--thresh=5"]) == 0
    before, after = AliDir(top / "ali"), AliDir(top / "back")
    was = dict(before.alignments())
    for utterance, ids in after.alignments():
        assert len(ids) == len(was[utterance])
        same = after.transitions.phone_of(ids) == before.transitions.phone_of(was[utterance])
        assert same.mean() > 0.8
    assert not (top / "back/frame_subsampling_factor").exists()


def test_rates_that_do_not_fit_are_refused(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (top / "ali/frame_subsampling_factor").write_text("2\n")
    assert main(arguments(top, "--frame-subsampling-factor=3")) == 1
    assert "one must divide the other" in capsys.readouterr().err


def test_the_alignments_that_are_read_are_not_overwritten(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (top / "ali/ali.1.gz").read_bytes()
    assert main([*arguments(top), f"--dir={top / 'ali'}"]) == 1
    assert "is where --ali-dir is, which would be overwritten" in capsys.readouterr().err
    assert (top / "ali/ali.1.gz").read_bytes() == before
