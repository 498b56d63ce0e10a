"""A whole training run, train_dnn.py of a corpus: ours and Kaldi's in turns, and where ours spends its time.

usage: python -m benchmarks.whole_run --data DIR [--jobs 2] [--epochs 4] [--repeats 1] [--stages]
                                      [--kaldi KALDI/src --kaldi-steps KALDI/egs/wsj/s5]

--data is what `egs.fsdd.run --kaldi` takes; the options are that recipe's. Processor time is that of all
processes of a run. --stages adds a table of our jobs by kind: how many, and their processor and wall seconds
in all.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.options import existing, need, one_line
from benchmarks.paired import Cost, begin, compare, row, run, table
from egs.arguments import Parser, count, positive
from egs.fsdd.training import SETTINGS, XCONFIG
from egs.recipe import training_options, write_configs
from nnet.formats.kinds import GENERAL_MATRIX
from nnet.formats.tables import read_table
from nnet.formats.tree import read_tree

PROGRAMS = ("bin", "featbin", "nnet3bin", "nnet2bin", "chainbin", "gmmbin", "latbin", "fstbin")
KIND = re.compile(r"(?P<kind>.*?)(\.[0-9.]*)?\.log")
ENDED = re.compile(r"^# Accounting: time=(?P<wall>\d+) threads=\d+( cpu=(?P<cpu>[0-9.]+))?", re.MULTILINE)


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print tables in markdown."""
    parser = Parser(__doc__ or "")
    parser.add_argument("--data", type=existing, required=True, help="Kaldi's directories of the corpus")
    parser.add_argument("--jobs", type=count, default=2, help="parallel jobs (2)")
    parser.add_argument("--epochs", type=positive, default=4.0, help="passes over the data (4)")
    parser.add_argument("--repeats", type=count, default=1, help="pairs of runs (1)")
    parser.add_argument("--stages", action="store_true", help="where our time goes")
    parser.add_argument("--kaldi", type=existing, help="Kaldi's src, with its programs")
    parser.add_argument("--kaldi-steps", type=existing, help="a directory with Kaldi's steps and utils")
    o = parser.parse_args(argv)
    need(o.data, "data/train/feats.scp", "exp/ali/tree", "exp/ali/ali.1.gz")
    with tempfile.TemporaryDirectory() as folder:
        begin(argparse.Namespace(threads=1, kaldi=o.kaldi / "nnet3bin" if o.kaldi else None))
        o.features = with_durations(o.data / "data/train", Path(folder) / "train")
        measure(o, Path(folder))
    return 0


def measure(o: argparse.Namespace, folder: Path) -> None:
    """Print the comparison, or our own cost where there is no Kaldi."""
    mine, theirs = folder / "ours", folder / "kaldi"
    table("jobs", "side", "wall, s", "processor, s", "ours / Kaldi, wall", "ours / Kaldi, processor")
    if o.kaldi and o.kaldi_steps:
        both = compare(lambda: ours(o, mine), lambda: kaldi(o, theirs), o.repeats)
        row(o.jobs, "Kaldi", both.peer.wall, both.peer.cpu, None, None)
        row(o.jobs, "ours", both.ours.wall, both.ours.cpu, both.wall_ratio, both.cpu_ratio)
    else:
        cost = ours(o, mine)
        row(o.jobs, "ours", cost.wall, cost.cpu, None, None)
    if o.stages:
        stages(mine / "tdnn" / "log", mine / "tdnn" / "egs" / "log")


def arguments(o: argparse.Namespace, directory: Path) -> Sequence[str]:
    """Write DIR/configs afresh; the options of the run, the same for both sides."""
    shutil.rmtree(directory, ignore_errors=True)
    values = {
        "DIR": directory / "configs",
        "L2_HIDDEN": "0.01",
        "L2_OUTPUT": "0.002",
        "PDFS": read_tree(str(o.data / "exp/ali/tree")).num_pdfs,
    }
    write_configs(directory / "configs", XCONFIG, values)
    settings = SETTINGS | {
        "trainer.num-epochs": o.epochs,
        "trainer.optimization.num-jobs-initial": o.jobs,
        "trainer.optimization.num-jobs-final": o.jobs,
        "trainer.srand": 0,
        "use-gpu": "no",
        "cleanup.remove-egs": "false",
        "egs.opts": f"--nj {o.jobs}",
        "feat-dir": o.features,
        "ali-dir": o.data / "exp/ali",
        "lang": o.data / "lang",
        "dir": directory,
    }
    return training_options(settings)


def ours(o: argparse.Namespace, folder: Path) -> Cost:
    """The cost of one run of ours."""
    return run([sys.executable, "-m", "steps.train_dnn", *arguments(o, folder / "tdnn")])


def with_durations(data: Path, copy: Path) -> Path:
    """A copy of a data directory with the durations that Kaldi would look for in the recordings."""
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("split*", "*.ark"))
    (copy / "frame_shift").write_text("0.01\n")
    with (copy / "utt2dur").open("w") as out:
        for key, features in read_table(f"scp:{data / 'feats.scp'}", GENERAL_MATRIX):
            out.write(f"{key} {0.01 * features.shape[0]:.2f}\n")
    return copy


def kaldi(o: argparse.Namespace, folder: Path) -> Cost:
    """The cost of one run of Kaldi's scripts and programs."""
    folder.mkdir(exist_ok=True)
    for name in ("steps", "utils"):
        if not (folder / name).exists():
            (folder / name).symlink_to((o.kaldi_steps / name).resolve())
    (folder / "path.sh").write_text("")
    places = [*((o.kaldi / name).resolve() for name in PROGRAMS), folder / "utils", os.environ["PATH"]]
    env = {"PATH": ":".join(map(str, places)), "LC_ALL": "C"}
    words = arguments(o, folder / "tdnn")
    return run([sys.executable, "steps/nnet3/train_dnn.py", "--cmd=run.pl", *words], env, folder)


def stages(*logs: Path) -> None:
    """Print what our jobs took, kind by kind, from the last lines of their logs."""
    kinds: dict[str, list[tuple[float, float]]] = {}
    for log in (log for folder in logs for log in folder.glob("*.log")):
        ended = ENDED.search(log.read_text(errors="replace"))
        name = KIND.fullmatch(log.name)
        if ended and name:
            kinds.setdefault(name["kind"], []).append((float(ended["cpu"] or "nan"), float(ended["wall"])))
    print()
    table("kind of job", "jobs", "processor, s", "wall, s")
    for kind, times in sorted(kinds.items(), key=lambda item: -sum(t[0] for t in item[1])):
        row(kind, len(times), sum(t[0] for t in times), sum(t[1] for t in times))


if __name__ == "__main__":
    raise SystemExit(main())
