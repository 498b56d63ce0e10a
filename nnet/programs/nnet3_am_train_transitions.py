"""nnet3-am-train-transitions: transition probabilities and priors of an acoustic model from alignments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nnet.programs.program import log, option, run_program

if TYPE_CHECKING:
    from nnet.formats.transition_update import UpdateReport

PROG = "nnet3-am-train-transitions"
USAGE = """
Estimates the transition probabilities of an acoustic model from alignments (transition-ids), by counting,
and sets the priors of its pdfs to their relative frequencies.

Usage: nnet3-am-train-transitions [options] <nnet-in> <alignments-rspecifier> <nnet-out>
 e.g.: nnet3-am-train-transitions 0.mdl "ark:gunzip -c ali.*.gz|" 1.mdl
"""


@dataclass
class Options:
    """Options of nnet3-am-train-transitions."""

    binary: bool = option(True, "Write the model in binary form")
    set_priors: bool = option(
        True, "Also set the priors of pdfs, by which outputs are divided in recognition"
    )
    prior_floor: float = option(5.0e-6, "Smallest prior, above 0 and below 1")
    transition_floor: float = option(0.01, "Smallest transition probability")
    transition_min_count: float = option(5.0, "States seen less often keep their probabilities")
    share_for_pdfs: bool = option(False, "States with the same pdf share their transition probabilities")


def run(options: Options, old: str, alignments: str, new: str) -> None:
    """Read, count, write."""
    from nnet.formats.model import read_am, write_am  # noqa: PLC0415 - not needed for --help
    from nnet.formats.tables import INT_VECTOR, read_table  # noqa: PLC0415
    from nnet.formats.transition_update import count_ids, priors, update  # noqa: PLC0415

    am = read_am(old)
    counts, done = count_ids(am.transitions, (ali for _, ali in read_table(alignments, INT_VECTOR)))
    log(PROG, f"Accumulated transition stats from {done} utterances.")
    transitions, report = update(
        am.transitions,
        counts,
        options.transition_floor,
        options.transition_min_count,
        options.share_for_pdfs,
    )
    _tell(report, transitions.num_states)
    am = replace(am, transitions=transitions)
    if options.set_priors:
        log(PROG, "Setting priors of pdfs in the model.")
        am = am.with_priors(priors(transitions, counts, options.prior_floor))
    write_am(am, new, options.binary)
    log(PROG, f"Trained transitions of neural network model and wrote it to {new}")


def _tell(report: UpdateReport, num_states: int) -> None:
    """Kaldi's lines about an update."""
    log(
        PROG,
        f"{report.num_floored} probabilities floored, {report.num_skipped} out of {num_states} "
        "transition-states skipped due to insufficient data (it is normal to have some skipped.)",
    )
    per_frame = report.improvement / report.count if report.count else 0.0
    log(
        PROG,
        f"Transition model update: average {per_frame:.6g} log-like improvement per frame "
        f"over {report.count:g} frames.",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (3, 3), argv)


if __name__ == "__main__":
    raise SystemExit(main())
