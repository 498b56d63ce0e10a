"""chain-est-phone-lm: the phone language model for the denominator of LF-MMI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.chain.phone_lm import PhoneLm, PhoneLmOptions
from nnet.formats.fst import write_fst_file
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.tables import read_table
from nnet.programs.program import log, option, run_program

PROG = "chain-est-phone-lm"
USAGE = """
Estimate an unsmoothed n-gram language model of phones for LF-MMI training, a deterministic acceptor.

Usage:  chain-est-phone-lm [options] <phone-sequences-rspecifier> <phone-lm-fst-out>
e.g.:   chain-est-phone-lm --num-extra-lm-states=2000 ark:phones.ark phone_lm.fst
"""


@dataclass
class Options:
    """Options of chain-est-phone-lm."""

    binary: bool = option(True, "accepted for compatibility; FST files are always binary")
    ngram_order: int = option(4, "n-gram order of the model")
    num_extra_lm_states: int = option(
        1000, "Number of states kept beyond those that --no-prune-ngram-order keeps"
    )
    no_prune_ngram_order: int = option(3, "n-gram order below which states are never merged away")


def main(argv: Sequence[str] | None = None) -> int:
    """Run chain-est-phone-lm."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, phones: str, fst: str) -> None:
    """Estimate the model of the sequences in the table `phones` and write it to `fst`."""
    lm = PhoneLm(
        PhoneLmOptions(options.ngram_order, options.num_extra_lm_states, options.no_prune_ngram_order),
        lambda line: log(PROG, line),
    )
    log(PROG, "Reading phone sequences")
    for _, sequence in read_table(phones, INT_VECTOR):
        lm.add(sequence)
    log(PROG, "Estimating phone LM")
    try:
        estimated = lm.estimate()
    except ValueError as error:
        raise ValueError(f"{phones}: {error}") from None
    write_fst_file(fst, estimated)
    log(PROG, f"Estimated phone language model and wrote it to {fst}")


if __name__ == "__main__":
    raise SystemExit(main())
