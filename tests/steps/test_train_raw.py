"""Whole trainings of bare networks: dense and sparse targets, given and multitask examples, images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.basic import open_input
from nnet.formats.kinds import INT_VECTOR, MATRIX
from nnet.formats.matrix import read_vector
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter, read_table
from steps.diagnostics import read_scores
from steps.egs_dir import find_examples
from steps.outcome import read_objective
from steps.train_raw_dnn import main as train_dnn
from steps.train_raw_rnn import main as train_rnn
from tests.steps.corpus import NETWORK, OPTIONS, make_corpus
from tests.steps.test_train_rnn import NETWORK as RECURRENT
from tests.steps.test_train_rnn import OPTIONS as CHUNKS

pytestmark = pytest.mark.slow
REGRESSION = """input-node name=input dim=4
component name=a type=NaturalGradientAffineComponent input-dim=12 output-dim=3 max-change=0.75
component-node name=a component=a input=Append(Offset(input, -1), input, Offset(input, 1))
output-node name=output input=a objective=quadratic
"""
SINGLE = [option for option in OPTIONS if "cmvn" not in option]
PLAIN = ["--feat.cmvn-opts=--norm-means=false", "--retries=0", "--stage=-10", "--cleanup.remove-egs=false"]


def raw_corpus(top: Path) -> Path:
    """The tiny corpus with linear functions of its features, and class numbers, as targets."""
    make_corpus(top)
    rng = np.random.default_rng(1)
    W = rng.standard_normal((4, 3)).astype(np.float32)
    feats = dict(read_table(f"scp:{top}/data/feats.scp", MATRIX))
    with TableWriter(f"ark,scp:{top}/dense.ark,{top}/dense.scp", MATRIX) as dense:
        for u, x in feats.items():
            dense.write(u, x @ W)
    with TableWriter(f"ark,scp:{top}/classes.ark,{top}/classes.scp", INT_VECTOR) as classes:
        for u, x in feats.items():
            classes.write(u, (x.mean(1) > 1).astype(np.int32))
    return top


def experiment(top: Path, name: str, config: str, variables: str = "") -> Path:
    exp = top / name
    (exp / "configs").mkdir(parents=True)
    (exp / "configs/final.config").write_text(config)
    right = 1 if "Offset(input, 1)" in config or "Offset(m, 1)" in config else 0
    left = 1 if "Offset(input, -1)" in config else 0
    text = f"model_left_context={left}\nmodel_right_context={right}\n{variables}"
    (exp / "configs/vars").write_text(text)
    return exp


def arguments(top: Path, exp: Path, targets: str, *more: str, options: list[str] = SINGLE) -> list[str]:
    places = [f"--feat-dir={top}/data", f"--targets-scp={top}/{targets}.scp", f"--dir={exp}"]
    return [*options, *PLAIN, *places, *more]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw_corpus(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def regression(corpus: Path) -> Path:
    exp = experiment(corpus, "regression", REGRESSION)
    assert train_dnn(arguments(corpus, exp, "dense", "--trainer.num-epochs=4")) == 0
    return exp


@pytest.fixture(scope="module")
def classifier(corpus: Path) -> Path:
    """Trained with class numbers; its examples have script files beside them."""
    exp = experiment(corpus, "classifier", NETWORK, "num_targets=2\n")
    more = ["--use-dense-targets=false", "--compute-average-posteriors=true"]
    assert train_dnn(arguments(corpus, exp, "classes", *more, "--egs.opts=--generate-egs-scp true")) == 0
    return exp


def test_dense_targets_are_learned(regression: Path) -> None:
    names = {p.name for p in regression.iterdir()}
    assert {"0.raw", "final.raw", "accuracy.output.report", "report.html", "cmvn_opts"} <= names
    assert not names & {"combined.raw", "final.mdl", "tree", "post.final.vec", "accuracy.report"}
    first = read_scores(regression / "log/compute_prob_valid.0.log")["objective"]
    last = read_scores(regression / "log/compute_prob_valid.final.log")["objective"]
    assert first < 0
    assert 0.5 * first < last < 0


def test_the_same_command_finds_nothing_to_do(
    corpus: Path, regression: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_dnn(arguments(corpus, regression, "dense", "--trainer.num-epochs=4")) == 0
    assert "nothing to train" in capsys.readouterr().err


def test_a_run_goes_on_where_it_stopped_and_the_result_is_the_same(corpus: Path, regression: Path) -> None:
    exp = experiment(corpus, "stopped", REGRESSION)
    argv = arguments(corpus, exp, "dense", "--trainer.num-epochs=4")
    assert train_dnn([*argv, "--exit-stage=5"]) == 0
    assert not (exp / "final.raw").exists()
    assert train_dnn(argv) == 0
    assert (exp / "final.raw").read_bytes() == (regression / "final.raw").read_bytes()


def test_class_numbers_are_learned_and_the_average_posterior_is_written(classifier: Path) -> None:
    with open_input(str(classifier / "post.final.vec")) as source:
        total = read_vector(source)
    assert total.shape == (2,) and (total > 0).all()
    assert total.sum() == pytest.approx(round(float(total.sum())), abs=0.01)  # one for every frame
    accuracy = [
        read_scores(classifier / f"log/compute_prob_train.{n}.log")["accuracy"] for n in ("0", "final")
    ]
    assert accuracy[1] > max(accuracy[0], 0.7)


def test_a_recurrent_network_learns_dense_targets_from_a_given_model(corpus: Path) -> None:
    config = RECURRENT.replace("output-dim=2", "output-dim=3").replace("dim=2\n", "dim=3\n")
    config = config.replace("objective=linear", "objective=quadratic").replace("input=log", "input=out")
    exp = experiment(corpus, "recurrent", config)
    options = [option for option in CHUNKS if "cmvn" not in option]
    assert train_rnn(arguments(corpus, exp, "dense", options=options)) == 0
    assert json.loads((exp / "progress/0.json").read_text())["shrink"] == 0.99
    more = [f"--trainer.input-model={exp}/final.raw", f"--egs.dir={exp}/egs"]
    (corpus / "further").mkdir()
    argv = arguments(corpus, corpus / "further", "dense", *more, "--trainer.num-epochs=1", options=options)
    assert train_rnn(argv) == 0
    first = read_scores(corpus / "further/log/compute_prob_train.0.log")
    assert first == read_scores(exp / "log/compute_prob_train.final.log")


def multitask(egs: Path, to: Path) -> Path:
    """The examples of `egs` as those of two outputs in turn, with weights 1 and 0.5."""
    to.mkdir()
    (to / "info").symlink_to(egs / "info")
    lines = (egs / "egs.scp").read_text().splitlines()
    tables = {f"egs.{n}.scp": [line for line in lines if f"/egs.{n}.ark:" in line] for n in (1, 2, 3)}
    for name in ("combine", "train_diagnostic", "valid_diagnostic"):
        tables[f"{name}.scp"] = (egs / f"{name}.scp").read_text().splitlines()
    for name, found in tables.items():
        (to / name).write_text("".join(line + "\n" for line in found))
        prefix, _, number = name.removesuffix(".scp").partition(".")
        for what, values in (("output", ("output-0", "output-1")), ("weight", ("1.0", "0.5"))):
            rows = [f"{line.split()[0]} {values[i % 2]}\n" for i, line in enumerate(found)]
            place = f"{prefix}.{what}.{number}.ark" if number else f"{prefix}.{what}.ark"
            (to / place).write_text("".join(rows))
    return to


@pytest.mark.parametrize("train", [train_dnn, train_rnn])
def test_multitask_examples_train_several_outputs(
    corpus: Path, classifier: Path, tmp_path: Path, train
) -> None:
    egs = multitask(classifier / "egs", tmp_path / "multi")
    assert find_examples(egs).multitask
    heads = "".join(f"output-node name=output-{n} input=log objective=linear\n" for n in range(2))
    config = NETWORK[: NETWORK.index("output-node")] + heads
    exp = experiment(tmp_path, "exp", config)
    options = [o for o in SINGLE if "minibatch-size" not in o]
    if train is train_rnn:
        options = [o for o in options if "frames-per-eg" not in o]
        options += ["--egs.chunk-width=4", "--egs.chunk-left-context=0"]
        options += ["--trainer.rnn.num-chunk-per-minibatch=4", "--trainer.num-epochs=2"]
    else:
        options += ["--trainer.optimization.minibatch-size=4"]
    argv = arguments(corpus, exp, "classes", f"--egs.dir={egs}", options=options)
    assert train(argv) == 0
    log = exp / "log/train.0.1.log"
    text = log.read_text()
    assert "Overall average objective function for 'output-1'" in text
    frames = {n: read_objective_of(text, n) for n in (0, 1)}
    assert frames[1] == pytest.approx(0.5 * frames[0], rel=0.35)
    assert read_objective(log)[1] == pytest.approx(frames[0] + frames[1])
    assert read_nnet(str(exp / "final.raw")).output_names() == ["output-0", "output-1"]


def read_objective_of(text: str, output: int) -> float:
    """Frames that a training log counts for an output."""
    line = next(line for line in text.splitlines() if f"function for 'output-{output}' is" in line)
    return float(line.split(" over ")[1].split()[0])


def test_examples_of_both_kinds_in_one_place_are_refused(
    corpus: Path, classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exp = experiment(tmp_path, "exp", NETWORK)
    assert train_dnn(arguments(corpus, exp, "classes", f"--egs.dir={classifier}/egs")) == 1
    assert "which kind of examples is meant" in capsys.readouterr().err.splitlines()[-1]


def test_images_are_changed_during_training(corpus: Path, regression: Path, tmp_path: Path) -> None:
    option = "--image.augmentation-opts=--horizontal-flip-prob=0.5 --horizontal-shift=0.4"
    finals = []
    for name, more in (("plain", []), ("changed", [option])):
        exp = experiment(tmp_path, name, REGRESSION)
        argv = arguments(
            corpus, exp, "dense", f"--egs.dir={regression}/egs", *more, "--trainer.num-epochs=0.4"
        )
        assert train_dnn(argv) == 0
        finals.append((exp / "final.raw").read_bytes())
    assert finals[0] != finals[1]
    assert "'--egs.augment-image=--srand=1 " in (tmp_path / "changed/log/train.1.1.log").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--targets-scp="], "--targets-scp is required to make examples"),
        (["--targets-scp=nowhere"], "--targets-scp=nowhere does not exist"),
        (["--feat-dir="], "--feat-dir is required"),
        (["--use-dense-targets=false"], "must hold num_targets=N"),
        (["--image.augmentation-opts=--flip=2"], "there is no option --flip"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    exp = experiment(tmp_path, "exp", REGRESSION)
    assert train_dnn(arguments(corpus, exp, "dense", *more)) == 1
    assert message in "\n".join(capsys.readouterr().err.splitlines()[-3:])


def test_targets_of_another_width_are_told(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exp = experiment(tmp_path, "exp", REGRESSION, "num_targets=5\n")
    assert train_dnn(arguments(corpus, exp, "dense")) == 1
    assert "targets have 3 columns, expected 5" in capsys.readouterr().err


def test_a_restarted_run_equals_a_fresh_one(corpus: Path) -> None:
    finals = []
    for name, before in (("restarted", ["--trainer.srand=7", "--exit-stage=3"]), ("fresh", [])):
        argv = arguments(corpus, experiment(corpus, name, REGRESSION), "dense")
        assert not before or train_dnn([*argv, *before]) == 0
        assert train_dnn([*argv, *(["--restart=true"] if before else [])]) == 0
        finals.append([(corpus / name / f).read_bytes() for f in ("egs/egs.1.ark", "0.raw", "final.raw")])
    assert finals[0] == finals[1]
