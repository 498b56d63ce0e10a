"""What surrounds every training script: the lock, the executors, signals, messages, mail, and errors in
one line.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnet.files import drop_link
from nnet.programs.program import describe
from steps.executor import CommandExecutor, JobFailed, LocalExecutor, usable_cores
from steps.experiment import Experiment
from steps.lock import locked
from steps.run import Run, stop_on_signals
from steps.texts import naming
from steps.train_options import CommonOptions

INTERRUPTED = 130


def guarded(name: str, argv: Sequence[str], options: Any, train: Callable[[Run], None]) -> int:
    """Run `train` with the directory locked; bad input and failed jobs end in one message and status 1."""
    directory = Path(options.dir)
    say = Messages(name, directory / "log" / f"{name.removesuffix('.py').replace('/', '_')}.log")
    try:
        if not directory.is_dir():
            raise ValueError(
                f"--dir={directory} does not exist; it should hold configs/ from xconfig-to-configs"
            )
        with stop_on_signals(), locked(directory):
            say.open(argv)
            with running(options, say) as run:
                train(run)
        return 0
    except KeyboardInterrupt:
        say("stopped; the same command continues this run")
        return INTERRUPTED
    except (ValueError, OSError, JobFailed, MemoryError) as error:
        say(f"error: {error if isinstance(error, JobFailed) else describe(error)}")
        mail(options.email, f"{name}: training in {directory} stopped", str(error))
        return 1


@contextmanager
def running(options: CommonOptions, say: Callable[[str], None]) -> Iterator[Run]:
    """A run with its executors, which are closed, and their jobs killed, at the end however it comes."""
    exp = Experiment(Path(options.dir), options.suffix)  # type: ignore[attr-defined]
    exp.sweep()
    executor = make_executor(options.cmd, options)
    try:
        egs_executor = executor
        if options.egs_cmd is not None and options.egs_cmd != options.cmd:
            egs_executor = make_executor(options.egs_cmd, options)
        try:
            yield Run(options, exp, executor, egs_executor, say)
        finally:
            egs_executor.close()
    finally:
        executor.close()
        exp.sweep()


def make_executor(cmd: str, options: CommonOptions) -> LocalExecutor:
    """The executor that --cmd names. Raises ValueError if there is no such wrapper, or no GPU where one
    is required.
    """
    if cmd != "local":
        wants_gpu = options.use_gpu in ("yes", "wait", "true")
        gpu_options = "--gpu 1" if wants_gpu else ""
        return CommandExecutor(cmd, 64, options.threads_per_job, options.job_retries, gpu_options)
    devices = gpus(options.use_gpu)
    jobs = options.max_local_jobs or max(1, usable_cores() // options.threads_per_job)
    if options.jobs_per_gpu < 1:
        raise ValueError(f"--cuda.jobs-per-gpu={options.jobs_per_gpu} must be at least 1")
    places = devices * options.jobs_per_gpu
    executor = LocalExecutor(
        max(jobs, len(places)), options.threads_per_job, places, options.job_retries, options.job_modules
    )
    executor.warm_up()
    return executor


def gpus(use_gpu: str) -> list[str]:
    """Names of the CUDA devices that jobs may use. Raises ValueError if one is required, or to be waited for,
    and there is none.
    """
    if use_gpu in ("no", "false"):
        return []
    count = 0
    if importlib.util.find_spec("cupy") is not None:
        code = "from nnet.backend import gpu_count; print(gpu_count())"  # apart: it would hold memory here
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        count = int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else 0
    if count == 0 and use_gpu in ("yes", "wait", "true"):
        raise ValueError(
            f"--use-gpu={use_gpu}, but CuPy is not installed or sees no CUDA device; "
            "--use-gpu=optional or --use-gpu=no trains on the CPU"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(n) for n in range(count)]


class Messages:
    """Prints messages with the time, and keeps them in a log in the experiment's directory while it can be
    written.
    """

    def __init__(self, name: str, path: Path):
        self.name, self.path = name, path
        self.ready = False

    def open(self, argv: Sequence[str]) -> None:
        """Begin to keep messages; the command line comes first."""
        with naming(self.path.parent):
            self.path.parent.mkdir(exist_ok=True)
            drop_link(self.path)
        self.ready = True
        self._keep(f"# {self.name} {shlex.join(argv)}")

    def __call__(self, message: str) -> None:
        """Say something."""
        line = f"{time.strftime('%H:%M:%S')} {message}"
        print(line, file=sys.stderr, flush=True)
        self._keep(line)

    def _keep(self, line: str) -> None:
        if not self.ready:
            return
        try:
            with self.path.open("a", encoding="utf-8") as log:
                log.write(line + "\n")
        except OSError as error:
            self.ready = False
            self(f"warning: {self.path} cannot be written ({error.strerror}); messages are not kept any more")


def mail(address: str | None, subject: str, text: str) -> None:
    """Send a mail with the system's mail program; without an address, or such a program, nothing is sent."""
    if address is None:
        return
    try:
        subprocess.run(["mail", "-s", subject, address], input=text, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no mail was sent to {address}: {error}", file=sys.stderr)
