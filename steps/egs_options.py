"""What --egs.opts may hold: options of Kaldi's get_egs.sh scripts, as far as they are ours to choose."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TypeVar

from steps.options import option, parse
from steps.ranges import AT_LEAST_ONE, NOT_NEGATIVE, Range, check_ranges

RANGES: dict[str, Range] = {
    "num-utts-subset": AT_LEAST_ONE,
    "num-utts-subset-valid": AT_LEAST_ONE,
    "num-utts-subset-train": AT_LEAST_ONE,
    "num-valid-frames-combine": NOT_NEGATIVE,
    "num-train-frames-combine": NOT_NEGATIVE,
    "num-frames-diagnostic": AT_LEAST_ONE,
    "num-valid-egs-combine": NOT_NEGATIVE,
    "num-train-egs-combine": NOT_NEGATIVE,
    "num-egs-diagnostic": AT_LEAST_ONE,
    "nj": AT_LEAST_ONE,
    "frame-subsampling-factor": AT_LEAST_ONE,
    "length-tolerance": NOT_NEGATIVE,
    "frames-overlap-per-eg": NOT_NEGATIVE,
    "acwt": NOT_NEGATIVE,
    "lattice-prune-beam": NOT_NEGATIVE,
    "lattice-lm-scale": Range(0, 1, open_high=True),
}


@dataclass(frozen=True)
class Options:
    """What all sorts of examples have in common."""

    num_utts_subset: int = option(
        "num-utts-subset", 300, "utterances held out, and of training data in diagnostics"
    )
    num_utts_subset_valid: int | None = option(
        "num-utts-subset-valid", None, "utterances held out, if not that many", kind="int"
    )
    num_utts_subset_train: int | None = option(
        "num-utts-subset-train", None, "training utterances in diagnostics, if not that many", kind="int"
    )
    nj: int = option("nj", 6, "jobs that make examples")
    compress: bool = option("compress", True, "store features in compressed form")
    generate_egs_scp: bool = option(
        "generate-egs-scp", False, "also write egs.scp and the scp of each subset, for multilingual training"
    )

    def __post_init__(self) -> None:
        check_ranges(self, RANGES)

    @property
    def num_held_out(self) -> int:
        """Utterances held out."""
        return self.num_utts_subset if self.num_utts_subset_valid is None else self.num_utts_subset_valid

    @property
    def num_diagnostic(self) -> int:
        """Training utterances in diagnostics."""
        return self.num_utts_subset if self.num_utts_subset_train is None else self.num_utts_subset_train

    def counts(self, principal: int) -> dict[str, tuple[int, int]]:
        """Examples of `principal` labelled frames for the combination and for diagnostics, drawn from those
        of the `valid` and of the `train` utterances.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class EgsOptions(Options):
    """Options of get_egs.sh and get_egs_targets.sh."""

    num_valid_frames_combine: int = option("num-valid-frames-combine", 0, "held-out frames in combine.egs")
    num_train_frames_combine: int = option(
        "num-train-frames-combine", 60000, "training frames in combine.egs"
    )
    num_frames_diagnostic: int = option("num-frames-diagnostic", 10000, "frames in each set of diagnostics")
    frame_subsampling_factor: int = option("frame-subsampling-factor", 1, "frames of features per target")
    length_tolerance: int = option(
        "length-tolerance", 2, "frames by which features and targets may differ in length"
    )

    def counts(self, principal: int) -> dict[str, tuple[int, int]]:
        diagnostic = max(1, self.num_frames_diagnostic // principal)
        return {
            "valid": (self.num_valid_frames_combine // principal, diagnostic),
            "train": (self.num_train_frames_combine // principal, diagnostic),
        }


@dataclass(frozen=True)
class ChainEgsOptions(Options):
    """Options of chain/get_egs.sh and chain/e2e/get_egs_e2e.sh."""

    num_valid_egs_combine: int = option("num-valid-egs-combine", 0, "held-out examples in combine.cegs")
    num_train_egs_combine: int = option("num-train-egs-combine", 1000, "training examples in combine.cegs")
    num_egs_diagnostic: int = option("num-egs-diagnostic", 400, "examples in each set of diagnostics")
    frames_overlap_per_eg: int = option("frames-overlap-per-eg", 0, "input frames that neighbours share")
    constrained: bool = option(
        "constrained", True, "keep phones within the tolerances; false: free inside a chunk"
    )
    lattice_lm_scale: float | None = option(
        "lattice-lm-scale", None, "use the lattices' graph costs with this scale", kind="float"
    )
    lattice_prune_beam: float | None = option(
        "lattice-prune-beam", None, "prune lattices to this beam; 0: the best path only", kind="float"
    )
    acwt: float = option("acwt", 0.1, "scale of acoustic costs in pruning")
    deriv_weights_scp: str | None = option(
        "deriv-weights-scp", None, "weights of frames by utterance, for the derivatives"
    )
    max_jobs_run: int = option("max-jobs-run", 15, "accepted; --local.max-jobs says how many jobs run")
    max_shuffle_jobs_run: int = option("max-shuffle-jobs-run", 50, "accepted likewise")

    def counts(self, principal: int) -> dict[str, tuple[int, int]]:
        return {
            "valid": (self.num_valid_egs_combine, self.num_egs_diagnostic),
            "train": (self.num_train_egs_combine, self.num_egs_diagnostic),
        }


SomeOptions = TypeVar("SomeOptions", bound=Options)


def parse_egs_options(cls: type[SomeOptions], text: str | None) -> SomeOptions:
    """The options in a string such as '--num-utts-subset 100'. Raises ValueError for others."""
    try:
        return parse(cls, shlex.split(text or ""))
    except ValueError as error:
        raise ValueError(f"--egs.opts={text!r}: {error}") from error


def egs_options(text: str | None) -> EgsOptions:
    """Those for frame-level examples."""
    return parse_egs_options(EgsOptions, text)
