"""lattice-align-phones: lattices with an arc for every phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.chain.align_phones import AlignOptions, Meaning, align_phones
from nnet.formats.lattice import COMPACT_LATTICE
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.transitions import read_transition_model
from nnet.programs.program import log, option, run_program, warn

PROG = "lattice-align-phones"
USAGE = """
Convert lattices so that their arcs correspond to phones. Labels are still words, or phones with
--replace-output-symbols=true.

Usage:  lattice-align-phones [options] <model> <lattice-rspecifier> <lattice-wspecifier>
e.g.:   lattice-align-phones --replace-output-symbols=true final.mdl ark:1.lats ark:phone_aligned.lats
"""


@dataclass
class Options:
    """Options of lattice-align-phones."""

    output_error_lats: bool = option(True, "Output lattices in which a phone was cut off")
    reorder: bool = option(True, "True if self-loops come after the transitions of their states")
    remove_epsilon: bool = option(True, "If true, remove epsilons from the lattices")
    replace_output_symbols: bool = option(False, "If true, the labels of arcs are phones, not words")


def main(argv: Sequence[str] | None = None) -> int:
    """Run lattice-align-phones."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, lattices: str, aligned: str) -> int:
    """Align the table `lattices` by the transitions of `model`; 1 if most of them failed."""
    meaning = Meaning.of(read_transition_model(model))
    choice = AlignOptions(options.replace_output_symbols, options.reorder, options.remove_epsilon)
    done = failed = 0
    with TableWriter(aligned, COMPACT_LATTICE) as out:
        for key, lattice in read_table(lattices, COMPACT_LATTICE):
            complaints: list[str] = []
            result, good = align_phones(lattice, meaning, choice, complaints.append)
            for line in complaints:
                warn(PROG, f"{line} ({key})")
            if result.start < 0:
                warn(PROG, f"Lattice was empty for key {key}")
            elif good or options.output_error_lats:
                out.write(key, result)
            done, failed = (done + 1, failed) if good and result.start >= 0 else (done, failed + 1)
    log(PROG, f"Successfully aligned {done} lattices; {failed} had errors.")
    return 0 if done > failed else 1


if __name__ == "__main__":
    raise SystemExit(main())
