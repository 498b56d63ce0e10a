"""What every program shares: exit status, one line for an error, interrupts, vanished readers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from nnet import __version__
from nnet.programs.program import log, option, program_name, run_program, warn


@dataclass
class Options:
    number: int = option(1, "A number")
    table: str = option("", "A table")


def run(body, *argv, nargs=(0, None)):
    return run_program("Usage: test", Options, body, nargs, argv)


def test_status_is_that_of_the_body():
    assert run(lambda options: None) == 0
    assert run(lambda options: 3) == 3


def test_options_and_arguments_reach_the_body():
    seen = []
    run(lambda options, *arguments: seen.append((options.number, arguments)), "--number=5", "a", "b")
    assert seen == [(5, ("a", "b"))]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad\nvalue"), "bad value"),
        (FileNotFoundError(2, "No such file or directory", "f"), "f: No such file or directory"),
        (OSError("command failed"), "command failed"),
        (OSError(28, "No space left on device"), "writing failed: No space left on device"),
        (MemoryError(), "out of memory"),
        (MemoryError("12 GB"), "out of memory: 12 GB"),
    ],
)
def test_an_error_is_one_line_and_status_1(error, message, capsys):
    def body(options):
        raise error

    assert run(body, "--print-args=false") == 1
    assert capsys.readouterr().err == f"ERROR (test-program[pynnet3-{__version__}]) {message}\n"


def test_a_mistake_in_the_program_keeps_its_traceback():
    def body(options):
        raise KeyError("ours")

    with pytest.raises(KeyError):
        run(body)


def test_an_interrupt_is_status_130(capsys):
    def body(options):
        raise KeyboardInterrupt

    assert run(body) == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_command_line_is_printed_unless_refused(capsys):
    run(lambda options, *a: None, "--number=2", "ark:a b |")
    assert capsys.readouterr().err == "test-program --number=2 'ark:a b |'\n"
    run(lambda options, *a: None, "--print-args=false", "x")
    assert capsys.readouterr().err == ""


def test_help_is_status_0_and_prints_the_usage(capsys):
    assert run(lambda options: pytest.fail("ran"), "--help") == 0
    assert "--number" in capsys.readouterr().err


def test_nothing_where_something_is_needed_prints_the_usage(capsys):
    assert run(lambda options, *a: pytest.fail("ran"), nargs=(1, 2)) == 1
    error = capsys.readouterr().err
    assert "Usage: test" in error and "--number" in error


@pytest.mark.parametrize(
    ("argv", "nargs", "wanted"),
    [
        (["a", "b", "c"], (1, 2), "expected 1 to 2 arguments, found 3"),
        (["--number=3"], (1, None), "expected 1 or more arguments, found 0"),
        (["a"], (2, 2), "expected 2 arguments, found 1"),
    ],
)
def test_a_wrong_number_of_arguments_is_one_line(argv, nargs, wanted, capsys):
    assert run(lambda options, *a: pytest.fail("ran"), "--print-args=false", *argv, nargs=nargs) == 1
    error = capsys.readouterr().err
    assert f"{wanted}. Usage: test; --help lists the options" in error and error.count("\n") == 1


def test_a_program_that_could_make_nothing_names_what_it_read(capsys):
    assert run(lambda options, *a: 1, "--print-args=false", "ark:empty", "ark:out") == 1
    assert "made of what was read (ark:empty, ark:out): see above" in capsys.readouterr().err


def test_an_unknown_option_is_one_line(capsys):
    assert run(lambda options: pytest.fail("ran"), "--nummer=3") == 1
    assert capsys.readouterr().err.endswith("there is no option --nummer; did you mean --number?\n")


def test_consent_to_commands_in_script_files_reaches_all_tables():
    seen = []
    argv = ["--allow-pipes-in-scp", "--table=scp:t", "scp:a", "ark:b", "c"]
    run(lambda options, *arguments: seen.extend([options.table, *arguments]), *argv)
    assert seen == ["scp,pipes:t", "scp,pipes:a", "ark:b", "c"]


def test_log_lines_look_like_kaldis(capsys):
    log("prog", "done")
    warn("prog", "careful")
    assert (
        capsys.readouterr().err
        == f"LOG (prog[pynnet3-{__version__}]) done\nWARNING (prog[pynnet3-{__version__}]) careful\n"
    )


def test_the_name_of_a_program_is_that_of_its_module():
    assert program_name(run) == "test-program"


def test_a_reader_that_goes_away_ends_the_program_quietly(tmp_path):
    (tmp_path / "a").write_text("".join(f"key{n} {n}\n" for n in range(100_000)))
    copy = f"{sys.executable} -m nnet.programs.copy_int_vector --print-args=false"
    command = f"{copy} ark:{tmp_path}/a ark,t:- | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout == b"key0 0 \n141\n"
    assert done.stderr == b""


@pytest.mark.parametrize("target", ["ark:/dev/full", "ark:- > /dev/full"])
@pytest.mark.parametrize("size", [10, 10_000])
def test_a_full_disk_is_one_line(target, size, tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    (tmp_path / "a").write_text("".join(f"key{n} {n}\n" for n in range(size)))
    copy = f"{sys.executable} -m nnet.programs.copy_int_vector --print-args=false ark:{tmp_path}/a {target}"
    done = subprocess.run(["bash", "-c", copy], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "No space left on device" in done.stderr.decode()


def test_ctrl_c_leaves_no_half_written_file(tmp_path):
    command = [
        sys.executable,
        "-m",
        "nnet.programs.copy_int_vector",
        "ark:echo a 1; exec sleep 20 |",
        f"ark:{tmp_path}/out",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    while not any(tmp_path.iterdir()):
        time.sleep(0.01)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []
