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
from itertools import islice
from pathlib import Path

from benchmarks.floor import copy_rate
from benchmarks.paired import COLUMNS, Cost, against, begin, existing, kaldis, ours, parser, run, table
from benchmarks.step_job import call
from nnet.formats.kinds import GENERAL_MATRIX
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.tree import read_tree

MAKING = ("--left-context=12", "--right-context=6", "--num-frames=8", "--compress=true")
FRAME, BUFFER, MINIBATCH = "0", "5000", "128"
SIZES = ("few", "many")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__)
    p.add_argument("--data", type=existing, required=True, help="Kaldi's directories of a corpus")
    p.add_argument("--utterances", default="300,2500", help="few and many")
    options = p.parse_args(argv)
    begin(options)
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))
    return 0


def measure(o: argparse.Namespace, folder: Path) -> None:
    """Print the three rows."""
    counts = [int(n) for n in o.utterances.split(",")]
    for size, count in zip(SIZES, counts):
        prepare(o.data, folder, size, count)
    pdfs = f"--num-pdfs={read_tree(str(o.data / 'exp/ali/tree')).num_pdfs}"

    def making(command: Sequence[object], name: str) -> Cost:
        return difference(
            lambda s: [
                *command,
                *MAKING,
                pdfs,
                f"ark:{folder}/f.{s}",
                f"ark:{folder}/p.{s}",
                f"ark:{folder}/{name}.{s}",
            ]
        )

    def copying(command: Sequence[object]) -> Cost:
        return difference(lambda s: [*command, f"ark:{folder}/ours.{s}", f"ark:{folder}/copy.{s}"])

    here = [sys.executable, "-m", "benchmarks.minibatches", FRAME, BUFFER, MINIBATCH]
    make, copy = kaldis(o.kaldi, "nnet3-get-egs"), kaldis(o.kaldi, "nnet3-copy-egs")
    rate = copy_rate()
    making(ours("nnet3-get-egs"), "ours")
    egs, features = (grown(folder, name) / rate for name in ("ours", "f"))
    table(*COLUMNS)
    against(
        "nnet3-get-egs",
        lambda: making(ours("nnet3-get-egs"), "ours"),
        {"Kaldi": lambda: making(make or [], "kaldi")} if make else {},
        o.repeats,
        features + egs,
    )
    against(
        "nnet3-copy-egs",
        lambda: copying(ours("nnet3-copy-egs")),
        {"Kaldi": lambda: copying(copy or [])} if copy else {},
        o.repeats,
        2 * egs,
    )
    against(
        "to minibatches",
        lambda: difference(lambda s: [*here, f"ark:{folder}/ours.{s}"]),
        {"Kaldi": lambda: difference(lambda s: pipeline(o.kaldi, folder / f"ours.{s}"))} if copy else {},
        o.repeats,
        egs,
    )


def prepare(data: Path, folder: Path, size: str, count: int) -> None:
    """The first `count` utterances: folder/f.SIZE are features, folder/p.SIZE posteriors of pdfs."""
    with TableWriter(f"ark:{folder}/f.{size}", GENERAL_MATRIX) as out:
        for key, value in islice(read_table(f"scp:{data}/data/train/feats.scp", GENERAL_MATRIX), count):
            out.write(key, value)
    alignments = " ".join(shlex.quote(str(p)) for p in sorted(data.glob("exp/ali/ali.*.gz")))
    source = f"ark:gunzip -c {alignments} |"
    call("nnet.programs.ali_to_pdf", data / "exp/ali/final.mdl", source, f"ark:{folder}/pdf")
    call("nnet.programs.ali_to_post", f"ark:{folder}/pdf", f"ark:{folder}/p.{size}")


def difference(command: Callable[[str], Sequence[object]]) -> Cost:
    """What the many cost more than the few."""
    few, many = (run(command(size)) for size in SIZES)
    return many - few


def grown(folder: Path, name: str) -> int:
    """By how many bytes the file of the many is longer than that of the few."""
    few, many = ((folder / f"{name}.{size}").stat().st_size for size in SIZES)
    return many - few


def pipeline(kaldi: Path, archive: Path) -> list[object]:
    """Kaldi's three programs between an archive and a training program."""
    words = (
        [str(kaldi / "nnet3-copy-egs"), f"--frame={FRAME}", f"ark:{archive}", "ark:-"],
        [str(kaldi / "nnet3-shuffle-egs"), f"--buffer-size={BUFFER}", "ark:-", "ark:-"],
        [str(kaldi / "nnet3-merge-egs"), f"--minibatch-size={MINIBATCH}", "ark:-", "ark:/dev/null"],
    )
    return ["bash", "-c", "set -o pipefail; " + " | ".join(map(shlex.join, words))]


if __name__ == "__main__":
    raise SystemExit(main())
