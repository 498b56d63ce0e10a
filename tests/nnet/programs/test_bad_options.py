"""Options without sense, a missing GPU, places that cannot be written, a full disk: one line, status 1."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nnet.programs.workshop import error_of, refused, run

OPTIONS = [
    ("nnet3-average --weights=1 raw raw2 out", "--weights=1 gives 1 weights for 2 models"),
    ("nnet3-average --weights=1:2:3 raw raw2 out", "--weights=1:2:3 gives 3 weights for 2 models"),
    ("nnet3-average --weights=1:nan raw raw2 out", "--weights=1:nan: the weights sum to nan"),
    ("nnet3-average --weights=1:inf raw raw2 out", "--weights=1:inf: the weights sum to inf"),
    ("nnet3-average --weights=1:-1 raw raw2 out", "--weights=1:-1: the weights sum to 0"),
    ("nnet3-average --weights=1:x raw raw2 out", "--weights=1:x: expected numbers separated by colons"),
    ("nnet3-train --momentum=nan raw ark:egs out", "momentum=nan must be zero or more"),
    ("nnet3-train --momentum=1 raw ark:egs out", "momentum=1 must be below 1"),
    ("nnet3-train --max-bad-minibatches=0 raw ark:egs out", "max-bad-minibatches=0 must be at least 1"),
    ("nnet3-train --egs.minibatch-size=x raw ark:single out", "--minibatch-size=x: 'x' is not an integer"),
    ("nnet3-train --use-gpu=perhaps raw ark:egs out", "--use-gpu=perhaps: expected one of yes, no"),
    ("nnet3-combine --max-objective-evaluations=0 raw raw2 ark:egs out", "max-objective-evaluations=0"),
    ("nnet3-compute --use-gpu=perhaps raw ark:feats ark:out", "--use-gpu=perhaps: expected one of yes"),
    ("nnet3-compute --frames-per-chunk=0 raw ark:feats ark:out", "--frames-per-chunk=0 must be at least 1"),
    ("nnet3-compute --extra-left-context=-1 raw ark:feats ark:out", "--extra-left-context=-1 must not be"),
    ("nnet3-compute --use-priors=true raw ark:feats ark:out", "raw, byte 2: expected <TransitionModel>"),
    (
        "nnet3-compute --ivectors=ark:a --online-ivectors=ark:b raw ark:feats ark:out",
        "--ivectors and --online",
    ),
    ("nnet3-compute --online-ivectors=ark:online iraw ark:feats ark:out", "--online-ivectors needs --online"),
    ("nnet3-compute --apply-exp=maybe raw ark:feats ark:out", "--apply-exp=maybe: expected true or false"),
    ("nnet3-compute raw feats ark:out", "'feats' is no table to read; expected ark:FILE"),
    ("nnet3-compute raw ark:feats out", "'out' is no table to write; expected ark:FILE"),
    ("nnet3-compute-from-egs --output-name=x raw ark:single ark:out", "example eg-0 has no output x"),
    ("nnet3-show-progress --num-segments=0 raw raw2", "--num-segments=0 must be at least 1"),
    ("nnet3-train --l2-regularise-factor=1 raw ark:egs out", "did you mean --l2-regularize-factor?"),
    ("nnet3-compute --frames-per-chnk=9 raw ark:feats ark:out", "did you mean --frames-per-chunk?"),
    ("nnet3-combine --max-evaluations=9 raw raw2 ark:egs out", "did you mean --max-objective-evaluations?"),
]


@pytest.mark.parametrize(("command", "message"), OPTIONS)
def test_options_without_sense_are_told_with_name_and_value(shop, capfd, command, message):
    assert message in refused(command, capfd)


@pytest.mark.parametrize(
    "command",
    [
        "nnet3-train {} raw ark:egs out",
        "nnet3-combine {} raw raw2 ark:egs out",
        "nnet3-compute {} raw ark:feats ark:out",
        "nnet3-compute-prob {} raw ark:egs",
        "nnet3-compute-from-egs {} raw ark:single ark:out",
        "nnet3-show-progress {} raw raw2",
    ],
)
def test_a_gpu_that_must_be_used_and_is_not_there_is_an_error(shop, capfd, monkeypatch, command):
    monkeypatch.setattr("nnet.device.gpu_available", lambda: False)
    assert refused(command.format("--use-gpu=yes"), capfd).startswith("--use-gpu=yes, but no GPU can be used")
    for word in ("no", "optional"):
        assert run(command.format(f"--use-gpu={word}")) == 0


def test_programs_that_compute_on_the_cpu_say_so_where_a_gpu_was_asked_for(shop, capfd, monkeypatch):
    monkeypatch.setattr("nnet.device.gpu_available", lambda: True)
    assert run("nnet3-compute-prob --use-gpu=wait raw ark:egs") == 0
    assert "This program computes on the CPU." in capfd.readouterr().err


PLACES = [
    "nnet3-train raw ark:egs {}",
    "nnet3-average raw raw2 {}",
    "nnet3-combine raw raw2 ark:egs {}",
    "nnet3-compute raw ark:feats ark:{}",
    "nnet3-compute-from-egs raw ark:single ark:{}",
    "nnet3-copy raw {}",
    "nnet3-init config {}",
    "nnet3-get-egs --num-pdfs=4 --num-frames=4 ark:feats ark:post ark:{}",
    "nnet3-train --write-stats={} raw ark:egs later",
]


@pytest.mark.parametrize("command", PLACES)
class TestPlaces:
    def test_in_a_missing_directory_are_named(self, shop, capfd, command):
        assert refused(command.format("none/out"), capfd) == "none/out: No such file or directory"

    def test_that_are_directories_are_named(self, shop, capfd, command):
        os.mkdir("here")
        assert refused(command.format("here"), capfd) == "here: Is a directory"
        assert os.listdir("here") == []

    def test_below_a_file_are_named(self, shop, capfd, command):
        assert refused(command.format("raw/out"), capfd) == "raw/out: Not a directory"

    @pytest.mark.skipif(
        not Path("/sys/kernel").is_dir(), reason="needs Linux's /sys, read-only even for root"
    )
    def test_that_are_read_only_are_named(self, shop, capfd, command):
        assert refused(command.format("/sys/kernel/out"), capfd).startswith("/sys/kernel/out: ")


def limited(*command: str, size: int) -> subprocess.CompletedProcess[str]:
    """A program that may write files of `size` bytes at most, as on a disk that is full soon."""
    return subprocess.run(
        [Path(sys.executable).parent / command[0], "--print-args=false", *command[1:]],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # else Python keeps what it wrote of that
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command",
    [
        "nnet3-copy raw /dev/full",
        "nnet3-train raw ark:egs /dev/full",
        "nnet3-compute raw ark:feats ark:/dev/full",
    ],
)
def test_a_device_without_space_is_named(shop, capfd, command):
    assert refused(command, capfd) == "/dev/full: No space left on device"


@pytest.mark.parametrize(
    "command",
    [
        "nnet3-train raw ark:egs out",
        "nnet3-compute raw ark:feats ark:out",
        "nnet3-copy --binary=false raw out",
        "nnet3-merge-egs --minibatch-size=4 ark:single ark,t:out",
    ],
)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(shop, command):
    Path("out").write_text("old")
    before = sorted(os.listdir())
    done = limited(*command.split(), size=1000)
    assert done.returncode == 1
    assert error_of(done.stderr) == "out: File too large"
    assert Path("out").read_text() == "old" and sorted(os.listdir()) == before
