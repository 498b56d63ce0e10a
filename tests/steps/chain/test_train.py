"""Whole chain trainings on a tiny corpus: what they leave, what goes on after a kill, what they refuse."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.fst import read_fst_file, write_fst_file
from nnet.formats.model import read_am
from nnet.formats.tables import read_table
from nnet.fst.arrays import Fst
from nnet.programs import nnet3_init
from steps.chain.train import main
from steps.diagnostics import read_scores
from steps.egs_dir import read_info
from tests.steps.chain.conftest import ChainTrained
from tests.steps.chain.corpus import FACTOR, PDFS, chain_arguments, make_chain_corpus
from tests.steps.test_interrupted import kill, leftovers, wait_until

pytestmark = pytest.mark.slow


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    assert main(argv) == 1
    return capsys.readouterr().err.splitlines()[-1]


def test_a_training_leaves_what_kaldi_leaves(chain_trained: ChainTrained) -> None:
    d = chain_trained.dir
    assert sorted(p.name for p in d.glob("*.mdl")) == ["0.mdl", "6.mdl", "final.mdl"]
    names = "tree phones.txt cmvn_opts 0.trans_mdl phone_lm.fst den.fst normalization.fst accuracy.report"
    for name in names.split():
        assert (d / name).is_file(), name
    numbers = ("frame_subsampling_factor", "srand", "num_jobs")
    assert [(d / name).read_text() for name in numbers] == ["3\n", "0\n", "1\n"]
    assert leftovers(d) == []
    assert not list(d.glob("*.raw"))


def test_the_final_model_is_ready_for_decoding_and_has_learned(chain_trained: ChainTrained) -> None:
    am = read_am(str(chain_trained.dir / "final.mdl"))
    assert not len(am.priors)
    assert (am.left_context, am.right_context, am.transitions.num_pdfs) == (1, 1, PDFS)
    log = chain_trained.dir / "log"
    first, last = (read_scores(log / f"compute_prob_train.{n}.log") for n in ("0", "final"))
    assert first["log-probability"] + 0.3 < last["log-probability"] < 0.0
    xent = [read_scores(log / f"compute_prob_train.{n}.log", "output-xent") for n in ("0", "final")]
    assert xent[0]["log-probability"] < xent[1]["log-probability"]


def test_reports_tell_log_probabilities_of_both_outputs(chain_trained: ChainTrained) -> None:
    for name in ("accuracy.report", "accuracy.output-xent.report"):
        rows = [line.split("\t") for line in (chain_trained.dir / name).read_text().splitlines()[1:-1]]
        assert [int(r[0]) for r in rows] == list(range(6))
    page = (chain_trained.dir / "report.html").read_text()
    assert "cross-entropy branch" in page
    assert "--chain.l2-regularize=5e-05 acts on the outputs of the network, not on parameters" in page
    records = [json.loads((chain_trained.dir / f"progress/{n}.json").read_text()) for n in range(6)]
    assert [r["num_jobs"] for r in records] == [1, 1, 1, 2, 2, 2]
    assert records[3]["dropout"][0][1] > 0.1


def test_jobs_are_told_kaldis_options(chain_trained: ChainTrained) -> None:
    log = (chain_trained.dir / "log/train.4.2.log").read_text().splitlines()[0]
    for option in (
        "--apply-deriv-weights=true --l2-regularize=5e-05 --leaky-hmm-coefficient=0.1 --xent-regularize=0.1",
        "--l2-regularize-factor=0.5",
        "--egs.minibatch-size=4,2 ",
        "--srand=4",
        "/den.fst ark:",
    ):
        assert option in log
    shifts = {
        int(re.search(r"--egs.frame-shift=(\d)", p.read_text())[1])  # type: ignore[index]
        for p in chain_trained.dir.glob("log/train.*.*.log")
    }
    assert shifts == {0, 1, 2}
    assert "frame-shift" not in (chain_trained.dir / "log/compute_prob_valid.3.log").read_text()
    assert "--optimization.min-deriv-time" not in log


def test_examples_are_chunks_with_supervision_at_the_rate_of_the_output(chain_trained: ChainTrained) -> None:
    egs = chain_trained.dir / "egs"
    info = read_info(egs)
    assert (info.frames_per_eg, info.left_context, info.right_context) == ("15,9", 2, 2)  # 1 for the shifts
    assert info.num_archives == info.num_frames // 200 + 1
    held_out = set((egs / "valid_uttlist").read_text().split())
    widths = set()
    for n in range(1, info.num_archives + 1):
        for key, eg in read_table(f"ark:{egs}/cegs.{n}.ark", CHAIN_EXAMPLE):
            assert key.rpartition("-")[0] not in held_out
            t = eg.outputs[0].indexes[:, 1]
            widths.add(len(t) * FACTOR)
            assert eg.outputs[0].supervision.label_dim == PDFS
            assert (eg.inputs[0].indexes[0, 1], eg.inputs[0].indexes[-1, 1]) == (-2, len(t) * FACTOR + 1)
    assert widths == {15, 9}
    valid = [k for k, _ in read_table(f"ark:{egs}/valid_diagnostic.cegs", CHAIN_EXAMPLE)]
    assert {k.rpartition("-")[0] for k in valid} == held_out


def test_the_same_command_finds_nothing_to_do_and_the_number_of_cores_changes_nothing(
    chain_trained: ChainTrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(chain_arguments(chain_trained.top, "--cleanup=false")) == 0
    assert "nothing to train" in capsys.readouterr().err
    assert main([*chain_trained.copy(tmp_path / "a"), "--local.max-jobs=1"]) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == chain_trained.final


@pytest.mark.parametrize(
    "moment", ["phone_lm.fst", "egs/.work/sup.1.ark", "egs/.work/1.done", "1.1.raw", ".combine.*.json"]
)
def test_a_killed_driver_goes_on_with_the_same_command(
    chain_trained: ChainTrained, tmp_path: Path, moment: str
) -> None:
    argv = chain_trained.copy(tmp_path / "a")
    words = [sys.executable, "-m", "steps.chain.train", *argv]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_until(lambda: any((tmp_path / "a").glob(moment)), process)
    kill(process)
    assert main(argv) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == chain_trained.final
    assert leftovers(tmp_path / "a") == []


def test_existing_examples_and_a_given_graph_are_used(chain_trained: ChainTrained, tmp_path: Path) -> None:
    argv = [
        w
        for w in chain_trained.copy(tmp_path / "a")
        if not w.startswith(("--lat-dir", f"{chain_trained.top}/lats"))
    ]
    for name in ("phone_lm.fst", "den.fst", "normalization.fst"):
        (tmp_path / "a" / name).write_bytes((chain_trained.dir / name).read_bytes())
    more = ["--stage=-4", f"--egs.dir={chain_trained.dir}/egs", "--trainer.deriv-truncate-margin=3"]
    more.append("--chain-opts=--out-of-range-regularize=0.5")
    combination = "--trainer.optimization.do-final-combination=false"
    assert main([*argv, *more, combination, "--trainer.num-epochs=0.5"]) == 0
    log = (tmp_path / "a/log/train.1.1.log").read_text()
    assert "--optimization.min-deriv-time=-4 --optimization.max-deriv-time-relative=4 " in log
    assert "--xent-regularize=0.1 --out-of-range-regularize=0.5 " in log
    assert (tmp_path / "a/final.mdl").read_bytes() == (tmp_path / "a/2.mdl").read_bytes()
    assert read_scores(tmp_path / "a/log/compute_prob_valid.final.log")
    assert not (tmp_path / "a/log/make_den_fst.log").exists()


def test_unconstrained_examples_have_a_graph_with_loops_for_each_chunk(
    chain_trained: ChainTrained, tmp_path: Path
) -> None:
    egs_opts = "--egs.opts=--constrained false --num-egs-diagnostic 10 --num-utts-subset 2"
    argv = [*chain_trained.copy(tmp_path / "a"), egs_opts, "--cleanup=false"]
    assert main([*argv, "--trainer.num-epochs=0.4"]) == 0
    for _, eg in read_table(f"ark:{tmp_path}/a/egs/cegs.1.ark", CHAIN_EXAMPLE):
        assert eg.outputs[0].supervision.end_to_end
    assert read_scores(tmp_path / "a/log/compute_prob_valid.final.log")["log-probability"] < 0


def test_an_input_model_replaces_the_configs(chain_trained: ChainTrained, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    more = [f"--dir={tmp_path}/a", f"--trainer.input-model={chain_trained.dir}/final.mdl"]
    backstitch = ["--trainer.optimization.backstitch-training-scale=0.3", "--trainer.num-epochs=0.5"]
    assert main(chain_arguments(chain_trained.top, *more, *backstitch)) == 0
    scales = [
        re.search("--backstitch-training-scale=([^ ]+)", (tmp_path / f"a/log/train.{n}.1.log").read_text())
        for n in range(2)
    ]
    assert [float(s[1]) for s in scales if s] == pytest.approx([0.0, 0.3 / 15])  # it grows over 15 iterations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--egs.chunk-width=15"], "frames_per_eg=15,9, this training needs 15"),
        (
            ["--chain.frame-subsampling-factor=1"],
            "have an output every 3 frames .*--chain.frame-subsampling-factor=1",
        ),
        (["--chain-opts=--leaky=1"], "--chain-opts='--leaky=1': .*leaky"),
        (["--trainer.optimization.num-jobs-final=99"], "num-jobs-final=99 .* or --trainer.frames-per-iter"),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    chain_trained: ChainTrained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    argv = [*chain_trained.copy(tmp_path / "a"), f"--egs.dir={chain_trained.dir}/egs", *options]
    assert re.search(message, error_of(capsys, argv))


def _unlink(name: str) -> Callable[[Path], None]:
    return lambda top: (top / name).unlink()


def _more_outputs(top: Path) -> None:
    path = top / "exp/configs/final.config"
    path.write_text(path.read_text().replace("input-dim=8 output-dim=4", "input-dim=8 output-dim=6", 1))


def _two_archives(top: Path) -> None:
    (top / "lats/lat.2.gz").write_bytes((top / "lats/lat.1.gz").read_bytes())


def _no_xent(top: Path) -> None:
    path = top / "exp/configs/final.config"
    path.write_text(path.read_text().replace("output-node name=output-xent", "output-node name=other"))


def _empty(top: Path) -> None:
    with gzip.open(top / "lats/lat.1.gz", "wb"):
        pass


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_unlink("data/feats.scp"), "there is no .*feats.scp"),
        (_unlink("tree/ali.1.gz"), r"--tree-dir=.* there is no .*ali.1.gz \(num_jobs says 1\)"),
        (_unlink("tree/tree"), "--tree-dir=.*: there is no .*tree/tree"),
        (_unlink("lats/lat.1.gz"), r"--lat-dir=.* there is no .*lat.1.gz \(num_jobs says 1\)"),
        (_unlink("lats/num_jobs"), "--lat-dir=.* there is no .*num_jobs"),
        (_two_archives, "--lat-dir=.* there is .*lat.2.gz, but num_jobs says 1"),
        (
            _more_outputs,
            "the network's 'output' has dim 6, the tree has 4 leaves: give .* dim=4",
        ),
        (_no_xent, "no output 'output-xent', which is needed for --chain.xent-regularize"),
        (_empty, "12 of 12 utterances with features have no usable lattices"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], message: str
) -> None:
    top = make_chain_corpus(tmp_path / "t")
    damage(top)
    assert re.search(message, error_of(capsys, chain_arguments(top)))


def test_a_normalization_fst_of_another_tree_is_refused(
    chain_trained: ChainTrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = chain_trained.copy(tmp_path / "a")
    for name in ("phone_lm.fst", "den.fst"):
        (tmp_path / "a" / name).write_bytes((chain_trained.dir / name).read_bytes())
    fst = read_fst_file(str(chain_trained.dir / "normalization.fst"))
    fst.ilabels[:] += 7
    write_fst_file(str(tmp_path / "a/normalization.fst"), fst)
    assert main([*argv, "--stage=-4"]) == 1
    assert "were they made with different trees?" in capsys.readouterr().err


def test_a_graph_that_cannot_say_the_lattices_is_refused(
    chain_trained: ChainTrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = chain_trained.copy(tmp_path / "a")
    for name in ("phone_lm.fst", "den.fst"):
        (tmp_path / "a" / name).write_bytes((chain_trained.dir / name).read_bytes())
    write_fst_file(str(tmp_path / "a/normalization.fst"), Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0]))
    assert main([*argv, "--stage=-4"]) == 1
    assert re.search(r"(\d+) of \1 chunks have no path in normalization.fst", capsys.readouterr().err)


def test_a_wrong_output_dim_is_told_before_examples_are_made(
    chain_trained: ChainTrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = chain_trained.copy(tmp_path / "a")
    configs = tmp_path / "a/configs"
    config = (configs / "final.config").read_text().replace("output-dim=4", "output-dim=6")
    config = config.replace("LogSoftmaxComponent dim=4", "LogSoftmaxComponent dim=6")
    (configs / "final.config").write_text(config)
    assert nnet3_init.main([str(configs / "final.config"), str(configs / "ref.raw")]) == 0
    assert "'output' has dim 6, the tree has 4 leaves" in error_of(capsys, argv)
    assert not (tmp_path / "a/egs").exists()
