"""The LF-MMI objective of a minibatch: numerator minus denominator, its derivative, its regularizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.backend import Array, array_module, either, zero_unless
from nnet.kernels.denominator import LIMIT
from nnet.objectives.chain.denominator import DenominatorGraph, denominator
from nnet.objectives.chain.numerator import numerator
from nnet.supervision import Supervision

FAILED = -10.0  # objective per frame of a minibatch whose forward-backward failed


@dataclass(frozen=True)
class ChainOptions:
    """Options of chain training, with Kaldi's names and defaults (ChainTrainingOptions).

    `l2_regularize`: on the outputs, not on parameters. `leaky_hmm_coefficient`: may be 0 here.
    `xent_regularize`: of the branch output-xent; 0: there is none. `apply_deriv_weights`: in training.
    """

    l2_regularize: float = 0.0
    out_of_range_regularize: float = 0.01
    leaky_hmm_coefficient: float = 1.0e-05
    xent_regularize: float = 0.0
    apply_deriv_weights: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.leaky_hmm_coefficient < 1:
            raise ValueError(f"leaky-hmm-coefficient={self.leaky_hmm_coefficient:g} must be from 0 to 1")
        for name in ("l2_regularize", "out_of_range_regularize", "xent_regularize"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name.replace('_', '-')}={getattr(self, name)} must be zero or more")


@dataclass(frozen=True)
class ChainValue:
    """What a minibatch is worth: `total` summed over frames without the L2 term `l2`, `weight` to divide by.

    `derivative` (T, N, D) of total + l2 and of the penalty for values out of range; `posterior` (T, N, D) of
    the numerator times the weight of the supervision. `good`: whether the forward-backward succeeded. All
    but `weight` lie where the outputs do.
    """

    total: Any
    l2: Any
    weight: float
    derivative: Array | None
    posterior: Array | None
    good: Any


def chain_objective(
    options: ChainOptions,
    graph: DenominatorGraph,
    supervision: Supervision,
    output: Array,
    with_derivative: bool = True,
    with_posterior: bool = False,
) -> ChainValue:
    """w (log numerator - log denominator) - w l2 / 2 |output|^2 for outputs (T, N, D), w the weight.

    Where something is not finite or does not sum to what it must, the objective is -10 per frame and all
    derivatives are zero; the L2 term stays, but not if an end-to-end numerator failed
    (ComputeChainObjfAndDeriv). Raises ValueError if shapes differ.
    """
    w = supervision.weight
    weight = w * supervision.num_frames
    num = numerator(supervision, output, with_derivative or with_posterior)
    den = denominator(graph, output, options.leaky_hmm_coefficient, with_derivative)
    derivative, posterior = den.posterior, num.posterior
    with np.errstate(all="ignore"):  # what is not finite does not stay
        total = w * (num.log_prob - den.log_prob.sum())
        good = array_module(output).isfinite(total) & num.good & den.good
        if posterior is not None:
            posterior *= w
        if derivative is not None:
            derivative *= -w
            derivative += posterior
            penalize_out_of_range(derivative, output, options.out_of_range_regularize)
        for a in (derivative, posterior):
            if a is not None:
                zero_unless(good, a)
        keeps_l2 = num.good | (not supervision.end_to_end)
        l2 = _add_l2(options.l2_regularize * w, output, derivative, keeps_l2)
    return ChainValue(either(good, total, FAILED * weight), l2, weight, derivative, posterior, good)


def penalize_out_of_range(derivative: Array, output: Array, scale: float) -> None:
    """derivative -= scale * (what of output lies beyond +-30), in place.

    Kaldi does this with twice the scale in every other minibatch, at random; the expectation is the same.
    """
    if scale != 0.0:
        xp = array_module(output)
        derivative -= scale * (output - xp.clip(output, -LIMIT, LIMIT))


def _add_l2(scale: float, output: Array, derivative: Array | None, wanted: Any) -> Any:
    """-scale/2 |output|^2, its derivative added to `derivative`; where it is not `wanted`, or output is not
    finite, 0 and nothing.
    """
    if scale == 0.0:
        return 0.0
    term = -0.5 * scale * (output * output).sum(dtype=np.float64)
    wanted = wanted & array_module(output).isfinite(term)
    if derivative is not None:
        pull = scale * output
        zero_unless(wanted, pull)
        derivative -= pull
    return either(wanted, term, 0.0)
