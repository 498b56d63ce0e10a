"""Training examples: which utterances are held out, and what the directory holds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter, read_table
from steps.ali_dir import AliDir
from steps.data_dir import CmvnOptions, DataDir
from steps.egs_dir import read_info, remove
from steps.egs_job import Shares
from steps.egs_options import EgsOptions, egs_options
from steps.executor import LocalExecutor
from steps.labels import Alignments, check_match
from steps.make_egs import Request, choose_utterances, make_egs
from tests.steps.corpus import FRAMES, UTTERANCES, make_corpus


@pytest.fixture
def request_for(tmp_path: Path) -> Request:
    top = make_corpus(tmp_path / "t")
    data, ali = DataDir(top / "data", CmvnOptions(norm_means=False)), Alignments(AliDir(top / "ali"))
    return Request(data, ali, tmp_path / "egs", EgsOptions(nj=3), "4", 80, 0, 1, 1)


def make(request: Request) -> Path:
    executor = LocalExecutor(max_jobs=2, retries=0)
    try:
        make_egs(request, executor, lambda message: None)
    finally:
        executor.close()
    return request.directory


def keys(path: Path) -> list[str]:
    return [key for key, _ in read_table(f"ark:{path}", EXAMPLE)]


def test_the_directory_is_laid_out_as_kaldis(request_for: Request) -> None:
    egs = make(request_for)
    info = read_info(egs)
    assert (info.num_frames, info.num_archives) == (FRAMES * UTTERANCES, FRAMES * UTTERANCES // 80 + 1)
    assert (info.feat_dim, info.ivector_dim, info.left_context, info.frames_per_eg) == (4, 0, 1, "4")
    for name in (
        "combine.egs",
        "train_diagnostic.egs",
        "valid_diagnostic.egs",
        "tree",
        "valid_uttlist",
        "cmvn_opts",
    ):
        assert (egs / name).stat().st_size > 0
    assert not (egs / ".work").exists()


def test_every_training_utterance_is_there_once_and_no_held_out_one(request_for: Request) -> None:
    egs = make(request_for)
    held_out = set((egs / "valid_uttlist").read_text().split())
    found = [k for n in range(1, read_info(egs).num_archives + 1) for k in keys(egs / f"egs.{n}.ark")]
    assert len(found) == len(set(found))
    assert {k.rpartition("-")[0] for k in found} == set(request_for.data.feats) - held_out
    assert {k.rpartition("-")[0] for k in keys(egs / "valid_diagnostic.egs")} == held_out
    assert found != sorted(found)


def test_the_seed_decides_everything(request_for: Request, tmp_path: Path) -> None:
    one = make(request_for)
    two = make(replace(request_for, directory=tmp_path / "two"))
    three = make(replace(request_for, directory=tmp_path / "three", srand=1))
    assert (one / "egs.1.ark").read_bytes() == (two / "egs.1.ark").read_bytes()
    assert (one / "egs.1.ark").read_bytes() != (three / "egs.1.ark").read_bytes()


def test_online_ivectors_become_an_input(request_for: Request, tmp_path: Path) -> None:
    directory = tmp_path / "ivectors"
    directory.mkdir()
    (directory / "ivector_period").write_text("10\n")
    with TableWriter(f"ark,scp:{directory}/a.ark,{directory}/ivector_online.scp", MATRIX) as writer:
        for u in request_for.data.feats:
            writer.write(u, np.ones((FRAMES // 10, 5), np.float32))
    egs = make(replace(request_for, ivector_dir=directory))
    assert read_info(egs).ivector_dim == 5
    _, eg = next(iter(read_table(f"ark:{egs}/egs.1.ark", EXAMPLE)))
    assert [io.name for io in eg.io] == ["input", "ivector", "output"]


def test_shares_are_appended_when_the_buffer_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.egs_job.BUFFER", 10)
    shares = Shares(tmp_path, 1, 2)
    for n in range(8):
        shares.add(n % 2, bytes([n]) * 4)
    shares.flush()
    assert (tmp_path / "1.1.bytes").read_bytes() == b"".join(bytes([n]) * 4 for n in (0, 2, 4, 6))
    assert np.frombuffer((tmp_path / "1.2.sizes").read_bytes(), np.int64).tolist() == [4, 4, 4, 4]


def test_too_few_utterances_are_refused(request_for: Request) -> None:
    with pytest.raises(ValueError, match="1 utterances are too few"):
        choose_utterances(request_for, ["a"])


def test_runs_of_different_seeds_hold_out_the_same_utterances(request_for: Request) -> None:
    utterances = list(request_for.data.feats)
    first, second = (choose_utterances(replace(request_for, srand=n), utterances) for n in (4, 5))
    assert first == second
    assert 0 < len(first[0]) < len(first[1])


@pytest.mark.parametrize(
    ("features", "both", "fails"), [(100, 100, False), (100, 95, False), (100, 94, True)]
)
def test_at_most_five_percent_may_lack_a_counterpart(features: int, both: int, fails: bool) -> None:
    said: list[str] = []
    if not fails:
        check_match(features, both, both, said.append)
        assert len(said) == (features != both)
        return
    with pytest.raises(ValueError, match="6 of 100 utterances with features have no alignment, more than 5%"):
        check_match(features, both, both, said.append)


def test_options_of_get_egs_are_known_and_others_refused() -> None:
    assert egs_options("--num-utts-subset 100 --nj 2").num_utts_subset == 100
    with pytest.raises(ValueError, match=r"egs\.opts=.*did you mean --nj"):
        egs_options("--nh 2")


def test_archives_that_must_stay_stay(request_for: Request) -> None:
    egs = make(request_for)
    (egs / ".nodelete").touch()
    assert remove(egs) is False
    (egs / ".nodelete").unlink()
    shutil.copy(egs / "egs.1.ark", egs / "keep")
    assert remove(egs) is True
    assert not list(egs.glob("egs.*.ark"))
