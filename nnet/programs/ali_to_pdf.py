"""ali-to-pdf: the pdfs of alignments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import log, run_program

PROG = "ali-to-pdf"
USAGE = """
Turns alignments of transition-ids into sequences of pdfs, counted from 0.

Usage: ali-to-pdf <model> <alignments-rspecifier> <pdfs-wspecifier>
 e.g.: ali-to-pdf final.mdl "ark:gunzip -c ali.1.gz|" ark,t:-
"""


@dataclass
class Options:
    """ali-to-pdf has no options of its own."""


def run(options: Options, model: str, alignments: str, pdfs: str) -> None:
    """Read, look up, write."""
    from nnet.formats.tables import INT_VECTOR, TableWriter, read_table  # noqa: PLC0415
    from nnet.formats.transitions import read_transition_model  # noqa: PLC0415 - not needed for --help

    transitions = read_transition_model(model)
    done = 0
    with TableWriter(pdfs, INT_VECTOR) as writer:
        for key, alignment in read_table(alignments, INT_VECTOR):
            try:
                pdf_sequence = transitions.pdf_of(alignment)
            except ValueError as error:
                raise ValueError(f"alignment of {key}: {error}") from None
            writer.write(key, pdf_sequence)
            done += 1
    log(PROG, f"Converted {done} alignments to pdf sequences.")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (3, 3), argv)


if __name__ == "__main__":
    raise SystemExit(main())
