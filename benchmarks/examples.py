"""Examples made and read: nnet3-get-egs, nnet3-copy-egs, and the way from an archive to minibatches, ours and
Kaldi's.

usage: python -m benchmarks.examples --data DIR [--utterances 300,2500] [--kaldi KALDI/src/nnet3bin]

--data is what `egs.fsdd.run --kaldi` takes. The time of many utterances less that of few, so without
start-up. The floor is the bytes read and written at the rate of a copy. Kaldi's way to minibatches is copy |
shuffle | merge.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.floor import copy_rate
from benchmarks.options import existing, few_and_many, need, one_line
from benchmarks.paired import COLUMNS, Cost, against, begin, kaldis, ours, parser, run, table
from benchmarks.step_job import call
from nnet.formats.kinds import GENERAL_MATRIX
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.tree import read_tree

MAKING = ("--left-context=12", "--right-context=6", "--num-frames=8", "--compress=true")
FRAME, BUFFER, MINIBATCH = "0", "5000", "128"
SIZES = ("few", "many")


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__)
    p.add_argument("--data", type=existing, required=True, help="Kaldi's directories of a corpus")
    p.add_argument("--utterances", type=few_and_many, default="300,2500", help="few and many (300,2500)")
    options = p.parse_args(argv)
    need(options.data, "data/train/feats.scp", "exp/ali/tree", "exp/ali/final.mdl", "exp/ali/ali.1.gz")
    begin(options)
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))
    return 0


@dataclass(frozen=True)
class Corpus:
    """Features `f` and posteriors `p` of few and of many utterances in a folder, and what is made of them.

    Costs are those of the many less those of the few.
    """

    folder: Path
    num_pdfs: int

    def table(self, name: str, size: str) -> str:
        """The archive of one kind of thing."""
        return f"ark:{self.folder}/{name}.{size}"

    def making(self, command: Sequence[object], name: str) -> Cost:
        """Of examples `name` made of features and posteriors."""
        options = [*command, *MAKING, f"--num-pdfs={self.num_pdfs}"]
        return difference(lambda size: [*options, *(self.table(what, size) for what in ("f", "p", name))])

    def copying(self, command: Sequence[object]) -> Cost:
        """Of our examples copied."""
        return difference(lambda size: [*command, self.table("ours", size), self.table("copy", size)])

    def streaming(self) -> Cost:
        """Of our way from an archive to minibatches."""
        command = [sys.executable, "-m", "benchmarks.minibatches", FRAME, BUFFER, MINIBATCH]
        return difference(lambda size: [*command, self.table("ours", size)])

    def piping(self, kaldi: Path) -> Cost:
        """Of Kaldi's."""
        return difference(lambda size: pipeline(kaldi, self.table("ours", size)))

    def grown(self, name: str) -> int:
        """By how many bytes the file of the many is longer than that of the few."""
        few, many = ((self.folder / f"{name}.{size}").stat().st_size for size in SIZES)
        return many - few


def measure(o: argparse.Namespace, folder: Path) -> None:
    """Print the three rows."""
    for size, number in zip(SIZES, o.utterances):
        prepare(o.data, folder, size, number)
    corpus = Corpus(folder, read_tree(str(o.data / "exp/ali/tree")).num_pdfs)
    making, copying = ours("nnet3-get-egs"), ours("nnet3-copy-egs")
    rate = copy_rate()
    corpus.making(making, "ours")
    egs, features = (corpus.grown(name) / rate for name in ("ours", "f"))
    make, copy = kaldis(o.kaldi, "nnet3-get-egs"), kaldis(o.kaldi, "nnet3-copy-egs")
    makers = {"Kaldi": lambda: corpus.making(make or [], "kaldi")} if make else {}
    copiers = {"Kaldi": lambda: corpus.copying(copy or [])} if copy else {}
    streams = {"Kaldi": lambda: corpus.piping(o.kaldi)} if copy else {}
    table(*COLUMNS)
    against("nnet3-get-egs", lambda: corpus.making(making, "ours"), makers, o.repeats, features + egs)
    against("nnet3-copy-egs", lambda: corpus.copying(copying), copiers, o.repeats, 2 * egs)
    against("to minibatches", corpus.streaming, streams, o.repeats, egs)


def prepare(data: Path, folder: Path, size: str, number: int) -> None:
    """The first `number` utterances: folder/f.SIZE are features, folder/p.SIZE posteriors of pdfs.

    Raises ValueError if there are fewer.
    """
    found = 0
    with TableWriter(f"ark:{folder}/f.{size}", GENERAL_MATRIX) as out:
        for key, value in islice(read_table(f"scp:{data}/data/train/feats.scp", GENERAL_MATRIX), number):
            out.write(key, value)
            found += 1
    if found < number:
        raise ValueError(f"{data}/data/train/feats.scp has {found} utterances: give smaller --utterances")
    alignments = " ".join(shlex.quote(str(p)) for p in sorted(data.glob("exp/ali/ali.*.gz")))
    source = f"ark:gunzip -c {alignments} |"
    call("nnet.programs.ali_to_pdf", data / "exp/ali/final.mdl", source, f"ark:{folder}/pdf")
    call("nnet.programs.ali_to_post", f"ark:{folder}/pdf", f"ark:{folder}/p.{size}")


def difference(command: Callable[[str], Sequence[object]]) -> Cost:
    """What the many cost more than the few."""
    few, many = (run(command(size)) for size in SIZES)
    return many - few


def pipeline(kaldi: Path, archive: str) -> list[object]:
    """Kaldi's three programs between an archive and a training program."""
    words = (
        [str(kaldi / "nnet3-copy-egs"), f"--frame={FRAME}", archive, "ark:-"],
        [str(kaldi / "nnet3-shuffle-egs"), f"--buffer-size={BUFFER}", "ark:-", "ark:-"],
        [str(kaldi / "nnet3-merge-egs"), f"--minibatch-size={MINIBATCH}", "ark:-", "ark:/dev/null"],
    )
    return ["bash", "-c", "set -o pipefail; " + " | ".join(map(shlex.join, words))]


if __name__ == "__main__":
    raise SystemExit(main())
