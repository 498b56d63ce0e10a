"""The options of steps/chain/e2e/train_e2e.py, Kaldi's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steps.chain.options import ChainOptions
from steps.options import option, required
from steps.texts import read_lines

LENGTHS = "allowed_lengths.txt"


@dataclass(frozen=True, kw_only=True)
class E2eOptions(ChainOptions):
    """Options of flat-start training. Widths are the allowed lengths of the data."""

    chunk_width: str = option("egs.chunk-width", "20", "accepted; the data say what lengths there are")
    tree_dir: str = required("tree-dir", "directory with tree, final.mdl, phone_lm.fst and fst.*.scp")
    stage: int = option(
        "stage",
        -5,
        "first stage to run: -5 den.fst, -4 init.raw, -3 examples, -2 input transform, -1 0.mdl, N iteration "
        "N; what is done is not done again without --restart=true",
    )

    @property
    def lengths_file(self) -> Path | None:
        """The list of allowed lengths in the data directory."""
        return None if self.feat_dir is None else Path(self.feat_dir) / LENGTHS

    @property
    def widths(self) -> str:
        path = self.lengths_file
        if path is None or not path.is_file():
            return self.chunk_width
        return ",".join(line.strip() for line in read_lines(path) if line.strip())
