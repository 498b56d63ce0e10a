"""The loop over iterations: train jobs in parallel, leave out bad models, average, go on."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from nnet import tree
from nnet.combination import average, scale_net
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.programs.nnet3_show_progress import norms
from steps import dropout
from steps.diagnostics import Diagnostics
from steps.discard import discard_models
from steps.executor import Job, JobFailed
from steps.experiment import ITERATIONS, Stage, read_json, write_json
from steps.method import Method, common_arguments
from steps.model_file import Model, read_model, write_model
from steps.outcome import Outcome, accepted, best, read_objective, read_seconds
from steps.progress_line import Clock, progress_line
from steps.records import change_norms, component_sums, iteration_record, write_progress_log
from steps.run import Run, python_job
from steps.schedule import Iteration, Schedule, Share, check_l2


@dataclass
class Training:
    """The iterations of one run. `keep` are the iterations whose models the final combination needs."""

    run: Run
    schedule: Schedule
    method: Method
    diagnostics: Diagnostics
    keep: set[int]
    after_iteration: Callable[[int], None] = lambda number: None
    curves: tuple[dropout.Curve, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.curves = dropout.parse(self.run.options.dropout_schedule)

    def train(self, about: dict[str, Any]) -> bool:
        """Train from the last model there is to the last iteration; False if --exit-stage ended it before.

        Raises Changed if the models there are were made with other settings than `about`, ValueError for a
        penalty that would flip signs in any iteration.
        """
        run, exp = self.run, self.run.exp
        stage, last = Stage(ITERATIONS, 0, (), about), exp.last_model() or 0
        if last:
            stage.check(exp.dir)
        elif not stage.matches(exp.dir):
            discard_models(exp, 0)
        stage.begin(exp.dir)
        exp.record(0).parent.mkdir(exist_ok=True)
        if run.options.stage > last:
            raise ValueError(
                f"--stage={run.options.stage} begins at a model that does not exist; the last one is "
                f"{exp.model(last)}"
            )
        if last:
            done = "; what is done from --stage on is kept without --restart=true"
            run.say(f"continuing with {exp.model(last)}{done if 0 < run.options.stage < last else ''}")
        self.diagnostics.add_missing(last)
        return self._iterate_from(last)

    def _iterate_from(self, last: int) -> bool:
        """Files of an iteration are written while the next one's jobs already run."""
        model, clock = read_model(self.run.exp.model(last)), Clock(self.schedule)
        for iteration in self.schedule:
            check_l2(iteration, penalties(model.nnet))
        store: Callable[[], None] = lambda: None  # noqa: E731
        for iteration in self.schedule:
            if iteration.number == self.run.options.exit_stage:
                store()
                self.run.say(f"stopping before iteration {iteration.number}, as --exit-stage says")
                return False
            if iteration.number >= last:
                start = time.time()
                shrunk = replace(iteration, shrink=self.method.shrink(iteration, model.nnet))
                futures = self._start_jobs(shrunk, model.nnet)
                store()
                model, store = self._finish(shrunk, futures, model, start, clock)
        store()
        return True

    def _start_jobs(self, iteration: Iteration, nnet: Nnet) -> list[Future[float] | None]:
        """Futures of the jobs; None for one whose results an interrupted run left."""
        exp, number = self.run.exp, iteration.number
        write_nnet(prepared(nnet, iteration, self.curves), str(exp.start_model(number)))
        futures: list[Future[float] | None] = []
        for share in iteration.shares:
            done = exp.job_model(number, share.job).exists() and exp.job_stats(number, share.job).exists()
            if done and read_objective(exp.train_log(number, share.job)) is not None:
                futures.append(None)
            else:
                futures.append(self.run.executor.submit(self._job(iteration, share)))
        return futures

    def _job(self, iteration: Iteration, share: Share) -> Job:
        exp, number = self.run.exp, iteration.number
        options = [
            *common_arguments(self.run.options, iteration, self.method.backstitch_scale(iteration)),
            f"--write-stats={exp.job_stats(number, share.job)}",
            *self.method.arguments(iteration, share),
        ]
        model, output = exp.start_model(number), exp.job_model(number, share.job)
        return python_job(
            f"train.{number}.{share.job}",
            self.method.program,
            [*options, str(model), *self.method.files(share), str(output)],
            exp.train_log(number, share.job),
            gpu=self.run.options.use_gpu not in ("no", "false"),
            outputs=(output, exp.job_stats(number, share.job)),
        )

    def _finish(
        self,
        iteration: Iteration,
        futures: list[Future[float] | None],
        model: Model,
        start: float,
        clock: Clock,
    ) -> tuple[Model, Callable[[], None]]:
        """Wait for the jobs; the next model, and what stores it and all that is known of the iteration."""
        exp, number, outcomes = self.run.exp, iteration.number, self._outcomes(iteration, futures)
        models = self._usable_models(iteration, outcomes)
        good = accepted([o for o in outcomes if o.job in models])
        nnet = average(models[o.job] for o in good) if iteration.averages else models[best(good).job]
        seconds = time.time() - start

        def store() -> None:
            record = iteration_record(iteration, outcomes, [o.job for o in good], seconds, self.curves)
            stats = [read_json(exp.job_stats(number, o.job)) for o in good]
            change = change_norms(model.nnet, nnet)
            record["components"] = component_sums(stats, change, norms(nnet.components))
            write_progress_log(exp.log(f"progress.{number + 1}"), nnet, change, norms(model.nnet.components))
            write_json(exp.record(number), record)
            write_model(model.with_trained(nnet), exp.model(number + 1))
            self._tidy(iteration)
            self.diagnostics.add(number + 1)
            clock.passed(iteration, seconds)
            self.run.say(progress_line(self.schedule, record, self.diagnostics.latest(), clock))
            self.after_iteration(number)

        return model.with_trained(nnet), store

    def _outcomes(self, iteration: Iteration, futures: list[Future[float] | None]) -> list[Outcome]:
        """Results of all jobs. Raises JobFailed for a job that failed otherwise than by diverging."""
        running = [f for f in futures if f is not None]
        wait(running, return_when=FIRST_EXCEPTION)
        outcomes = []
        for share, future in zip(iteration.shares, futures):
            log = self.run.exp.train_log(iteration.number, share.job)
            try:
                seconds = future.result() if future is not None else read_seconds(log) or 0.0
            except JobFailed as failure:
                if not diverged(failure):
                    raise
                outcomes.append(Outcome(share.job, math.nan, 0.0, 0.0))
                continue
            objective, frames = read_objective(log) or (math.nan, 0.0)
            outcomes.append(Outcome(share.job, objective, frames, seconds))
        return outcomes

    def _usable_models(self, iteration: Iteration, outcomes: list[Outcome]) -> dict[int, Nnet]:
        """The networks worth averaging by job; a NaN or a far worse objective disqualifies. ValueError
        if all are.
        """
        number, models = iteration.number, {}
        for o in accepted(outcomes):
            nnet = read_nnet(str(self.run.exp.job_model(number, o.job)))
            if tree.all_finite(nnet.components) is None:
                models[o.job] = nnet
        dropped = [o for o in outcomes if o.job not in models]
        if not models:
            raise ValueError(
                f"iteration {number}: no job has a finite objective and model (logs "
                f"{self.run.exp.train_log(number, 1)} "
                "...); lower the learning rate or --trainer.max-param-change"
            )
        for o in dropped:
            self.run.say(
                f"warning: iteration {number}: job {o.job} is left out, its objective is {o.objective:.4g}"
            )
        return models

    def _tidy(self, iteration: Iteration) -> None:
        """Remove what the jobs used and made, and the model before the last if nothing needs it."""
        exp, number = self.run.exp, iteration.number
        for job in range(1, iteration.num_jobs + 1):
            exp.job_model(number, job).unlink(missing_ok=True)
            exp.job_stats(number, job).unlink(missing_ok=True)
        exp.start_model(number).unlink(missing_ok=True)
        if self.run.options.cleanup:
            self.diagnostics.release(
                [
                    n
                    for n in range(number)
                    if n not in self.keep and n % self.run.options.preserve_model_interval
                ]
            )


def prepared(nnet: Nnet, iteration: Iteration, curves: tuple[dropout.Curve, ...]) -> Nnet:
    """The network that the iteration's jobs start from: learning rate set, shrunk, dropout set."""
    nnet = nnet.copy()
    for _, c in tree.updatable(nnet.components):
        c.set_learning_rate(iteration.learning_rate)
    if iteration.shrink != 1.0:
        scale_net(nnet, iteration.shrink)
    for pattern, proportion in dropout.proportions(curves, iteration.fraction):
        matches = re.compile(".*".join(map(re.escape, pattern.split("*")))).fullmatch
        for name, component in nnet.components.items():
            if hasattr(component, "dropout_proportion") and matches(name):
                component.dropout_proportion = proportion
    return nnet


def penalties(nnet: Nnet) -> dict[str, tuple[float, float]]:
    """(l2-regularize, learning-rate-factor) of the components that have the former."""
    return {
        name: (c.l2_regularize, c.learning_rate_factor)
        for name, c in tree.updatable(nnet.components)
        if c.l2_regularize
    }


def diverged(failure: JobFailed) -> bool:
    """Whether the job says that its objective or model became infinite or NaN."""
    return "non-finite objective" in str(failure) or "NaN or infinity" in str(failure)
