"""Missing, empty, truncated and foreign files: one line that names the file, status 1, nothing written."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from tests.nnet.programs.workshop import error_of, run

COMMANDS = [
    "nnet3-info raw",
    "nnet3-init config out",
    "nnet3-copy raw out",
    "nnet3-am-init mdl raw out",
    "nnet3-am-copy mdl out",
    "nnet3-am-info mdl",
    "nnet3-am-adjust-priors mdl priors out",
    "nnet3-am-train-transitions mdl ark:ali out",
    "nnet3-train raw ark:egs out",
    "nnet3-train --egs.minibatch-size=4 --egs.frame=1 raw ark:single out",
    "nnet3-average raw raw2 out",
    "nnet3-combine raw raw2 ark:egs out",
    "nnet3-compute raw ark:feats ark:out",
    "nnet3-compute --use-priors=true mdl ark:feats ark:out",
    "nnet3-compute --ivectors=ark:ivectors iraw ark:feats ark:out",
    "nnet3-compute --online-ivectors=ark:online --online-ivector-period=10 iraw ark:feats ark:out",
    "nnet3-compute-prob raw ark:egs",
    "nnet3-compute-from-egs raw ark:single ark:out",
    "nnet3-show-progress raw raw2 ark:egs",
    "nnet3-get-egs --num-pdfs=4 --num-frames=4 ark:feats ark:post ark:out",
    "nnet3-copy-egs ark:egs ark:out",
    "nnet3-shuffle-egs ark:single ark:out",
    "nnet3-merge-egs --minibatch-size=4 ark:single ark:out",
    "nnet3-subset-egs --n=5 ark:single ark:out",
    "nnet3-acc-lda-stats raw ark:single out",
    "ali-to-pdf mdl ark:ali ark:out",
    "ali-to-post ark:ali ark:out",
    "copy-feats ark:feats ark:out",
    "copy-int-vector ark:ali ark:out",
    "feat-to-dim ark:feats -",
    "tree-info tree",
]
NOISE = bytes(random.Random(1).randrange(256) for _ in range(3000))
FOREIGN = {
    "a sentence": b"This is not a file of Kaldi's.\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
    "zeros": bytes(2000),
    "noise": NOISE,
    "damaged gzip data": b"\x1f\x8b\x08\x00" + NOISE,
}
UNREAD_TAIL = {  # what stands behind is not read, as by Kaldi: transitions alone, the first matrix alone
    ("nnet3-am-init", "mdl"),
    ("ali-to-pdf", "mdl"),
    ("feat-to-dim", "feats"),
}


def files_of(command: str) -> list[str]:
    """The files that a command reads."""
    words = [word.rpartition("=")[2].rpartition(":")[2] for word in command.split()[1:]]
    return [w for w in words if Path(w).is_file()]


def refused(command: str, name: str, capfd) -> str:
    """The error line of a command that must fail, leave no file behind and say which file is bad."""
    before = sorted(os.listdir())
    assert run(command) == 1, name
    assert sorted(os.listdir()) == before
    message = error_of(capfd.readouterr().err)
    assert name in message
    return message


def between_records(path: str, cut: int) -> bool:
    """Whether an archive that ends at `cut` is whole, only shorter."""
    data = Path(path).read_bytes()
    keys = (b"u0 ", b"u1 ", b"u2 ", b"u3 ", b"eg-", b"merged-")
    return any(data.startswith(key, cut) for key in keys)


@pytest.mark.parametrize("command", COMMANDS)
def test_all_commands_work_on_good_files(shop, command):
    assert run(command) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file_or_a_directory_is_named(shop, command, capfd):
    for name in files_of(command):
        os.rename(name, "aside")
        assert refused(command, name, capfd).endswith(f"{name}: No such file or directory")
        os.mkdir(name)
        assert refused(command, name, capfd).endswith(f"{name}: Is a directory")
        os.rmdir(name)
        os.rename("aside", name)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_file_is_refused(shop, command, capfd):
    for name in files_of(command):
        whole = Path(name).read_bytes()
        Path(name).write_bytes(b"")
        assert run(command) == (0 if command.startswith("ali-to-pdf") and name == "ali" else 1)  # as Kaldi's
        log = capfd.readouterr().err
        if f"ark:{name}" not in command:
            assert name in error_of(log) and not Path("out").exists()
        elif not command.startswith("ali-to-pdf"):
            error_of(log)
        Path(name).write_bytes(whole)


@pytest.mark.parametrize("command", COMMANDS)
def test_truncated_files_are_refused_wherever_they_end(shop, command, capfd):
    for name in files_of(command):
        if name == "config":  # a shorter config may be a good one
            continue
        whole = Path(name).read_bytes()
        size = len(whole)
        cuts = {1, 2, 5, size // 7, size // 3, size // 2, 2 * size // 3, size - 30, size - 9, size - 3}
        if (command.split()[0], name) in UNREAD_TAIL:
            cuts = {cut for cut in cuts if cut < 200}
        for cut in sorted(c for c in cuts if 0 < c < size and not between_records(name, c)):
            Path(name).write_bytes(whole[:cut])
            refused(command, name, capfd)
        Path(name).write_bytes(whole)


@pytest.mark.parametrize("command", COMMANDS)
def test_foreign_files_are_refused(shop, command, capfd):
    for name in files_of(command):
        whole = Path(name).read_bytes()
        strangers = dict(FOREIGN)
        strangers["features"] = Path("feats").read_bytes()
        strangers["a model"] = Path("raw2").read_bytes()
        for stranger in strangers.values():
            if stranger[:6] == whole[:6]:  # of the same kind
                continue
            Path(name).write_bytes(stranger)
            assert run(command) == 1, name
            error_of(capfd.readouterr().err)
            assert not Path("out").exists()
        Path(name).write_bytes(whole)


def test_a_model_that_ends_early_is_told_with_its_component(shop, capfd):
    whole = Path("raw").read_bytes()
    Path("raw").write_bytes(whole[: whole.index(b"h2 <LinearComponent>") + 150])
    assert "truncated or damaged (component h2)" in refused("nnet3-copy raw out", "raw", capfd)


def test_a_message_is_one_line_in_a_process_of_its_own(shop):
    import subprocess  # noqa: PLC0415

    Path("raw").write_bytes(Path("raw").read_bytes()[:1000])
    program = Path(sys.executable).parent / "nnet3-train"
    done = subprocess.run(
        [program, "--print-args=false", "raw", "ark:egs", "out"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("ERROR (nnet3-train[pynnet3-") and "raw, byte" in done.stderr
