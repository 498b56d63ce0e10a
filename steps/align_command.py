"""python -m steps.align_command: align a data directory with a model of any tree, as Kaldi's ali.*.gz."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steps.align import AlignOptions, align_data
from steps.applied import AppliedOptions
from steps.command_line import check_apart, run_command
from steps.options import option, required

HEADING = """Align a data directory: which HMM state every frame belongs to, given the words that were said.

Usage: python -m steps.align_command [options] --model M/final.mdl --lang LANG --data DATA --dir ALI

M holds the tree too. Chain models give alignments at the rate of their output frames; steps.chain.build_tree
draws them out to that of the features. Needs kaldifst and kaldi-decoder: pip install -e '.[decode]'."""


@dataclass(frozen=True, kw_only=True)
class Options(AppliedOptions):
    """Options of the command, named after Kaldi's steps/nnet3/align.sh."""

    lang: str = required("lang", "language directory with the lexicon")
    beam: float = option("beam", 10.0, "pruning beam")
    retry_beam: float = option("retry-beam", 40.0, "that for utterances that have no path in it")

    def aligning(self) -> AlignOptions:
        """What the aligner is told."""
        return AlignOptions(self.acoustic_scale, self.beam, self.retry_beam)


def main(argv: Sequence[str] | None = None) -> int:
    """Align; returns the exit status."""
    return run_command("align", HEADING, Options, align, argv)


def align(o: Options) -> None:
    """Write the alignments and say how many there are. Raises ValueError if they would replace the model."""
    check_apart(Path(o.dir), "--model", Path(o.model).parent)
    counts = align_data(Path(o.model), Path(o.lang), Path(o.data), Path(o.dir), o.aligning(), print)
    print(counts.line())


if __name__ == "__main__":
    sys.exit(main())
