"""Jobs run, fail, are tried again, are killed."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.executor import (
    CommandExecutor,
    Job,
    JobCancelled,
    JobFailed,
    LocalExecutor,
    describe,
    log_tail,
    run_all,
)


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(max_jobs=2, retries=1)
    yield made
    made.close()


def shell(tmp_path: Path, name: str, script: str, **more: bool) -> Job:
    return Job(name, ("sh", "-c", script), tmp_path / "log" / f"{name}.log", **more)


def test_output_goes_to_the_log_between_the_lines_of_run_pl(tmp_path: Path, executor: LocalExecutor) -> None:
    run_all(executor, [shell(tmp_path, "a", "echo out; echo err >&2")])
    lines = (tmp_path / "log/a.log").read_text().splitlines()
    assert lines[0] == "# sh -c 'echo out; echo err >&2'"
    assert {"out", "err"} <= set(lines)
    assert lines[-2].startswith("# Accounting: time=")
    assert lines[-1].startswith("# Ended (code 0)")


def test_a_log_that_was_a_link_leaves_what_it_led_to(tmp_path: Path, executor: LocalExecutor) -> None:
    (tmp_path / "theirs").write_text("old\n")
    (tmp_path / "a.log").symlink_to("theirs")
    executor.submit(Job("a", ("echo", "one"), tmp_path / "a.log")).result()
    assert (tmp_path / "theirs").read_text() == "old\n"
    assert "one" in (tmp_path / "a.log").read_text()


def test_the_log_tells_the_processor_time_of_a_job(tmp_path: Path, executor: LocalExecutor) -> None:
    busy = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    run_all(executor, [Job("a", (sys.executable, "-c", busy), tmp_path / "a.log")])
    accounting = (tmp_path / "a.log").read_text().splitlines()[-2]
    assert accounting.startswith("# Accounting: time=") and 0.3 <= float(accounting.split("cpu=")[1]) < 3


def test_jobs_run_side_by_side_with_one_blas_thread(tmp_path: Path, executor: LocalExecutor) -> None:
    both = f"[ -e {tmp_path}/a ] && [ -e {tmp_path}/b ]"
    script = f"touch {tmp_path}/$0; until {both}; do sleep 0.01; done; echo $OPENBLAS_NUM_THREADS"
    jobs = [Job(n, ("sh", "-c", script, n), tmp_path / f"{n}.log") for n in "ab"]
    assert len(run_all(executor, jobs)) == 2
    assert log_tail(tmp_path / "a.log") == ["1"]


def test_a_killed_job_is_started_again(tmp_path: Path, executor: LocalExecutor) -> None:
    run_all(
        executor,
        [
            shell(
                tmp_path,
                "a",
                f"[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; kill -9 $$; }}; echo done",
            )
        ],
    )
    assert log_tail(tmp_path / "log/a.log") == ["done"]
    assert (tmp_path / "log/a.log.failed1").exists()


def test_a_failing_job_is_named_with_its_log_and_last_lines(tmp_path: Path, executor: LocalExecutor) -> None:
    with pytest.raises(
        JobFailed, match=r"job a failed: exit status 3 \(2 attempts\); log .*a\.log ends:\n  the reason"
    ):
        run_all(executor, [shell(tmp_path, "a", "echo the reason; exit 3")])


def test_an_error_that_the_job_reports_is_not_tried_again(tmp_path: Path, executor: LocalExecutor) -> None:
    report = "echo 'ERROR (nnet3-train) egs.1.ark: wrong' >&2"
    with pytest.raises(JobFailed, match=r"job a failed: exit status 1; log"):
        run_all(executor, [shell(tmp_path, "a", f"{report}; exit 1")])
    with pytest.raises(JobFailed, match=r"killed by SIGKILL \(2 attempts\)"):
        run_all(executor, [shell(tmp_path, "b", f"{report}; kill -9 $$")])


def test_the_first_failure_ends_the_wait_for_the_others(tmp_path: Path, executor: LocalExecutor) -> None:
    start = time.time()
    with pytest.raises(JobFailed, match="job bad"):
        run_all(executor, [shell(tmp_path, "slow", "sleep 30"), shell(tmp_path, "bad", "exit 1")])
    assert time.time() - start < 10


def test_closing_kills_the_whole_process_group(tmp_path: Path) -> None:
    executor = LocalExecutor(max_jobs=1)
    future = executor.submit(shell(tmp_path, "a", f"sleep 60 & echo $! > {tmp_path}/pid; wait"))
    waiting = executor.submit(shell(tmp_path, "b", "true"))
    pid = wait_for(tmp_path / "pid")
    executor.close()
    assert isinstance(future.exception(), JobCancelled)
    assert waiting.cancelled()
    assert not alive(pid)


def test_jobs_survive_the_death_of_the_nursery(tmp_path: Path, executor: LocalExecutor) -> None:
    script = f"[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; kill -9 $PPID; sleep 60; }}; echo done"
    run_all(executor, [shell(tmp_path, "a", script)])
    assert log_tail(tmp_path / "log/a.log") == ["done"]


def test_an_unknown_command_is_told(tmp_path: Path, executor: LocalExecutor) -> None:
    with pytest.raises(JobFailed, match="cannot start no-such-program: No such file"):
        run_all(executor, [Job("a", ("no-such-program",), tmp_path / "a.log")])


def test_python_jobs_are_forks_that_report_their_exceptions(tmp_path: Path, executor: LocalExecutor) -> None:
    job = Job("a", (sys.executable, "-m", "steps.combine_job", "nonsense"), tmp_path / "a.log")
    with pytest.raises(JobFailed, match="exit status 1"):
        run_all(executor, [job])
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_every_gpu_job_has_a_gpu_to_itself(tmp_path: Path) -> None:
    executor = LocalExecutor(max_jobs=4, gpus=["5", "7"])
    busy = f"{tmp_path}/busy$CUDA_VISIBLE_DEVICES"
    script = f"mkdir {busy} && sleep 0.05 && rmdir {busy} && echo $CUDA_VISIBLE_DEVICES"
    run_all(executor, [shell(tmp_path, f"j{n}", script, gpu=True) for n in range(4)])
    executor.close()
    assert {log_tail(tmp_path / f"log/j{n}.log")[0] for n in range(4)} <= {"5", "7"}


def test_jobs_that_share_a_gpu_share_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUPY_GPU_MEMORY_LIMIT", raising=False)
    found = {}
    for name, gpus in (("shared", ["3", "3", "3"]), ("alone", ["3"])):
        executor = LocalExecutor(max_jobs=1, gpus=gpus)
        run_all(executor, [shell(tmp_path, name, "echo limit=$CUPY_GPU_MEMORY_LIMIT", gpu=True)])
        executor.close()
        found[name] = log_tail(tmp_path / f"log/{name}.log")
    assert found == {"shared": ["limit=30%"], "alone": ["limit="]}


def test_a_limit_that_the_user_has_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPY_GPU_MEMORY_LIMIT", "1000000")
    executor = LocalExecutor(max_jobs=1, gpus=["0", "0"])
    run_all(executor, [shell(tmp_path, "a", "echo $CUPY_GPU_MEMORY_LIMIT", gpu=True)])
    executor.close()
    assert log_tail(tmp_path / "log/a.log") == ["1000000"]


def test_background_jobs_have_low_priority(tmp_path: Path, executor: LocalExecutor) -> None:
    run_all(executor, [shell(tmp_path, "a", "nice", background=True)])
    assert log_tail(tmp_path / "log/a.log") == [str(min(19, os.nice(0) + 10))]


def test_a_wrapper_gets_options_log_and_command(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrap.sh"
    wrapper.write_text('#!/bin/sh\nshift 2\necho "$1" > $0.gpu\nshift 2\nlog=$1\nshift\n"$@" > $log 2>&1\n')
    wrapper.chmod(0o755)
    executor = CommandExecutor(f"{shlex.quote(str(wrapper))} --mem 4G", retries=0)
    run_all(executor, [shell(tmp_path, "a", "echo $OMP_NUM_THREADS", gpu=True)])
    with pytest.raises(JobFailed, match="  broken"):
        run_all(executor, [shell(tmp_path, "b", "echo broken; exit 2", gpu=True)])
    executor.close()
    assert log_tail(tmp_path / "log/a.log") == ["1"]
    assert (tmp_path / "wrap.sh.gpu").read_text() == "--gpu\n"


def test_a_wrapper_that_is_not_there_is_told_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"no-such\.pl is not on PATH; --cmd=local"):
        CommandExecutor("no-such.pl --mem 4G")


@pytest.mark.parametrize(
    ("status", "text"), [(3, "exit status 3"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")]
)
def test_statuses_are_described(status: int, text: str) -> None:
    assert describe(status) == text


def wait_for(path: Path) -> int:
    until = time.time() + 10
    while time.time() < until:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_local_jobs_that_make_nothing_fail_too(tmp_path: Path) -> None:
    stale = tmp_path / "out"
    stale.write_text("of an earlier attempt")
    executor = LocalExecutor(1)
    try:
        with pytest.raises(JobFailed, match=r"exit status 0, but it did not make .*out; log"):
            run_all(executor, [Job("a", ("true",), tmp_path / "a.log", outputs=(stale,))])
        made = Job("b", ("touch", str(stale)), tmp_path / "b.log", outputs=(stale,))
        run_all(executor, [made])
    finally:
        executor.close()
