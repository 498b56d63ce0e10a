"""Data directories: normalisation as apply-cmvn does it, and what is wrong with files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steps.data_dir import CmvnOptions, DataDir, cmvn_options, normalise, read_map
from tests.steps.corpus import make_corpus


def stats_of(x: np.ndarray) -> np.ndarray:
    stats = np.zeros((2, x.shape[1] + 1))
    stats[0, :-1], stats[1, :-1], stats[0, -1] = x.sum(0), (x * x).sum(0), len(x)
    return stats


def test_normalised_features_have_mean_zero_and_variance_one(rng: np.random.Generator) -> None:
    x = rng.normal(3.0, 2.0, (200, 4)).astype(np.float32)
    y = normalise(x, stats_of(x), CmvnOptions(norm_vars=True))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-4)
    assert y.dtype == np.float32


def test_skipped_dims_stay(rng: np.random.Generator) -> None:
    x = rng.normal(3.0, 2.0, (20, 4)).astype(np.float32)
    y = normalise(x, stats_of(x), CmvnOptions(skip_dims="1:3"))
    np.testing.assert_array_equal(y[:, [1, 3]], x[:, [1, 3]])
    assert not np.allclose(y[:, 0], x[:, 0])


def test_agrees_with_kaldi(tmp_path: Path, kaldi) -> None:  # type: ignore[no-untyped-def]
    from nnet.formats.kinds import MATRIX  # noqa: PLC0415
    from nnet.formats.tables import read_table  # noqa: PLC0415

    d = make_corpus(tmp_path / "t") / "data"
    for text in (
        "--norm-means=true --norm-vars=true",
        "--norm-means=true",
        "--norm-vars=true --skip-dims=0:2",
    ):
        out = f"ark:{tmp_path}/out.ark"
        kaldi(
            "apply-cmvn",
            *text.split(),
            f"--utt2spk=ark:{d}/utt2spk",
            f"scp:{d}/cmvn.scp",
            f"scp:{d}/feats.scp",
            out,
        )
        mine = dict(
            DataDir(d, cmvn_options(text)).features(DataDir(d, CmvnOptions()).feats, tmp_path / "list")
        )
        for utterance, x in read_table(out, MATRIX):
            np.testing.assert_allclose(mine[utterance], x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (None, True),
        ("", True),
        ("--norm-means=false", False),
        ("--norm-means=false --norm-vars=false", False),
    ],
)
def test_options_are_those_of_apply_cmvn(text: str | None, changes: bool) -> None:
    assert cmvn_options(text).changes is changes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--norm-means=false --norm-vars=true", "--norm-vars=true needs --norm-means=true"),
        ("--skip-dims=1::2", "--skip-dims=1::2: expected dimensions"),
        ("--skip-dims=-1", "--skip-dims=-1: expected dimensions"),
    ],
)
def test_options_that_apply_cmvn_refuses_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"feat\.cmvn-opts.*{message}"):
        cmvn_options(text)


def test_without_means_features_stay_as_they_are(rng: np.random.Generator) -> None:
    x = rng.normal(3.0, 2.0, (20, 4)).astype(np.float32)
    assert normalise(x, stats_of(x), CmvnOptions(norm_means=False)) is x


def test_a_dimension_that_features_do_not_have_cannot_be_skipped() -> None:
    stats = np.ones((2, 5))
    with pytest.raises(ValueError, match="--skip-dims=99: features of dim 4 have no dimension 99"):
        normalise(np.zeros((2, 4), np.float32), stats, CmvnOptions(skip_dims="99"))


def test_commands_in_script_files_run_only_if_allowed(tmp_path: Path) -> None:
    d = make_corpus(tmp_path / "t") / "data"
    first, *rest = (d / "feats.scp").read_text().splitlines(keepends=True)
    name, place = first.split()
    path, offset = place.split(":")
    command = f"tail -c +{int(offset) + 1} {path}; true |"
    (d / "feats.scp").write_text("".join([f"{name} {command}\n", *rest]))
    with pytest.raises(ValueError, match="give --allow-pipes-in-scp=true"):
        list(DataDir(d, CmvnOptions()).features([name], tmp_path / "list"))
    ((_, x),) = DataDir(d, CmvnOptions(), allow_pipes=True).features([name], tmp_path / "list")
    assert x.shape[1] == 4


def test_keys_end_at_ascii_space_only(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a\u00a0b\t c d \ne\u2028f\u0085 g\r\n", encoding="utf-8", newline="")
    assert read_map(tmp_path / "list") == {"a\u00a0b": "c d", "e\u2028f\u0085": "g"}


def test_lists_in_another_encoding_are_named(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("a 1\nb\u00e4h 2\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"list, line 2: byte 0xe4 is not UTF-8"):
        read_map(tmp_path / "list")


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"feat\.cmvn-opts.*unknown option --norm-mean"):
        cmvn_options("--norm-mean=false")


def test_statistics_of_another_dim_or_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="for dim 3, features have dim 4"):
        normalise(np.zeros((2, 4), np.float32), np.ones((2, 4)), CmvnOptions())
    with pytest.raises(ValueError, match="count 0"):
        normalise(np.zeros((2, 4), np.float32), np.zeros((2, 5)), CmvnOptions())


def test_a_speaker_without_statistics_is_named(tmp_path: Path) -> None:
    d = make_corpus(tmp_path / "t") / "data"
    (d / "cmvn.scp").write_text((d / "cmvn.scp").read_text().splitlines()[0] + "\n")
    data = DataDir(d, CmvnOptions())
    with pytest.raises(ValueError, match=r"s1-u01 \(speaker s1\)"):
        list(data.features(data.feats, tmp_path / "list"))


def test_perturbed_versions_go_together(tmp_path: Path) -> None:
    (tmp_path / "feats.scp").write_text("".join(f"{u} x.ark:1\n" for u in ("a", "b", "sp1-a", "sp2-a")))
    (tmp_path / "utt2uniq").write_text("a a\nb b\nsp1-a a\nsp2-a a\n")
    assert DataDir(tmp_path, CmvnOptions()).same_source(["sp1-a"]) == ["a", "sp1-a", "sp2-a"]


@pytest.mark.parametrize(
    ("text", "message"), [("a\n", "line 1: expected a key"), ("a 1\na 2\n", "line 2: a is given twice")]
)
def test_damaged_lists_are_told_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_map(tmp_path / "list")
