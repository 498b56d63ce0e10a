"""chain-get-supervision: numerator FSTs from phone lattices or from phones with durations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnet.chain.supervision import (
    ProtoSupervision,
    SupervisionMaker,
    SupervisionOptions,
    proto_from_alignment,
    proto_from_lattice,
)
from nnet.formats.chain_examples import SUPERVISION
from nnet.formats.kinds import INT_PAIR_VECTOR
from nnet.formats.lattice import COMPACT_LATTICE
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from nnet.programs.program import log, option, run_program, warn

PROG = "chain-get-supervision"
USAGE = """
Make chain supervision of every utterance, from phones and their durations (ali-to-phones
--write-lengths=true), or from lattices made by lattice-align-phones --replace-output-symbols=true. It is
usually piped into nnet3-chain-get-egs.

Usage:  chain-get-supervision [options] <tree> <transition-model>
            (<phones-with-lengths-rspecifier>|<phone-lattice-rspecifier>) <supervision-wspecifier>
"""


@dataclass
class Options:
    """Options of chain-get-supervision."""

    left_tolerance: int = option(5, "Frames by which a phone may begin earlier than in the alignment")
    right_tolerance: int = option(5, "Frames by which a phone may end later than in the alignment")
    frame_subsampling_factor: int = option(1, "Frames of the alignment per frame of supervision")
    weight: float = option(1.0, "Accepted, and without effect as in Kaldi: supervision has the weight 1")
    lm_scale: float = option(0.0, "Scale of the graph costs of phone lattices")
    convert_to_pdfs: bool = option(True, "Labels are pdfs + 1; if false, transition-ids")
    lattice_input: bool = option(False, "If true, expect phone lattices as input")


def main(argv: Sequence[str] | None = None) -> int:
    """Run chain-get-supervision."""
    return run_program(USAGE, Options, run, (4, 4), argv)


def run(options: Options, tree: str, transitions: str, phones: str, supervision: str) -> int:
    """Write supervision for the table `phones`; 1 unless most utterances succeeded."""
    choice = SupervisionOptions(
        **{name: getattr(options, name) for name in SupervisionOptions.__dataclass_fields__}
    )
    model = read_transition_model(transitions)
    maker = SupervisionMaker(read_tree(tree), model, options.convert_to_pdfs)
    done = failed = 0
    with TableWriter(supervision, SUPERVISION) as out:
        for key, proto in _protos(phones, options.lattice_input, choice):
            made, problem = None, proto
            if isinstance(proto, ProtoSupervision):
                made = maker.make(proto)
                problem = "the supervision FST is empty (too many phones for too few frames?)"
            if made is None:
                warn(PROG, f"Failed creating supervision for utterance {key}: {problem}")
                failed += 1
            else:
                out.write(key, made)
                done += 1
    log(PROG, f"Generated chain supervision information for {done} utterances, errors on {failed}")
    return 0 if done > failed else 1


def _protos(
    rspecifier: str, lattices: bool, options: SupervisionOptions
) -> Iterator[tuple[str, ProtoSupervision | str]]:
    """Keys and what chains of phones they may have, or why none."""
    for key, value in read_table(rspecifier, COMPACT_LATTICE if lattices else INT_PAIR_VECTOR):
        try:
            if lattices:
                yield key, proto_from_lattice(value, options)
            else:
                yield key, proto_from_alignment(value[:, 0].tolist(), value[:, 1].tolist(), options)
        except ValueError as error:
            yield key, str(error)


if __name__ == "__main__":
    raise SystemExit(main())
