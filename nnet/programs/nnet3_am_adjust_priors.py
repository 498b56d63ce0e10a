"""nnet3-am-adjust-priors: sets the priors of an acoustic model to the average posteriors of its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnet.programs.program import log, option, run_program

PROG = "nnet3-am-adjust-priors"
USAGE = """
Sets the priors of an acoustic model to a vector of posteriors, summed or averaged over typical data and
scaled to sum 1 here. A model's own posteriors suit it better than the frequencies of pdfs in training.

Usage: nnet3-am-adjust-priors [options] <nnet-in> <summed-posterior-vector-in> <nnet-out>
 e.g.: nnet3-am-adjust-priors final.mdl post.vec final.mdl
"""


@dataclass
class Options:
    """Options of nnet3-am-adjust-priors."""

    binary: bool = option(True, "Write the model in binary form")
    prior_floor: float = option(1.0e-15, "Accepted, and without effect as in Kaldi")


def run(options: Options, old: str, posteriors: str, new: str) -> None:
    """Read, replace, write."""
    import numpy as np  # noqa: PLC0415 - not needed for --help

    from nnet.formats.basic import open_whole  # noqa: PLC0415
    from nnet.formats.model import read_am, write_am  # noqa: PLC0415

    am = read_am(old)
    with open_whole(posteriors) as src:
        p = src.vector(np.float32)
    if not (np.isfinite(p).all() and (p >= 0).all() and p.sum() > 0):
        raise ValueError(f"{posteriors}: posteriors must be finite, not negative, and not all zero")
    p = p * np.float32(1.0 / p.sum())
    changed = am.with_priors(p)
    _report(am.priors, p)
    write_am(changed, new, options.binary)
    log(PROG, f"Modified priors of neural network model and wrote it to {new}")


def _report(old: Any, new: Any) -> None:
    if old.size == 0:
        log(PROG, "Model did not previously have priors attached.")
        return
    from nnet.formats.transition_update import kl_divergence  # noqa: PLC0415

    i = int(abs(new - old).argmax())
    log(PROG, f"Adjusting priors: largest absolute difference was for pdf {i}, {old[i]:.6g} -> {new[i]:.6g}")
    log(PROG, f"Adjusting priors: K-L divergence from old to new is {kl_divergence(old, new):.6g}")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (3, 3), argv)


if __name__ == "__main__":
    raise SystemExit(main())
