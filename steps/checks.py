"""What can be seen to be wrong with the options of training without looking at any data."""

from __future__ import annotations

from pathlib import Path

from steps import minibatch_size
from steps.command_line import check_apart
from steps.data_dir import cmvn_options
from steps.dropout import parse as parse_dropout
from steps.egs_options import egs_options
from steps.train_options import ChunkOptions, FrameLevelOptions, SingleFrameOptions, TrainingOptions

CONTEXTS = {
    "chunk_left_context": 0,
    "chunk_right_context": 0,
    "chunk_left_context_initial": -1,
    "chunk_right_context_final": -1,
}  # and what means none
INPUTS = ("ali_dir", "lat_dir", "tree_dir", "feat_dir", "egs_dir")  # files of the same names are written


def check(options: TrainingOptions) -> None:
    """Raise ValueError naming the first option that is wrong; numbers were checked when they were read."""
    parse_dropout(options.dropout_schedule)
    cmvn_options(options.cmvn_opts)
    _check_places(options)


def check_frames(options: FrameLevelOptions) -> None:
    """The same for the options of frame-level training, those of all training included."""
    egs_options(options.egs_opts)
    if isinstance(options, SingleFrameOptions):
        _check_single(options)
    if isinstance(options, ChunkOptions):
        check_chunks(options, "--trainer.rnn.num-chunk-per-minibatch")
    check(options)


def check_chunks(options: TrainingOptions, minibatch: str) -> None:
    """Raise ValueError for wrong options of training on chunks; `minibatch` names their rule for merging."""
    minibatch_size.check(options.minibatch, minibatch)
    check_widths(options.widths)
    for name, none in CONTEXTS.items():
        _at_least(options, name, none)


def check_widths(text: str, name: str = "--egs.chunk-width") -> None:
    """Raise ValueError unless `text` is a list such as 20 or 40,30,20; -1 stands for whole utterances."""
    for part in text.split(","):
        if not part.strip().removeprefix("-").isdigit() or (int(part) < 1 and int(part) != -1):
            raise ValueError(
                f"{name}={text!r}: {part!r} is no number of frames; write one, or several with commas between"
            )


def _at_least(options: TrainingOptions, name: str, least: int) -> None:
    if getattr(options, name) < least:
        raise ValueError(f"{name.replace('_', '-')}={getattr(options, name)} must be at least {least}")


def _check_single(options: SingleFrameOptions) -> None:
    minibatch_size.check(options.minibatch_size)
    for name, none in CONTEXTS.items():
        if getattr(options, name) != none:
            raise ValueError(
                f"--egs.{name.replace('_', '-')}={getattr(options, name)}: this script trains on single "
                "frames, which need no more context than the network's own"
            )


def _check_places(options: TrainingOptions) -> None:
    if options.input_model is not None and not Path(options.input_model).is_file():
        raise ValueError(f"--trainer.input-model={options.input_model} does not exist")
    if options.input_model is None and not (Path(options.dir) / "configs/final.config").is_file():
        raise ValueError(
            f"there is no {options.dir}/configs/final.config: "
            "write it with xconfig-to-configs, or give --trainer.input-model"
        )
    if options.egs_dir is not None and not Path(options.egs_dir).is_dir():
        raise ValueError(f"--egs.dir={options.egs_dir} does not exist")
    for name in INPUTS:
        place = getattr(options, name, None)  # not every kind of training has all of them
        if place is not None:
            option = "--egs.dir" if name == "egs_dir" else f"--{name.replace('_', '-')}"
            check_apart(Path(options.dir), option, Path(place))
