"""What is said of wrong options before any data is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps import train_raw_dnn, train_raw_rnn, train_rnn
from steps.checks import check_frames, check_widths
from steps.options import parse
from steps.train_options import DnnOptions, RawDnnOptions, RawRnnOptions, RnnOptions


@pytest.mark.parametrize("text", ["20", "64,25,128", "-1", "40, 30"])
def test_lists_of_widths_are_taken(text: str) -> None:
    check_widths(text)


@pytest.mark.parametrize("text", ["", "0", "20,", "-2", "a", "1.5", "20:30"])
def test_other_widths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"--egs.chunk-width=.* is no number of frames"):
        check_widths(text)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--egs.chunk-width=0", "is no number of frames"),
        ("--egs.chunk-left-context=-1", "chunk-left-context=-1 must be at least 0"),
        ("--egs.chunk-right-context-final=-2", "must be at least -1"),
        ("--trainer.rnn.num-chunk-per-minibatch=x", "num-chunk-per-minibatch='x' is no minibatch"),
        ("--trainer.deriv-truncate-margin=-1", "deriv-truncate-margin=-1 must be at least 0"),
        ("--trainer.optimization.shrink-value=0", "shrink-value=0.0 must be above 0"),
        ("--trainer.optimization.momentum=1", "below 1"),
        ("--trainer.samples-per-iter=0", "samples-per-iter=0 must be at least 1"),
        ("--egs.dir=nowhere", "--egs.dir=nowhere does not exist"),
    ],
)  # fmt: skip
def test_wrong_options_of_recurrent_training_are_named(tmp_path: Path, option: str, message: str) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/final.config").touch()
    places = [f"--dir={tmp_path}", "--ali-dir=a"]
    check_frames(parse(RnnOptions, places))
    with pytest.raises(ValueError, match=message):
        check_frames(parse(RnnOptions, [*places, option]))


@pytest.mark.parametrize("option", ["--ali-dir", "--feat-dir", "--egs.dir"])
def test_an_input_directory_is_not_the_one_that_is_written(tmp_path: Path, option: str) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/final.config").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    arguments = [f"--dir={tmp_path}", *(["--ali-dir=a"] if option != "--ali-dir" else [])]
    with pytest.raises(ValueError, match=f"--dir={tmp_path} is where {option} is, which would be"):
        check_frames(parse(RnnOptions, [*arguments, f"{option}={tmp_path}/link"]))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--egs.frames-per-eg=0", "frames-per-eg=0 must be at least 1"),
        ("--trainer.optimization.final-effective-lrate=0", "must be above 0"),
        ("--trainer.input-model=nowhere", "--trainer.input-model=nowhere does not exist"),
        ("--dir=elsewhere", "there is no elsewhere/configs/final.config"),
    ],
)
def test_wrong_options_of_raw_training_are_named(tmp_path: Path, option: str, message: str) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/final.config").touch()
    with pytest.raises(ValueError, match=message):
        check_frames(parse(RawDnnOptions, [f"--dir={tmp_path}", option]))


@pytest.mark.parametrize("option", ["--egs.chunk-left-context=4", "--egs.chunk-left-context-initial=0"])
def test_training_on_single_frames_has_no_chunks(tmp_path: Path, option: str) -> None:
    with pytest.raises(ValueError, match=r"egs.chunk-left-context.*trains on single frames"):
        check_frames(parse(DnnOptions, [f"--dir={tmp_path}", "--ali-dir=a", option]))


def test_defaults_are_kaldis() -> None:
    rnn = parse(RnnOptions, ["--dir=d", "--ali-dir=a"])
    assert (rnn.chunk_width, rnn.num_chunk_per_minibatch, rnn.samples_per_iter) == ("20", "100", 20000)
    assert (rnn.chunk_left_context, rnn.chunk_right_context) == (40, 0)
    assert (rnn.chunk_left_context_initial, rnn.chunk_right_context_final) == (-1, -1)
    assert (rnn.momentum, rnn.shrink_value, rnn.shrink_saturation_threshold) == (0.5, 0.99, 0.4)
    assert (rnn.deriv_truncate_margin, rnn.picks, rnn.suffix) == (8, 1, "mdl")
    raw = parse(RawRnnOptions, ["--dir=d"])
    assert (raw.momentum, raw.chunk_left_context, raw.use_dense_targets, raw.nj) == (0.5, 40, True, 4)
    dnn = parse(RawDnnOptions, ["--dir=d"])
    assert (dnn.momentum, dnn.samples_per_iter, dnn.frames_per_eg, dnn.picks) == (0.0, 400000, 8, 8)
    assert (dnn.suffix, dnn.compute_average_posteriors, dnn.image_augmentation_opts) == ("raw", False, None)


def test_help_and_unknown_options_come_without_training(capsys: pytest.CaptureFixture[str]) -> None:
    for main in (train_rnn.main, train_raw_dnn.main, train_raw_rnn.main):
        assert main(["--help"]) == 0
        assert "--trainer.input-model" in capsys.readouterr().err
        assert main([]) == 1
        assert "--trainer.num-epochs" in capsys.readouterr().err
        assert main(["--dir=x", "--ali-dir=y", "--egs.chunk-widht=3"]) == 1
        assert "unknown option" in capsys.readouterr().err
