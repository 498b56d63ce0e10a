"""Whole recurrent trainings on the tiny corpus: chunks, contexts, limits of derivatives, shrinkage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnet.formats.examples import EXAMPLE
from nnet.formats.model import read_am
from nnet.formats.tables import read_table
from steps.diagnostics import read_scores
from steps.egs_dir import read_info
from steps.train_rnn import main
from tests.steps.corpus import DIM, make_corpus

pytestmark = pytest.mark.slow
NETWORK = f"""input-node name=input dim={DIM}
component name=a type=NaturalGradientAffineComponent input-dim=16 output-dim=48 max-change=0.75
component-node name=a component=a input=Append(input, IfDefined(Offset(m, -2)))
component name=l type=LstmNonlinearityComponent cell-dim=12 max-change=0.75
component-node name=l component=l input=Append(a, IfDefined(Offset(c, -2)))
dim-range-node name=c input-node=l dim-offset=0 dim=12
dim-range-node name=m input-node=l dim-offset=12 dim=12
component name=out type=NaturalGradientAffineComponent input-dim=12 output-dim=2
component-node name=out component=out input=Offset(m, 1)
component name=log type=LogSoftmaxComponent dim=2
component-node name=log component=log input=out
output-node name=output input=log objective=linear
"""
OPTIONS = [
    "--egs.chunk-width=10,5",
    "--egs.chunk-left-context=6",
    "--egs.chunk-left-context-initial=0",
    "--trainer.samples-per-iter=10",
    "--trainer.rnn.num-chunk-per-minibatch=4,2",
    "--trainer.num-epochs=1.5",
    "--trainer.deriv-truncate-margin=3",
    "--trainer.optimization.num-jobs-initial=1",
    "--trainer.optimization.num-jobs-final=2",
    "--trainer.optimization.initial-effective-lrate=0.01",
    "--trainer.optimization.final-effective-lrate=0.001",
    "--feat.cmvn-opts=--norm-means=true",
    "--use-gpu=no",
    "--cleanup.remove-egs=false",
    "--retries=0",
    "--local.max-jobs=2",
]


def recurrent_corpus(top: Path) -> Path:
    make_corpus(top)
    (top / "exp/configs/final.config").write_text(NETWORK)
    (top / "exp/configs/vars").write_text("model_left_context=0\nmodel_right_context=1\n")
    return top


def arguments(top: Path, *more: str) -> list[str]:
    return [*OPTIONS, f"--feat-dir={top}/data", f"--ali-dir={top}/ali", f"--dir={top}/exp", *more]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = recurrent_corpus(tmp_path_factory.mktemp("recurrent"))
    assert main(arguments(top)) == 0
    return top


def test_the_final_model_has_priors_and_has_learned(trained: Path) -> None:
    exp = trained / "exp"
    am = read_am(str(exp / "final.mdl"))
    assert am.priors.sum() == pytest.approx(1.0)
    first, last = (read_scores(exp / f"log/compute_prob_train.{n}.log") for n in ("0", "combined"))
    assert last["log-likelihood"] > first["log-likelihood"] + 0.1
    rows = [line.split("\t") for line in (exp / "accuracy.report").read_text().splitlines()[1:-1]]
    assert [int(row[0]) for row in rows] == [0, 1, 2, 3]


def test_examples_are_chunks_of_the_listed_widths_with_their_contexts(trained: Path) -> None:
    egs = trained / "exp/egs"
    info = read_info(egs)
    assert (info.frames_per_eg, info.num_archives) == ("10,5", 300 // 100 + 1)
    assert (info.left_context, info.right_context) == (6, 1)
    assert (info.left_context_initial, info.right_context_final) == (0, -1)
    seen = set()
    for n in range(1, info.num_archives + 1):
        for key, eg in read_table(f"ark:{egs}/egs.{n}.ark", EXAMPLE):
            x, y = (next(io for io in eg.io if io.name == name).indexes[:, 1] for name in ("input", "output"))
            seen.add((len(y), key.endswith("-0"), int(x[0]), int(x[-1] - y[-1])))
    assert {s[0] for s in seen} <= {5, 10}
    assert {s[1:] for s in seen} == {(True, 0, 1), (False, -6, 1)}


def test_jobs_are_told_the_limits_of_derivatives_and_the_momentum(trained: Path) -> None:
    log = (trained / "exp/log/train.1.1.log").read_text()
    assert "--optimization.min-deriv-time=-3 " in log
    assert "--optimization.max-deriv-time-relative=4 " in log
    assert "--momentum=0.5 " in log
    assert "--egs.frame" not in log
    assert "--egs.minibatch-size=4,2 " in log
    assert "--egs.minibatch-size=2,1 " in (trained / "exp/log/train.0.1.log").read_text()


def test_the_first_iteration_shrinks_and_others_when_saturated(trained: Path) -> None:
    records = [json.loads(p.read_text()) for p in sorted((trained / "exp/progress").glob("*.json"))]
    assert records[0]["shrink"] == 0.99
    assert all(r["shrink"] in (0.99, 1.0) for r in records[1:])
    assert "shrink 0.99" in (trained / "exp/log/train_rnn.log").read_text()


def test_a_threshold_below_any_saturation_shrinks_always(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(trained / "exp/configs")
    options = [f"--dir={tmp_path}", f"--egs.dir={trained}/exp/egs", "--exit-stage=2", "--stage=-10"]
    shrinkage = "--trainer.optimization.shrink"
    argv = arguments(trained, *options, f"{shrinkage}-saturation-threshold=0", f"{shrinkage}-value=0.9")
    assert main(argv) == 0
    assert json.loads((tmp_path / "progress/1.json").read_text())["shrink"] == 0.9


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--trainer.optimization.num-jobs-final=9", "num-jobs-final=9 is more than there are archives, 4"),
        ("--egs.chunk-width=10", "frames_per_eg=10,5, this training needs 10"),
        ("--egs.chunk-left-context=9", "left_context=6, this training needs 9 at least"),
        ("--egs.chunk-left-context-initial=1", "left_context_initial=0, this training needs 1"),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, message: str
) -> None:
    (tmp_path / "configs").symlink_to(trained / "exp/configs")
    assert main(arguments(trained, f"--dir={tmp_path}", f"--egs.dir={trained}/exp/egs", option)) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_whole_utterances_are_refused_where_archives_must_be_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = recurrent_corpus(tmp_path / "t")
    assert main(arguments(top, "--egs.chunk-width=-1")) == 1
    assert "give them by --egs.dir" in capsys.readouterr().err.splitlines()[-1]
