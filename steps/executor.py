"""How jobs are started: one small interface, submit(job) -> Future, for local processes and for wrappers
like queue.pl.
"""

from __future__ import annotations

import os
import queue
import re
import shlex
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nnet.files import drop_link
from steps.nursery_client import NurseryClient
from steps.texts import naming

TAIL = 12  # lines of a failed job's log in the error message
GPU_MEMORY = 90  # per cent of a device that jobs sharing it may hold together
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """A command with a log of its own, and the files that it must make. `background` jobs have low priority
    and a place apart from the others.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    gpu: bool = False
    background: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Path, ...] = ()


class JobFailed(RuntimeError):  # noqa: N818 - what happened
    """A job ended badly more often than it may be tried again."""

    def __init__(self, job: Job, status: int, attempts: int, missing: Path | None = None):
        reason = describe(status) if missing is None else f"exit status 0, but it did not make {missing}"
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        lines = "\n".join("  " + line for line in log_tail(job.log))
        super().__init__(f"job {job.name} failed: {reason}{tries}; log {job.log} ends:\n{lines}")
        self.job, self.status = job, status


class JobCancelled(RuntimeError):  # noqa: N818 - what happened
    """The run ended before the job did."""


class Executor(Protocol):
    """Starts jobs. A job that fails is tried again before its future raises JobFailed, unless it says itself
    what is wrong; the result is seconds taken.
    """

    def submit(self, job: Job) -> Future[float]:
        """Start `job` when there is room for it."""

    def close(self) -> None:
        """Kill what still runs; submit nothing more."""


class LocalExecutor:
    """Runs jobs as processes of this machine, `max_jobs` at a time, each with `threads` BLAS threads.

    With `gpus` (device numbers) every job that wants one gets a device by CUDA_VISIBLE_DEVICES, to itself or,
    where its number is given several times, with an equal part of its memory by CUPY_GPU_MEMORY_LIMIT, which
    may be set for all beforehand. Nothing of this needs a mode of the device, or root.
    `modules` are imported once, before the first job. `background_jobs` more may run at low priority.
    """

    patience = 0.0  # seconds until the outputs of a job that succeeded must be seen

    def __init__(
        self,
        max_jobs: int = 1,
        threads: int = 1,
        gpus: Sequence[str] = (),
        retries: int = 2,
        modules: Sequence[str] = (),
        background_jobs: int = 1,
    ):
        self.retries = retries
        self._nursery = NurseryClient({v: str(threads) for v in THREAD_VARIABLES}, modules)
        self._front = ThreadPoolExecutor(max_jobs, thread_name_prefix="job")
        self._back = ThreadPoolExecutor(background_jobs, thread_name_prefix="background")
        self._gpus: queue.SimpleQueue[str] = queue.SimpleQueue()
        for gpu in gpus:
            self._gpus.put(gpu)
        self._sharing = Counter(gpus)  # jobs on each device
        self._closing = False

    def warm_up(self) -> None:
        """Let the imports of the first job begin now."""
        self._nursery.start()

    def submit(self, job: Job) -> Future[float]:
        """Start `job` when a place (and a GPU, if it wants one) is free."""
        return (self._back if job.background else self._front).submit(self._run, job)

    def close(self) -> None:
        """Kill running jobs with all their processes; waiting jobs never start."""
        self._closing = True
        self._front.shutdown(wait=False, cancel_futures=True)
        self._back.shutdown(wait=False, cancel_futures=True)
        self._nursery.close()
        self._front.shutdown(wait=True)
        self._back.shutdown(wait=True)

    def _run(self, job: Job) -> float:
        gpu = self._gpus.get() if job.gpu and self._sharing else None
        try:
            return self._attempts(job, self._gpu_variables(gpu))
        finally:
            if gpu is not None:
                self._gpus.put(gpu)

    def _gpu_variables(self, gpu: str | None) -> dict[str, str]:
        """What tells a job of its device, and how much of its memory it may hold."""
        if gpu is None:
            return {}
        variables = {"CUDA_VISIBLE_DEVICES": gpu}
        if self._sharing[gpu] > 1 and "CUPY_GPU_MEMORY_LIMIT" not in os.environ:
            variables["CUPY_GPU_MEMORY_LIMIT"] = f"{GPU_MEMORY / self._sharing[gpu]:g}%"
        return variables

    def _attempts(self, job: Job, env: Mapping[str, str]) -> float:
        for attempt in range(1, self.retries + 2):
            for path in job.outputs:
                path.unlink(missing_ok=True)
            start = time.time()
            status = 1 if self._closing else self._start(job, env)
            if self._closing:
                raise JobCancelled(f"job {job.name} was cancelled")
            if status == 0:
                seconds = time.time() - start
                missing = missing_output(job, self.patience)
                if missing is not None:
                    raise JobFailed(job, status, attempt, missing)
                return seconds
            if attempt > self.retries or (status > 0 and has_error(job.log)):
                break
            if job.log.exists():
                job.log.replace(f"{job.log}.failed{attempt}")
        raise JobFailed(job, status, attempt)

    def _start(self, job: Job, env: Mapping[str, str]) -> int:
        """One attempt, with the log lines that Kaldi's run.pl writes around a job's own."""
        start = time.time()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with naming(job.log):
            drop_link(job.log)
            job.log.write_text(
                f"# {shlex.join(job.argv)}\n# Started at {time.ctime(start)}\n#\n", encoding="utf-8"
            )
        nice = 10 if job.background else 0
        status, cpu = self._nursery.run(job.argv, job.log, nice, {**job.env, **env})
        seconds = int(time.time() - start)
        with naming(job.log), job.log.open("a", encoding="utf-8") as log:
            log.write(f"# Accounting: time={seconds} threads=1 cpu={cpu:.2f}\n")
            log.write(f"# Ended (code {status}) at {time.ctime()}, elapsed time {seconds} seconds\n")
        return status


class CommandExecutor(LocalExecutor):
    """Hands every job to a wrapper called as Kaldi's are: `WRAPPER [OPTIONS] LOG COMMAND...` (run.pl,
    queue.pl, slurm.pl).

    All jobs are handed over at once; the wrapper decides when and where they run and writes their logs.
    """

    patience = 5.0  # what another machine wrote may be seen late on a network file system

    def __init__(
        self, cmd: str, max_jobs: int = 64, threads: int = 1, retries: int = 2, gpu_options: str = "--gpu 1"
    ):
        self.wrapper = shlex.split(cmd)
        if not self.wrapper or shutil.which(self.wrapper[0]) is None:
            raise ValueError(
                f"--cmd={cmd!r}: {self.wrapper[0] if self.wrapper else 'it'} is not on PATH; "
                "--cmd=local starts jobs on this machine without a wrapper"
            )
        super().__init__(max_jobs, threads, retries=retries, background_jobs=4)
        self.gpu_options = shlex.split(gpu_options)
        self.variables = [f"{v}={threads}" for v in THREAD_VARIABLES]

    def _start(self, job: Job, env: Mapping[str, str]) -> int:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        own_log = job.log.with_name(job.log.name + ".cmd")
        own_log.unlink(missing_ok=True)
        options = self.gpu_options if job.gpu else []
        variables = [*self.variables, *(f"{k}={v}" for k, v in {**job.env, **env}.items())]
        argv = [*self.wrapper, *options, str(job.log), "env", *variables, *job.argv]
        status = self._nursery.run(argv, own_log, 0, {}).status
        if status == 0:
            own_log.unlink(missing_ok=True)
        elif not job.log.exists() and own_log.exists():
            own_log.replace(job.log)
        return status


def run_all(executor: Executor, jobs: Iterable[Job]) -> list[float]:
    """Run all jobs and return their seconds; the first failure cancels those that wait, and is raised."""
    futures = [executor.submit(job) for job in jobs]
    done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        if future.exception() is not None:
            for other in waiting:
                other.cancel()
            future.result()
    return [future.result() for future in futures]


def missing_output(job: Job, patience: float = 0.0) -> Path | None:
    """An output of the job that is not there even after `patience` seconds, or None."""
    until = time.time() + patience
    for path in job.outputs:
        while not path.exists():
            if time.time() >= until:
                return path
            time.sleep(0.1)
    return None


def log_tail(log: Path, lines: int = TAIL) -> list[str]:
    """The last lines of a log that are not the wrapper's."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ["(there is no log)"]
    return [line for line in text if line.strip() and not line.startswith("#")][-lines:] or [
        "(nothing was logged)"
    ]


def has_error(log: Path) -> bool:
    """Whether a job's log has a line in which one of our programs reports an error of its input: it would
    end so again.
    """
    try:
        return re.search(rb"^ERROR \(", log.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return False


def describe(status: int) -> str:
    """`exit status 3`, or `killed by SIGKILL` for the negative status of a signal."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
