"""Whole trainings on a tiny corpus: what they leave, what they skip, what they refuse."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from nnet.formats.kinds import INT_VECTOR
from nnet.formats.model import read_am
from nnet.formats.tables import TableWriter, read_table
from steps.lock import locked
from steps.train_dnn import main
from tests.steps.conftest import Trained
from tests.steps.corpus import arguments, make_corpus

pytestmark = pytest.mark.slow
MODELS = ["0.mdl", "8.mdl", "combined.mdl", "final.mdl"]


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    assert main(argv) == 1
    return capsys.readouterr().err.splitlines()[-1]


def test_a_training_leaves_what_kaldi_leaves(trained: Trained) -> None:
    assert sorted(p.name for p in trained.dir.glob("*.mdl")) == MODELS
    for name in (
        "tree",
        "phones.txt",
        "cmvn_opts",
        "accuracy.report",
        "presoftmax_prior_scale.vec",
        "report.html",
    ):
        assert (trained.dir / name).is_file()
    assert [(trained.dir / name).read_text() for name in ("srand", "num_jobs")] == ["0\n", "1\n"]
    assert not list(trained.dir.glob("egs/egs.*.ark"))
    left = [p.name for p in trained.dir.glob(".*")]
    assert left == [".stages"]
    assert not list(trained.dir.glob("*.raw"))


def test_the_final_model_has_priors_and_has_learned(trained: Trained) -> None:
    am = read_am(str(trained.dir / "final.mdl"))
    assert am.priors.sum() == pytest.approx(1.0)
    assert (am.left_context, am.right_context) == (1, 1)
    rows = [line.split("\t") for line in (trained.dir / "accuracy.report").read_text().splitlines()[1:-1]]
    assert [int(r[0]) for r in rows] == list(range(8))
    assert float(rows[-1][2]) > float(rows[0][2])


def test_logs_have_the_lines_that_kaldis_report_looks_for(trained: Trained) -> None:
    log = (trained.dir / "log/train.4.2.log").read_text()
    assert "--l2-regularize-factor=0.5" in log
    assert "Overall average objective function for 'output' is " in log
    assert "# Accounting: time=" in log
    prob = (trained.dir / "log/compute_prob_valid.3.log").read_text()
    assert ":PrintTotalStats():nnet-diagnostics.cc:" in prob
    assert "Overall accuracy for 'output' is " in prob


def test_progress_is_recorded_for_every_iteration(trained: Trained) -> None:
    records = [json.loads((trained.dir / f"progress/{n}.json").read_text()) for n in range(8)]
    assert [r["num_jobs"] for r in records] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert records[5]["components"]["affine"]["factor"] == 0.5
    assert records[5]["components"]["affine"]["change_norm"] > 0


def test_the_same_command_finds_nothing_to_do(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    before = trained.final
    assert main(arguments(trained.top)) == 0
    assert "nothing to train" in capsys.readouterr().err
    assert trained.final == before


@pytest.mark.parametrize(
    "option", ["--trainer.srand=1", "--trainer.num-epochs=2", "--egs.opts=--compress=false"]
)
def test_changed_options_are_told(trained: Trained, capsys: pytest.CaptureFixture[str], option: str) -> None:
    name, _, _ = option.partition("=")
    message = error_of(capsys, arguments(trained.top, option))
    assert "already holds final.mdl made with " + name[2:] in message
    assert "--restart=true" in message


def test_options_without_effect_on_the_model_may_change(trained: Trained) -> None:
    assert main(arguments(trained.top, "--local.max-jobs=1", "--cleanup=false")) == 0


def test_another_seed_gives_another_model_and_the_number_of_cores_does_not(
    trained: Trained, tmp_path: Path
) -> None:
    assert main([*trained.copy(tmp_path / "a"), "--local.max-jobs=1"]) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final
    assert (
        main(
            [
                *trained.copy(tmp_path / "b"),
                "--trainer.srand=5",
                "--trainer.optimization.do-final-combination=false",
            ]
        )
        == 0
    )
    assert (tmp_path / "b/final.mdl").read_bytes() != trained.final
    assert not (tmp_path / "b/combined.mdl").exists()


def test_exit_stage_stops_and_the_run_goes_on_from_there(trained: Trained, tmp_path: Path) -> None:
    argv = trained.copy(tmp_path / "a")
    assert main([*argv, "--exit-stage=3"]) == 0
    assert (tmp_path / "a/3.mdl").exists()
    assert not (tmp_path / "a/4.mdl").exists()
    assert main([*argv, "--stage=3"]) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final


def test_changed_options_in_midrun_are_told_and_restart_discards(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*trained.copy(tmp_path / "a"), "--exit-stage=4", "--cleanup=false"]
    assert main(argv) == 0
    changed = [*argv, "--trainer.max-param-change=1"]
    assert "max-param-change=2.0, but now" in error_of(capsys, changed)
    assert main([*changed, "--restart", "--stage=2"]) == 0
    assert "max-param-change=1.0, but now" in error_of(capsys, argv)
    assert "begin at" in error_of(capsys, [*changed, "--restart", "--stage=7"])
    assert (tmp_path / "a/4.mdl").exists()


def test_an_input_model_replaces_the_configs(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    model = f"--trainer.input-model={trained.dir}/final.mdl"
    assert main(arguments(trained.top, f"--dir={tmp_path}/a", model, "--trainer.num-epochs=0.2")) == 0
    assert (tmp_path / "a/final.mdl").is_file()
    assert not (tmp_path / "a/presoftmax_prior_scale.vec").exists()


def test_existing_examples_are_used_and_stay(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*trained.copy(tmp_path / "a"), "--exit-stage=0"]) == 0
    argv = [*trained.copy(tmp_path / "b"), f"--egs.dir={tmp_path}/a/egs", "--trainer.num-epochs=0.3"]
    assert main(argv) == 0
    assert (tmp_path / "a/egs/egs.1.ark").exists()
    assert "frames_per_eg=4, this training needs 2" in error_of(
        capsys, [*trained.copy(tmp_path / "c"), *argv[-2:], "--egs.frames-per-eg=2"]
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data/feats.scp", "there is no .*feats.scp"),
        ("data/cmvn.scp", "there is no .*cmvn.scp.*norm-means=false"),
        ("ali/ali.1.gz", r"there is no .*ali.1.gz \(num_jobs says 1\)"),
        ("ali/final.mdl", "there is no .*final.mdl"),
        ("exp/configs/final.config", "xconfig-to-configs"),
    ],
)
def test_missing_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    top = make_corpus(tmp_path / "t")
    (top / name).unlink()
    assert re.search(message, error_of(capsys, arguments(top)))


@pytest.mark.parametrize(
    ("config", "message"), [("input-node name=input dim=4", "has dim 3"), ("output-dim=2", "has dim 3")]
)
def test_wrong_dims_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, message: str
) -> None:
    top = make_corpus(tmp_path / "t")
    path = top / "exp/configs/final.config"
    text = (
        path.read_text()
        .replace(config, config[:-1] + "3")
        .replace(
            "type=LogSoftmaxComponent dim=2",
            "type=LogSoftmaxComponent dim=3" if "out" in config else "type=LogSoftmaxComponent dim=2",
        )
    )
    text = text.replace("input-dim=12", "input-dim=9" if "node" in config else "input-dim=12")
    path.write_text(text)
    assert message in error_of(capsys, arguments(top))


def test_alignments_without_features_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = make_corpus(tmp_path / "t")
    scp = top / "data/feats.scp"
    scp.write_text("".join(scp.read_text().splitlines(keepends=True)[:-1]))
    assert "1 of 10 utterances with an alignment have no features, more than 5%" in error_of(
        capsys, arguments(top)
    )


def test_features_without_alignments_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = make_corpus(tmp_path / "t")
    kept = list(read_table(f"ark:{top}/ali/ali.ark", INT_VECTOR))[:-1]
    with TableWriter(f"ark:{top}/ali/ali.ark", INT_VECTOR) as writer:
        for u, ids in kept:
            writer.write(u, ids)
    with gzip.open(top / "ali/ali.1.gz", "wb") as stream:
        stream.write((top / "ali/ali.ark").read_bytes())
    assert "1 of 10 utterances with features have no alignment, more than 5%" in error_of(
        capsys, arguments(top)
    )


def test_alignments_of_a_lower_frame_rate_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = make_corpus(tmp_path)
    (top / "ali/frame_subsampling_factor").write_text("3\n")
    message = error_of(capsys, arguments(top))
    assert "alignments of every 3 frames, labels are to be of every 1" in message


def test_a_directory_in_use_is_refused(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(trained.dir):
        assert "is in use by process" in error_of(capsys, arguments(trained.top))


def test_penalties_that_flip_signs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = make_corpus(tmp_path / "t")
    path = top / "exp/configs/final.config"
    path.write_text(path.read_text().replace("l2-regularize=0.01", "l2-regularize=20"))
    message = error_of(capsys, arguments(top))
    assert "affine: l2-regularize=20 would flip the signs" in message
    assert "2 * 4 * 1 * 0.01 * 20 = 1.6" in message


def test_jobs_that_all_diverge_end_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = make_corpus(tmp_path / "t")
    config = top / "exp/configs/final.config"
    config.write_text(config.read_text().replace(" max-change=0.75", "").replace(" l2-regularize=0.01", ""))
    rate = ["--trainer.optimization.initial-effective-lrate=1e38", "--trainer.max-param-change=1e38"]
    rate.append("--trainer.add-option=--max-bad-minibatches=1")
    assert "no job has a finite objective" in error_of(capsys, arguments(top, *rate, "--retries=0"))


def test_a_gpu_that_is_required_but_not_there_is_told(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = error_of(capsys, [*trained.copy(tmp_path / "a"), "--use-gpu=yes"])
    assert "--use-gpu=yes, but CuPy is not installed or sees no CUDA device" in message
