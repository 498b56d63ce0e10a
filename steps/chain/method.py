"""How jobs train with the chain objective: which options they get, and which shift of an archive."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from nnet.graph.network import Nnet
from steps.chain.options import ChainOptions
from steps.egs_dir import Examples
from steps.method import deriv_limits, merging
from steps.saturation import shrink
from steps.schedule import Iteration, Share
from steps.scoring import ChainScoring

WARM_UP = 15  # iterations until backstitch has its full size


@dataclass(frozen=True)
class Sequences:
    """LF-MMI on chunks, end to end or not; contexts are the model's, in input frames.

    `more` are further options of nnet3-chain-train and nnet3-chain-compute-prob.
    """

    examples: Examples
    options: ChainOptions
    den_fst: Path
    left_context: int
    right_context: int
    more: str = ""
    program: str = "nnet.programs.nnet3_chain_train"

    @property
    def scoring(self) -> ChainScoring:
        """The same objective, by nnet3-chain-compute-prob's options."""
        return ChainScoring(str(self.den_fst), tuple(self._objective()))

    def _objective(self) -> list[str]:
        o = self.options
        return [
            f"--l2-regularize={o.l2_regularize}",
            f"--leaky-hmm-coefficient={o.leaky_hmm_coefficient}",
            f"--xent-regularize={o.xent_regularize}",
            *shlex.split(self.more),
        ]

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Shifting, shuffling and merging happen inside nnet3-chain-train; of multitask examples only the
        latter two.
        """
        o = self.options
        margin = o.margin
        limits = [] if margin is None else deriv_limits(margin, self.left_context, self.right_context)
        shift = [] if self.examples.multitask else [f"--egs.frame-shift={share.pick}"]
        weights = f"--apply-deriv-weights={str(o.apply_deriv_weights).lower()}"
        return [weights, *self._objective(), *limits, *shift, *merging(o, iteration)]

    def files(self, share: Share) -> list[str]:
        """The denominator graph and the archive; multitask examples are shifted on the way."""
        return [str(self.den_fst), self.examples.archive(share.archive, f"--frame-shift={share.pick}")]

    def backstitch_scale(self, iteration: Iteration) -> float:
        """It grows over the first 15 iterations, as in Kaldi."""
        return self.options.backstitch_scale * min(1.0, iteration.number / WARM_UP)

    def subset(self, name: str) -> str:
        """A table beside the training examples."""
        return self.examples.subset(name)

    def shrink(self, iteration: Iteration, nnet: Nnet) -> float:
        """--shrink-value for saturated networks."""
        value, threshold = self.options.shrink_value, self.options.shrink_saturation_threshold
        return shrink(iteration.shrink, value, threshold, nnet, iteration.number, raw=True)
