"""Models are scored one process at a time, and all that is left at once in the end."""

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steps.diagnostics import MOST, SHARES, Diagnostics
from steps.executor import Job, JobFailed


class Held:
    """An executor whose jobs end when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.futures: list[Future[float]] = []

    def submit(self, job: Job) -> Future[float]:
        self.jobs.append(job)
        self.futures.append(Future())
        return self.futures[-1]

    def models(self, number: int) -> int:
        argv = self.jobs[number].argv
        return len(argv) - argv.index("--") - 1


@pytest.fixture
def made(tmp_path: Path) -> tuple[Diagnostics, Held, list[str]]:
    executor, said = Held(), list[str]()
    exp = SimpleNamespace(
        dir=tmp_path,
        log=lambda name: tmp_path / "log" / f"{name}.log",
        model=lambda name: tmp_path / f"{name}.mdl",
    )
    run: Any = SimpleNamespace(
        exp=exp,
        executor=executor,
        say=said.append,
        options=SimpleNamespace(compute_per_dim_accuracy=False),
    )
    method: Any = SimpleNamespace(subset=lambda name: f"ark:{name}", scoring=SimpleNamespace(word="frames"))
    return Diagnostics(run, method), executor, said


def test_what_comes_while_a_process_runs_is_scored_by_the_next_one(made):
    diagnostics, executor, _ = made
    for name in range(MOST + 4):
        diagnostics.add(name)
    assert len(executor.jobs) == 1 and executor.models(0) == 1 and executor.jobs[0].background
    executor.futures[0].set_result(1.0)
    assert len(executor.jobs) == 2 and executor.models(1) == MOST
    executor.futures[1].set_result(1.0)
    assert executor.models(2) == 3


def test_in_the_end_all_that_is_left_is_shared_among_processes_of_full_priority(made, monkeypatch):
    diagnostics, executor, _ = made
    for name in range(2 * SHARES + 2):
        diagnostics.add(name)
    monkeypatch.setattr(diagnostics._idle, "wait", lambda: None)
    diagnostics.wait()
    last = executor.jobs[1:]
    assert len(last) == SHARES and not any(job.background for job in last)
    assert sum(executor.models(n) for n in range(len(executor.jobs))) == 2 * SHARES + 2
    for future in executor.futures[:-1]:
        future.set_result(1.0)
        assert not diagnostics._idle.is_set()
    executor.futures[-1].set_result(1.0)
    assert diagnostics._idle.is_set() and len(executor.jobs) == 1 + SHARES


def test_a_model_is_removed_once_it_is_scored(made, tmp_path):
    diagnostics, executor, _ = made
    (tmp_path / "0.mdl").touch()
    diagnostics.add(0)
    diagnostics.release([0])
    assert (tmp_path / "0.mdl").exists()
    executor.futures[0].set_result(1.0)
    assert not (tmp_path / "0.mdl").exists()


def test_what_is_left_in_the_end_is_removed_only_when_it_is_scored(made, tmp_path, monkeypatch):
    diagnostics, executor, _ = made
    paths = [tmp_path / f"{name}.mdl" for name in range(SHARES + 2)]
    for name, path in enumerate(paths):
        path.touch()
        diagnostics.add(name)
    diagnostics.release(range(SHARES + 2))
    monkeypatch.setattr(diagnostics._idle, "wait", lambda: None)
    diagnostics.wait()
    assert all(path.exists() for path in paths)
    for future in executor.futures:
        future.set_result(1.0)
    assert not any(path.exists() for path in paths)


def test_a_failure_is_told_at_once_and_raised_in_the_end(made):
    diagnostics, executor, said = made
    diagnostics.add(0)
    executor.futures[0].set_exception(JobFailed(executor.jobs[0], 1, 1))
    assert "diagnose.0 failed" in said[0]
    with pytest.raises(JobFailed):
        diagnostics.wait()
