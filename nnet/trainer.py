"""Training of one model on one stream of minibatches, as one Kaldi job does it (nnet-training.cc)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnet import tree
from nnet.backend import Array, array_module
from nnet.captured import Graphs, Outcome
from nnet.component import Updatable, kind_of_minibatch, minibatch_seed
from nnet.flat import Flat
from nnet.graph.limits import NO_MAXIMUM, NO_MINIMUM, Times, limits
from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import Activations, Keep, backward, forward
from nnet.graph.stats import store_stats
from nnet.kernels.masks import Seed
from nnet.kernels.update import Limits
from nnet.ledger import Entry, settle, soundness
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate, PerOutput, Value, before_log_softmax, store_label_stats
from nnet.observe import Observer
from nnet.outer import settle_estimates
from nnet.passes import Pass, backstitch
from nnet.progress import ObjectiveProgress
from nnet.updates import (
    MaxChangeStats,
    check_l2_regularization,
    constrain_orthonormal,
    scale_batchnorm_stats,
)


@dataclass(frozen=True)
class TrainerOptions:
    """The options of nnet3-train, with Kaldi's names and defaults.

    `max_bad_minibatches`: so many minibatches in a row whose objective or change is not finite end the job.
    Derivatives at frames outside `min_deriv_time` ... `max_deriv_time` count as zero;
    `max_deriv_time_relative` counts from the last output frame instead. `cuda_graphs`: on a device, launch
    the work on minibatches as CUDA graphs where that can be done.
    """

    zero_component_stats: bool = True
    store_component_stats: bool = True
    print_interval: int = 100
    max_param_change: float = 2.0
    momentum: float = 0.0
    l2_regularize_factor: float = 1.0
    batchnorm_stats_scale: float = 0.8
    backstitch_training_scale: float = 0.0
    backstitch_training_interval: int = 1
    max_bad_minibatches: int = 10
    min_deriv_time: int = NO_MINIMUM
    max_deriv_time: int = NO_MAXIMUM
    max_deriv_time_relative: int = NO_MAXIMUM
    cuda_graphs: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.backstitch_training_scale > 0 and self.momentum > 0:
            raise ValueError(
                f"backstitch-training-scale={self.backstitch_training_scale:g} needs momentum=0, "
                f"but momentum={self.momentum:g}"
            )
        for name in ("max_param_change", "momentum", "l2_regularize_factor", "backstitch_training_scale"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name.replace('_', '-')}={getattr(self, name)} must be zero or more")
        if self.momentum >= 1:
            raise ValueError(f"momentum={self.momentum:g} must be below 1")
        for name in ("print_interval", "backstitch_training_interval", "max_bad_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name.replace('_', '-')}={getattr(self, name)} must be at least 1")


class TrainingDiverged(ValueError):  # noqa: N818 - it is what happened, not a kind of error
    """Too many minibatches in a row had an objective or a change that was not finite."""


@dataclass
class Trainer:
    """Trains `nnet` in place, minibatch after minibatch.

    `log` receives the lines that Kaldi's nnet3-train logs; `observe`, if given, is
    shown the delta before L2 is added (the numbers behind the regularization table). `evaluate` makes
    objectives of outputs. On a device nothing is waited for but once in `print_interval` minibatches: only
    then are objectives logged and bad minibatches noticed, which change nothing in the meantime.
    """

    nnet: Nnet
    options: TrainerOptions = field(default_factory=TrainerOptions)
    log: Callable[[str], None] = lambda line: None
    observe: Observer | None = None
    evaluate: Evaluate = field(default_factory=PerOutput)
    num_minibatches: int = 0
    num_skipped: int = 0

    def __post_init__(self) -> None:
        if self.options.zero_component_stats:
            for c in self.nnet.components.values():
                tree.scale(c, 0.0, "stat")
        self.delta = tree.zeros_like(self.nnet.components)
        self.flat = Flat(self.nnet.components, self.delta)
        xp = array_module(self.flat.w)
        self._on_device = xp is not np
        self._seed_there = xp.zeros(1, np.uint64) if self._on_device else None
        wanted = self._on_device and self.options.cuda_graphs
        self._graphs = Graphs(xp, self.nnet.components, self.delta, self.log) if wanted else None
        self._unsettled: list[Entry] = []
        before = self._on_device and getattr(self.evaluate, "TAKES_LOGITS", False)
        self.plans = PlanCache(before_log_softmax(self.nnet) if before else self.nnet)
        self.max_change = MaxChangeStats()
        self.progress: dict[str, ObjectiveProgress] = {}
        self._bad_in_a_row = 0
        self._none_good = True
        self._sound_stats: dict[str, list[Any]] = {}  # on a device: when all was last known to be well
        self._checked: set[int] = set()  # sizes of minibatches whose L2 was found to shrink parameters

    def step(self, batch: Minibatch) -> None:
        """Train on one minibatch. Raises ValueError if it does not fit the network or its L2 would turn the
        signs of parameters, TrainingDiverged as documented.
        """
        o = self.options
        if batch.n not in self._checked:
            check_l2_regularization(self.nnet, batch.n, o.l2_regularize_factor)
            self._checked.add(batch.n)
        interval = o.backstitch_training_interval
        twice = o.backstitch_training_scale > 0 and self.num_minibatches % interval == o.seed % interval
        entry = Entry(self.num_minibatches)
        with np.errstate(
            over="ignore", invalid="ignore", divide="ignore"
        ):  # what is not finite is found below
            if twice:
                self._backstitch(batch, entry)
            else:
                self._pass(batch, Pass(step_scale=1.0 - o.momentum), entry)
        self._unsettled.append(entry)
        self.num_minibatches += 1
        if not self._on_device or entry.minibatch % o.print_interval == 0:
            self.settle()

    @property
    def num_launched(self) -> int:
        """How many passes over minibatches were CUDA graphs."""
        return 0 if self._graphs is None else self._graphs.launched

    def settle(self) -> None:
        """Log and count what is due; on a device the one place that waits for it. May raise as `step`."""
        entries, counts = settle(self._unsettled, self.flat.decision.counts)
        self._unsettled = []
        self.max_change.take(self.flat.names, counts)
        for entry in entries:
            finite = all(np.isfinite(x) for value in entry.values.values() for x in value[:2])
            for key, (total, weight, extra) in entry.values.items() if finite else ():
                progress = self.progress.setdefault(key, ObjectiveProgress(key, self.options.print_interval))
                progress.add(total, weight, entry.minibatch, self.log, extra)
            self._count(finite and all(entry.good), entry.minibatch)
        if self._on_device and not self._bad_in_a_row:
            self._sound_stats = {name: tree.stats(c) for name, c in self.nnet.components.items()}

    def finish(self) -> bool:
        """Log the totals as nnet3-train does. False if no frame was trained on."""
        self.settle()
        trained = False
        for name in sorted(self.progress):
            trained |= self.progress[name].log_total(self.log)
        for line in self.max_change.lines(self.nnet):
            self.log(line)
        if self.num_skipped:
            self.log(f"Skipped {self.num_skipped} of {self.num_minibatches} minibatches: not finite.")
        return trained

    def _backstitch(self, batch: Minibatch, entry: Entry) -> None:
        """Two passes over one minibatch with the same random masks; natural gradient is frozen in the
        first.
        """
        first, second = backstitch(self.options.backstitch_training_scale)
        self._freeze(True)
        before = self.flat.w.copy()
        self._pass(batch, first, entry)
        self._freeze(False)
        if self._on_device or all(entry.good):
            self._pass(batch, second, entry)
        self._undo_half(before, entry)

    def _undo_half(self, before: Array, entry: Entry) -> None:
        """Parameters are again what they were where one of the two passes was refused."""
        if not self._on_device:
            if not all(entry.good):
                self.flat.w[...] = before
            return
        xp = array_module(before)
        good = entry.good[0] * entry.good[1]  # the first was taken, in opposite direction, if it was good
        self.flat.w[...] = xp.where(good != 0, self.flat.w, before)

    def _freeze(self, frozen: bool) -> None:
        for _, c in tree.updatable(self.delta):
            c.scratch["frozen"] = frozen

    def _pass(self, batch: Minibatch, how: Pass, entry: Entry) -> None:
        """One forward-backward pass and update; nothing is changed if something was not finite."""
        o = self.options
        seed = minibatch_seed(o.seed, self.num_minibatches)
        if self._seed_there is not None:
            seed = Seed.at(seed, self._seed_there)
        looks = how.last and self.observe is not None and self.observe.looks_now
        if self._graphs is None or looks:
            values, good = self._work(batch, how, seed)
        else:
            key = how, kind_of_minibatch(seed), self.flat.settings_now()
            values, good = self._graphs.run(key, batch, lambda batch: self._work(batch, how, seed))
        entry.count(values, how.suffix)
        entry.good.append(0 if good is None else good[0].copy())
        if good is None:
            return
        self.max_change.minibatches += 1
        if self.observe is not None and how.last:
            self.observe.count()
        if how.orthonormal and (self._on_device or good[0]):
            rng = np.random.default_rng((o.seed & 0xFFFFFFFF, self.num_minibatches))
            constrain_orthonormal(self.nnet, rng, entry.good[-1] if self._on_device else True)

    def _work(self, batch: Minibatch, how: Pass, seed: int) -> Outcome:
        """All of a pass that a device does by itself: objectives, and (1,) whether the change was good.

        None, and nothing done, if it is known that the objective is not finite.
        """
        o = self.options
        acts, values, sound = self._forward(batch, seed)
        if sound is None:
            for c in self.delta.values():  # momentum ends here, as it does on a device
                tree.scale(c, 0.0)
            return values, None
        if o.store_component_stats:
            store_stats(self.nnet, acts)
        derivatives = {name: v.derivative for name, v in values.items() if v.derivative is not None}
        values = {name: replace(v, derivative=None) for name, v in values.items()}
        store_label_stats(self.nnet, self.plans.nnet, batch, seed, self._deriv_times(batch))
        backward(self.nnet, acts.plan, acts, derivatives, self.delta, deriv_times=self._deriv_times(batch))
        if self._on_device:
            settle_estimates(self.delta)
        if how.last and self.observe is not None and self.observe.looks_now:
            self.observe.observe(self.nnet, self.delta, batch.n * o.l2_regularize_factor)
        l2_scale = how.l2_scale * batch.n * o.l2_regularize_factor
        most = Limits(how.step_scale, l2_scale, how.max_change_scale, o.max_param_change)
        good = self.flat.update(sound, most, o.momentum if how.keep_momentum else 0.0)
        if how.last and (self._on_device or good[0]):
            scale_batchnorm_stats(self.nnet, o.batchnorm_stats_scale, good[0] if self._on_device else True)
        return values, good

    def _forward(self, batch: Minibatch, seed: int) -> tuple[Activations, dict[str, Value], Array | None]:
        """Activations, objectives, and whether all of these are finite, as `soundness` tells."""
        request = Request(
            inputs={name: frames for name, (frames, _) in batch.inputs.items()},
            outputs=self.evaluate.frames(batch),
        )
        inputs = {k: x for k, (_, x) in batch.inputs.items()}
        acts = forward(self.nnet, self.plans(request), inputs, seed, Keep.FOR_BACKWARD)
        values = self.evaluate(batch, self.plans.nnet.objective_of, acts.output)
        return acts, values, soundness(values, self.flat.w)

    def _deriv_times(self, batch: Minibatch) -> Times | None:
        o = self.options
        last_output = max(max(target.frames) for target in batch.outputs.values())
        return limits(o.min_deriv_time, o.max_deriv_time, o.max_deriv_time_relative, last_output)

    def _forget_bad_stats(self) -> None:
        """Statistics that a bad minibatch made infinite or NaN start afresh, or are again what they were."""
        for name, c in self.nnet.components.items():
            if tree.all_finite({name: c}) is not None:
                tree.scale(c, 0.0, "stat")
                if name in self._sound_stats:
                    tree.set_stats(c, self._sound_stats[name])

    def _forget_estimates(self) -> None:
        """Natural gradient begins with a minibatch that is good, on a device too."""
        for c in self.delta.values():
            for part in (c, *c.leaves()):
                if isinstance(part, Updatable):
                    part.scratch.clear()

    def _count(self, good: bool, minibatch: int) -> None:
        if good:
            self._bad_in_a_row, self._none_good = 0, False
            return
        self._forget_bad_stats()
        if self._none_good:
            self._forget_estimates()
        self.num_skipped += 1
        self._bad_in_a_row += 1
        self.log(f"Minibatch {minibatch} skipped: its objective or parameter change is not finite.")
        if self._bad_in_a_row >= self.options.max_bad_minibatches:
            raise TrainingDiverged(
                f"{self._bad_in_a_row} minibatches in a row had a non-finite objective or parameter change, "
                f"the last minibatch {minibatch}; lower the learning rate or check the features"
            )
