"""One job of making supervision: from an archive of lattices to what chain examples are cut from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnet.chain.align_phones import AlignOptions, Meaning, align_phones
from nnet.chain.supervision import SupervisionMaker, SupervisionOptions, proto_from_lattice
from nnet.formats.chain_examples import SUPERVISION
from nnet.formats.lattice import COMPACT_LATTICE
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from nnet.fst.lattice import Lattice
from nnet.fst.prune import best_path, prune
from nnet.programs.program import log, warn
from nnet.supervision import Supervision
from steps.chain.lattices import SPEC
from steps.data_dir import read_map
from steps.experiment import read_json
from steps.texts import write_number

PROG = "chain-get-supervision"


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.chain.supervision_job WORK N`: supervision of the utterances with features in archive N."""
    work, number = list(sys.argv[1:] if argv is None else argv)
    try:
        make(Path(work), int(number))
    except (ValueError, OSError) as error:
        print(f"ERROR ({PROG}) {error}", file=sys.stderr)
        return 1
    return 0


def make(work: Path, number: int) -> None:
    """Write WORK/sup.N.ark, then its index; what cannot be used is told and counted."""
    spec = read_json(work / SPEC)
    maker, wanted = Maker(spec), set(read_map(Path(spec["features"])))
    archive, index = work / f"sup.{number}.ark", work / f"sup.{number}.scp"
    half = work / f".sup.{number}.scp"
    found = done = 0
    with TableWriter(f"ark,scp:{archive},{half}", SUPERVISION) as out:
        for utterance, lattice in read_table(f"ark:{spec['archives'][number - 1]}", COMPACT_LATTICE):
            found += 1
            if utterance not in wanted:
                continue
            try:
                out.write(utterance, maker.make(lattice))
                done += 1
            except ValueError as error:
                warn(PROG, f"Failed creating supervision for utterance {utterance}: {error}")
    write_number(work / f"sup.{number}.count", found)
    half.replace(index)
    log(PROG, f"Generated chain supervision information for {done} of {found} utterances")


class Maker:
    """Supervision of a lattice, by the files and options in a job's description."""

    def __init__(self, spec: dict[str, Any]):
        self.meaning = Meaning.of(read_transition_model(spec["lattice_model"]))
        self.prune_beam, self.acoustic_scale = spec["prune_beam"], spec["acoustic_scale"]
        tree, model = read_tree(spec["tree"]), read_transition_model(spec["transitions"])
        self.maker = SupervisionMaker(tree, model, spec["convert_to_pdfs"])
        self.options = SupervisionOptions(
            left_tolerance=spec["left_tolerance"],
            right_tolerance=spec["right_tolerance"],
            frame_subsampling_factor=spec["alignment_subsampling_factor"],
            lm_scale=spec["lm_scale"],
            convert_to_pdfs=spec["convert_to_pdfs"],
        )

    def make(self, lattice: Lattice) -> Supervision:
        """Raises ValueError for a lattice that has no path, is cut off, or is too short for its phones."""
        complaints: list[str] = []
        aligned, _ = align_phones(self._pruned(lattice), self.meaning, AlignOptions(True), complaints.append)
        for line in complaints:
            warn(PROG, line)
        proto = proto_from_lattice(aligned, self.options)
        found = self.maker.make(proto)
        if found is None:
            raise ValueError("there is no path: too many phones for too few frames")
        return found

    def _pruned(self, lattice: Lattice) -> Lattice:
        """What --lattice-prune-beam leaves of it; 0 stands for the best path alone."""
        if self.prune_beam is None:
            return lattice
        if self.prune_beam == 0:
            return best_path(lattice, self.acoustic_scale)
        return prune(lattice, self.prune_beam, self.acoustic_scale)


if __name__ == "__main__":
    sys.exit(main())
