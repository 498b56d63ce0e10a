"""Speech learnt from nothing: synthesize a corpus of spoken digits, train a TDNN on it, recognise unseen
voices.

usage: python -m egs.digits.run [--dir exp/digits] [--num-epochs 4] [--jobs 2] [--l2 0.01]

Every stage whose result is there is skipped, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from egs.digits.alignment import write_alignments
from egs.digits.corpus import (
    TEST_VARIANTS,
    TRAIN_VARIANTS,
    CorpusOptions,
    pronunciations,
    utterances,
    write_data,
)
from egs.digits.speech import Synthesizer
from nnet.formats.transitions import read_transition_model
from steps.decode import DecodeOptions, decode_data
from steps.features import MfccOptions, make_mfcc
from steps.graph import write_graph
from steps.lang import make_lang, write_lang

XCONFIG = Path(__file__).parent / "conf" / "tdnn.xconfig"
DONE = ".done"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", type=Path, default=Path("exp/digits"), help="where everything goes")
    parser.add_argument("--num-epochs", type=float, default=4.0)
    parser.add_argument(
        "--jobs", type=int, default=2, help="parallel training jobs whose models are averaged"
    )
    parser.add_argument(
        "--l2", type=float, default=0.01, help="l2-regularize of the hidden layers; output: a fifth"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    try:
        run(options)
    except (ValueError, OSError, ImportError, subprocess.CalledProcessError) as error:
        print(f"digits: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("digits: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """All stages, one after the other."""
    top: Path = options.dir
    start = time.monotonic()
    stage(top / "data", "Synthesizing speech and computing features", lambda: prepare(top, options.seed))
    config = top / "tdnn" / "configs"
    text = XCONFIG.read_text().replace("DIR", str(config)).replace("L2OUT", f"{options.l2 / 5:g}")
    config.mkdir(parents=True, exist_ok=True)
    pdfs = read_transition_model(str(top / "ali" / "final.mdl")).num_pdfs
    (config / "network.xconfig").write_text(text.replace("L2", f"{options.l2:g}").replace("PDFS", str(pdfs)))
    call(
        "nnet.programs.xconfig_to_configs",
        "--xconfig-file",
        str(config / "network.xconfig"),
        "--config-dir",
        str(config),
    )
    train(top, options)
    print("Recognising the unseen voices", flush=True)
    rate = decode_data(
        top / "tdnn" / "final.mdl",
        top / "graph",
        top / "data" / "test",
        top / "tdnn" / "decode_test",
        DecodeOptions(),
    )
    print(rate.line())
    print(f"Summary page: {top / 'tdnn' / 'report.html'}")
    print(f"All of it took {time.monotonic() - start:.0f} s.")


def stage(folder: Path, what: str, work: Callable[[], None]) -> None:
    """Do `work` unless it is known to be done; `folder` gets a mark when it is."""
    if (folder / DONE).exists():
        print(f"{what}: done before", flush=True)
        return
    print(what, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    work()
    (folder / DONE).touch()


def prepare(top: Path, seed: int) -> None:
    """Recordings, features, lang, alignments and graph: the directories that a Kaldi user brings along."""
    synthesizer = Synthesizer()
    corpus = {
        "train": utterances(synthesizer, TRAIN_VARIANTS, CorpusOptions(), seed),
        "test": utterances(synthesizer, TEST_VARIANTS, CorpusOptions(utterances_per_voice=20), seed + 1),
    }
    frames = {}
    for name, part in corpus.items():
        data = top / "data" / name
        write_data(data, part, synthesizer.rate)
        make_mfcc(data, MfccOptions())
        frames[name] = {k: int(n) for k, n in (line.split() for line in (data / "utt2num_frames").open())}
    lang = make_lang(pronunciations(corpus["train"]))
    write_lang(lang, top / "lang")
    write_alignments(top / "ali", corpus["train"], frames["train"], synthesizer.rate, lang, top / "lang")
    write_graph(top / "graph", lang, read_transition_model(str(top / "ali" / "final.mdl")))


def train(top: Path, options: argparse.Namespace) -> None:
    """Exactly what a Kaldi user runs."""
    call(
        "steps.train_dnn",
        "--stage=-10",
        "--feat.cmvn-opts=--norm-means=false --norm-vars=false",
        f"--trainer.num-epochs={options.num_epochs}",
        "--trainer.samples-per-iter=4000",
        f"--trainer.optimization.num-jobs-initial={options.jobs}",
        f"--trainer.optimization.num-jobs-final={options.jobs}",
        "--trainer.optimization.initial-effective-lrate=0.0015",
        "--trainer.optimization.final-effective-lrate=0.00015",
        "--trainer.optimization.minibatch-size=128",
        f"--trainer.srand={options.seed}",
        f"--feat-dir={top / 'data' / 'train'}",
        f"--ali-dir={top / 'ali'}",
        f"--lang={top / 'lang'}",
        f"--dir={top / 'tdnn'}",
    )


def call(module: str, *arguments: str) -> None:
    """Run one of our programs; raises CalledProcessError if it fails (it has then said why)."""
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


if __name__ == "__main__":
    raise SystemExit(main())
