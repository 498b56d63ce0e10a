"""Where labels come from, and the tables of examples that jobs are told to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter
from steps.data_dir import CmvnOptions, DataDir
from steps.egs_dir import Examples, find_examples
from steps.executor import LocalExecutor
from steps.initial_model import config_vars
from steps.labels import LIST, Targets, check_match, num_frames
from steps.outcome import read_objective
from tests.steps.corpus import FRAMES, make_corpus

OVERALL = "LOG (nnet3-train[x]) Overall average objective function for '{}' is {} over {} frames.\n"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(make_corpus(tmp_path / "t") / "data", CmvnOptions(norm_means=False))


def test_targets_are_listed_in_the_order_of_the_features(data: DataDir, tmp_path: Path) -> None:
    with TableWriter(f"ark,scp:{tmp_path}/y.ark,{tmp_path}/y.scp", MATRIX) as writer:
        for u in reversed(data.feats):
            writer.write(u, np.ones((10, 2), np.float32))
    labels = Targets(tmp_path / "y.scp", "dense", None)
    pairs = labels.prepare(data, tmp_path, LocalExecutor(1), print)
    assert pairs == [(u, FRAMES) for u in data.feats]  # frames of the features, whatever the rate of targets
    assert [line.split()[0] for line in (tmp_path / LIST).read_text().splitlines()] == list(data.feats)
    assert (labels.input_files(), labels.copied()) == ([tmp_path / "y.scp"], [])


def test_utt2num_frames_saves_reading_the_features(data: DataDir) -> None:
    first, second, *_ = data.feats
    (data.path / "utt2num_frames").write_text(f"{first} 7\n")
    assert num_frames(data, [first]) == {first: 7}
    assert num_frames(data, [first, second])[second] == FRAMES


def test_targets_without_features_are_counted_by_their_option() -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match=r"have no features, more than 5%; do --feat-dir and --targets-scp"):
        check_match(10, 12, 10, told.append, "targets", "--targets-scp")
    assert told == ["warning: 2 of 12 utterances with targets have no features; they are left out"]


def test_plain_examples_are_archives() -> None:
    examples = Examples(Path("egs"))
    assert examples.archive(3) == "ark:egs/egs.3.ark"
    assert examples.subset("combine") == "ark:egs/combine.egs"


def test_multitask_examples_are_copied_with_names_and_weights_where_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "valid_diagnostic.scp").touch()
    (tmp_path / "egs.output.2.ark").touch()
    (tmp_path / "combine.weight.ark").touch()
    examples = find_examples(tmp_path)
    assert examples.archive(2, "--frame=5").endswith(
        f"nnet3_copy_egs --print-args=false --frame=5 --outputs=ark:{tmp_path}/egs.output.2.ark "
        f"scp:{tmp_path}/egs.2.scp ark:- |"
    )
    assert "--outputs" not in examples.archive(1)
    assert f"--weights=ark:{tmp_path}/combine.weight.ark scp:{tmp_path}/combine.scp" in examples.subset(
        "combine"
    )


def test_a_directory_without_examples_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no directory of examples"):
        find_examples(tmp_path)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("output", "-1.5", 10)], (-1.5, 10)),
        ([("output", "-1.5 + -0.5 = -2", 10)], (-2, 10)),
        ([("output-0", "-1", 30), ("output-1", "-2", 10)], (-1.25, 40)),
        ([("output", "-1", 30), ("output-xent", "-9", 30)], (-1, 30)),
        ([], None),
    ],
)
def test_the_objective_is_that_of_output_or_the_average_of_others(tmp_path: Path, lines, expected) -> None:
    (tmp_path / "log").write_text("".join(OVERALL.format(*line) for line in lines))
    assert read_objective(tmp_path / "log") == expected


def test_variables_are_read_without_the_prefix_of_the_model(tmp_path: Path) -> None:
    assert config_vars(tmp_path) == {}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/vars").write_text("model_left_context=3\nnum_targets=7\n")
    assert config_vars(tmp_path) == {"left_context": "3", "num_targets": "7"}
