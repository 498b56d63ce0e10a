"""The options of steps/chain/train.py under Kaldi's names, and what end-to-end training shares of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from steps.job_modules import ENGINE_MODULES
from steps.options import option, required
from steps.ranges import AT_LEAST_ONE, NOT_NEGATIVE, Range, check_ranges
from steps.train_options import TrainingOptions

_OPT = "trainer.optimization."
RANGES: dict[str, Range] = {
    "trainer.frames-per-iter": AT_LEAST_ONE,
    "egs.nj": NOT_NEGATIVE,
    "chain.l2-regularize": NOT_NEGATIVE,
    "chain.xent-regularize": NOT_NEGATIVE,
    "chain.left-tolerance": NOT_NEGATIVE,
    "chain.right-tolerance": NOT_NEGATIVE,
    "chain.leaky-hmm-coefficient": Range(0, 1, open_high=True),
    "chain.frame-subsampling-factor": AT_LEAST_ONE,
    "chain.alignment-subsampling-factor": AT_LEAST_ONE,
}


@dataclass(frozen=True, kw_only=True)
class ChainOptions(TrainingOptions):
    """Options of training with the chain objective, from lattices or end to end."""

    job_modules: ClassVar[tuple[str, ...]] = (
        *ENGINE_MODULES,
        "nnet.programs.nnet3_chain_train",
        "nnet.components.dropout",
        "steps.chain.egs_source",
        "steps.chain.supervision_job",
    )
    chunk_width: str = option(
        "egs.chunk-width", "20", "input frames per example: the principal number, then alternatives"
    )
    lm_opts: str | None = option(
        "chain.lm-opts", None, "options of chain-est-phone-lm, e.g. '--num-extra-lm-states=2000'"
    )
    l2_regularize: float = option(
        "chain.l2-regularize",
        0.0,
        "penalty on the outputs of the network; that on parameters is l2-regularize in the xconfig",
    )
    xent_regularize: float = option(
        "chain.xent-regularize", 0.0, "weight of the branch output-xent, which has a log-softmax; 0 = none"
    )
    leaky_hmm_coefficient: float = option(
        "chain.leaky-hmm-coefficient", 1e-5, "probability of forgetting the context at a frame"
    )
    apply_deriv_weights: bool = option(
        "chain.apply-deriv-weights", True, "apply the weights of frames that are stored with examples"
    )
    frame_subsampling_factor: int = option(
        "chain.frame-subsampling-factor", 3, "input frames per frame of the output"
    )
    alignment_subsampling_factor: int = option(
        "chain.alignment-subsampling-factor", 3, "frames of alignments and lattices per frame of the output"
    )
    left_deriv_truncate: int | None = option(
        "chain.left-deriv-truncate",
        None,
        "old name of --trainer.deriv-truncate-margin, with the sign turned",
        kind="int",
    )
    num_epochs: float = option("trainer.num-epochs", 10.0, "passes over the data")
    frames_per_iter: int = option("trainer.frames-per-iter", 800000, "input frames per archive, about")
    num_chunk_per_minibatch: str = option(
        "trainer.num-chunk-per-minibatch", "128", "sequences per minibatch, or a rule of nnet3-merge-egs"
    )
    initial_effective_lrate: float = option(
        _OPT + "initial-effective-lrate", 2e-4, "learning rate per job at the start"
    )
    final_effective_lrate: float = option(
        _OPT + "final-effective-lrate", 2e-5, "learning rate per job at the end"
    )
    shrink_value: float = option(
        _OPT + "shrink-value", 1.0, "parameters are scaled by this before iterations that start saturated"
    )
    shrink_saturation_threshold: float = option(
        _OPT + "shrink-saturation-threshold", 0.4, "saturation of sigmoids and tanhs from which they are"
    )
    deriv_truncate_margin: int | None = option(
        "trainer.deriv-truncate-margin",
        None,
        "frames around the frames that a chunk needs with derivatives; unset: all",
        kind="int",
    )
    tree_dir: str = required("tree-dir", "directory with the tree, final.mdl and ali.*.gz")
    stage: int = option(
        "stage",
        -6,
        "first stage to run: -6 phone_lm.fst, -5 den.fst, -4 init.raw, -3 examples, -2 input transform, "
        "-1 0.mdl, N iteration N; what is done is not done again without --restart=true",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, RANGES)

    @property
    def widths(self) -> str:
        return self.chunk_width

    @property
    def minibatch(self) -> str:
        return self.num_chunk_per_minibatch

    @property
    def picks(self) -> int:
        """Each pass shifts the input by another frame of an output frame."""
        return self.frame_subsampling_factor

    @property
    def archive_size(self) -> str:
        return "trainer.frames-per-iter"

    @property
    def margin(self) -> int | None:
        """Input frames with derivatives around those that a chunk needs; None: all."""
        old = self.left_deriv_truncate
        return self.deriv_truncate_margin if old is None else -old


@dataclass(frozen=True, kw_only=True)
class LatticeOptions(ChainOptions):
    """Options of steps/chain/train.py."""

    egs_nj: int = option("egs.nj", 0, "jobs that make examples; 0 = as many as --tree-dir had")
    left_tolerance: int = option(
        "chain.left-tolerance", 5, "frames by which a phone may be earlier than in the lattice"
    )
    right_tolerance: int = option(
        "chain.right-tolerance", 5, "frames by which a phone may be later than in the lattice"
    )
    chain_opts: str = option("chain-opts", "", "further options of nnet3-chain-train and -compute-prob")
    lat_dir: str | None = option(
        "lat-dir", None, "directory of numerator lattices, lat.*.gz; not needed with --egs.dir"
    )
