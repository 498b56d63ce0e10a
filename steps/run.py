"""One run of a training script: its directory, options and jobs, and the rule for what need not be done
again.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.executor import Executor, Job, run_all
from steps.experiment import Experiment, Stage
from steps.options import as_dict
from steps.train_options import CommonOptions

# Options that do not change what is computed: they may differ when a run is continued.
FREE = frozenset(
    {
        "cmd",
        "egs.cmd",
        "egs.stage",
        "stage",
        "exit-stage",
        "use-gpu",
        "cuda.jobs-per-gpu",
        "cleanup",
        "cleanup.remove-egs",
        "cleanup.preserve-model-interval",
        "reporting.email",
        "reporting.interval",
        "local.max-jobs",
        "local.threads-per-job",
        "retries",
        "restart",
        "allow-pipes-in-scp",
        "lang",
        "nj",
        "dir",
        "trainer.optimization.combine-sum-to-one-penalty",
        "trainer.compute-per-dim-accuracy",
    }
)


@dataclass
class Run:
    """What the stages of a training share. `egs_executor` makes examples, `executor` does everything else."""

    options: CommonOptions
    exp: Experiment
    executor: Executor
    egs_executor: Executor
    say: Callable[[str], None]

    def do(self, stage: Stage, work: Callable[[], None]) -> bool:
        """Do a stage unless it lies before --stage or is done; returns whether it was done now.

        What an earlier attempt left is continued if its record says that it was made from the same, and
        discarded otherwise. Raises ValueError if --stage skips what does not exist and was never made,
        Changed if it was done with other options.
        """
        matches = stage.matches(self.exp.dir)
        if stage.number < self.options.stage:
            missing = [p for p in stage.outputs if not p.exists()]
            if not missing:
                return False
            if not matches:
                raise ValueError(
                    f"--stage={self.options.stage} skips stage {stage.number} ({stage.name}), "
                    f"but {missing[0]} does not exist; give --stage={stage.number} or lower"
                )
            self.say(f"{missing[0]} was removed after an earlier run: making it again")
        if stage.is_done(self.exp.dir):
            return False
        if not matches:
            stage.discard(self.exp.dir)
        stage.begin(self.exp.dir)
        work()
        return True

    def jobs(self, jobs: list[Job]) -> list[float]:
        """Run jobs and wait for all of them; seconds taken by each."""
        return run_all(self.executor, jobs)

    def about(self, *names: str) -> dict[str, Any]:
        """The values of the named options, or of all that change results, for a stage's record."""
        values = as_dict(self.options)
        return {name: values[name] for name in (names or [n for n in values if n not in FREE])}


def python_job(
    name: str,
    module: str,
    arguments: list[str],
    log: Path,
    gpu: bool = False,
    background: bool = False,
    outputs: Sequence[Path] = (),
) -> Job:
    """A job that calls MODULE.main(arguments) and makes the files `outputs`."""
    argv = (sys.executable, "-m", module, *arguments)
    return Job(name, argv, log, gpu, background, outputs=tuple(outputs))


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the run as Ctrl-C does, so that jobs are killed and files tidied."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
