"""When what is trained: iterations, jobs, archives, learning rates and shrinkage, as pure functions of
the options.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steps.minibatch_size import halve, largest_size


@dataclass(frozen=True)
class Share:
    """What one job of an iteration reads: archive `archive` (from 1) and the labelled frame or shift `pick`
    of its examples.

    `index` counts all jobs of the run from 0 (Kaldi's k).
    """

    job: int
    index: int
    archive: int
    pick: int


@dataclass(frozen=True)
class Iteration:
    """One iteration: all that its jobs share, and what each reads.

    `effective_rate` is the rate per job, `learning_rate` what a job uses (times the number of jobs);
    `fraction` is the part of the run's data consumed before it, 0 to 1.
    """

    number: int
    effective_rate: float
    learning_rate: float
    shrink: float
    fraction: float
    epoch: float
    minibatch_size: str
    max_param_change: float
    l2_factor: float
    shares: tuple[Share, ...]

    @property
    def num_jobs(self) -> int:
        return len(self.shares)

    @property
    def averages(self) -> bool:
        """Whether the jobs' models are averaged; the first iteration takes the best one."""
        return self.number > 0


@dataclass(frozen=True)
class Schedule:
    """The plan of a whole run, from options and the number of archives (Kaldi's steps/nnet3/train_*.py).

    `picks` is how many passes over the archives make an epoch: the labelled frames per example of frame-level
    training, the frame-subsampling factor of chain training, 1 for whole chunks.
    """

    num_archives: int
    picks: int
    num_epochs: float
    jobs_initial: int
    jobs_final: int
    jobs_step: int
    initial_rate: float
    final_rate: float
    minibatch_size: str
    max_param_change: float
    proportional_shrink: float = 0.0

    def __post_init__(self) -> None:
        if self.num_iters < 1:
            raise ValueError(
                f"nothing to train: {self.num_epochs} epochs of {self.num_archives} archives x {self.picks} "
                "passes are "
                f"{self.to_process} jobs, fewer than one iteration of ({self.jobs_initial} + "
                f"{self.jobs_final}) / 2 jobs; "
                "raise --trainer.num-epochs, or lower --trainer.samples-per-iter or the number of jobs"
            )

    @property
    def archives_expanded(self) -> int:
        return self.num_archives * self.picks

    @property
    def to_process(self) -> int:
        """Archives consumed in the whole run, an archive counted each time it is read."""
        return int(self.num_epochs * self.archives_expanded)

    @property
    def num_iters(self) -> int:
        return int(self.to_process * 2 / (self.jobs_initial + self.jobs_final))

    def __iter__(self) -> Iterator[Iteration]:
        """All iterations in order."""
        processed = 0
        for number in range(self.num_iters):
            iteration = self._iteration(number, processed)
            yield iteration
            processed += iteration.num_jobs

    def _iteration(self, number: int, processed: int) -> Iteration:
        jobs = num_jobs(number, self.num_iters, self.jobs_initial, self.jobs_step, self.jobs_final)
        effective = effective_rate(
            number, self.num_iters, processed, self.to_process, self.initial_rate, self.final_rate
        )
        rate = jobs * effective
        fraction = processed / self.to_process
        first = number == 0
        return Iteration(
            number=number,
            effective_rate=effective,
            learning_rate=rate,
            shrink=proportional_shrink(self.proportional_shrink, rate),
            fraction=min(fraction, 1.0),
            epoch=fraction * self.num_epochs,
            minibatch_size=halve(self.minibatch_size) if first else self.minibatch_size,
            max_param_change=self.max_param_change / math.sqrt(2) if first else self.max_param_change,
            l2_factor=1.0 / jobs,
            shares=tuple(self._share(job, processed + job - 1) for job in range(1, jobs + 1)),
        )

    def _share(self, job: int, index: int) -> Share:
        archive = index % self.num_archives + 1
        return Share(job, index, archive, pick=(index // self.num_archives + archive) % self.picks)


def num_jobs(iteration: int, num_iters: int, initial: int, step: int, final: int) -> int:
    """Jobs of an iteration: a linear ramp, rounded to multiples of `step` once above it."""
    ideal = initial + (final - initial) * iteration / num_iters
    if ideal < step:
        return int(0.5 + ideal)
    return int(0.5 + ideal / step) * step


def effective_rate(
    iteration: int, num_iters: int, processed: int, to_process: int, initial: float, final: float
) -> float:
    """Learning rate per job: falls exponentially with the data consumed; the last iteration has the
    final rate.
    """
    if iteration + 1 >= num_iters:
        return final
    return initial * math.exp(processed * math.log(final / initial) / to_process)


def proportional_shrink(strength: float, learning_rate: float) -> float:
    """The factor 1 - strength * rate by which parameters are scaled before an iteration.

    Raises ValueError if half of the parameters or more would be lost.
    """
    factor = 1.0 - strength * learning_rate
    if factor <= 0.5:
        raise ValueError(
            f"--trainer.optimization.proportional-shrink={strength} is too large: at learning rate "
            f"{learning_rate:.4g} "
            f"parameters would be scaled by 1 - {strength} * {learning_rate:.4g} = {factor:.4g}; it must "
            "stay above 0.5"
        )
    return factor


def models_to_combine(num_iters: int, archives_expanded: int, max_models: int, jobs_final: int) -> list[int]:
    """Iterations whose models enter the final combination, ascending; the last one is always among them."""
    half_epoch = min(int(archives_expanded / jobs_final / 2) + 1, num_iters // 2)
    if half_epoch > max_models:
        chosen = set(range(num_iters - half_epoch + 1, num_iters + 1, half_epoch // max_models))
    else:
        count = min(max_models, num_iters // 2)
        chosen = set(range(num_iters - count + 1, num_iters + 1))
    return sorted(chosen | {num_iters})


def l2_step(sequences: float, factor: float, rate: float, alpha: float) -> float:
    """The share of its weights that the penalty alone takes from a component in one minibatch: 2 N
    factor rate alpha.
    """
    return 2.0 * sequences * factor * rate * alpha


def check_l2(iteration: Iteration, penalties: dict[str, tuple[float, float]]) -> None:
    """Refuse settings under which the penalty would turn weights around.

    `penalties` holds (l2-regularize, learning-rate-factor) by component. Raises ValueError with the
    arithmetic.
    """
    sequences = largest_size(iteration.minibatch_size)
    for name, (alpha, rate_factor) in penalties.items():
        rate = iteration.learning_rate * rate_factor
        step = l2_step(sequences, iteration.l2_factor, rate, alpha)
        if step >= 1.0:
            raise ValueError(
                f"{name}: l2-regularize={alpha:g} would flip the signs of its weights in iteration "
                f"{iteration.number}: "
                f"2 * N * factor * rate * alpha = 2 * {sequences} * {iteration.l2_factor:.4g} * {rate:.4g} "
                f"* {alpha:g} "
                f"= {step:.4g}, which must be below 1 (N = sequences per minibatch, factor = 1 / "
                f"{iteration.num_jobs} jobs, "
                "rate = jobs * effective rate * learning-rate-factor); lower l2-regularize, the rate or the "
                "minibatch size"
            )
