"""Speech learnt from nothing: speak a corpus of digits, train a TDNN on it, recognise unseen voices.

usage: python -m egs.digits.run [--dir exp/digits] [--num-epochs 4] [--jobs 2] [--l2 0.01] [--seed 1]

Every stage whose result is there is skipped, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from egs import recipe
from egs.digits.alignment import write_alignments
from egs.digits.corpus import (
    TEST_VARIANTS,
    TRAIN_VARIANTS,
    CorpusOptions,
    pronunciations,
    utterances,
    write_data,
)
from nnet.formats.transitions import read_transition_model
from steps.data_dir import read_map
from steps.decode import decode_data
from steps.features import MfccOptions, make_mfcc
from steps.graph import word_loop, write_graph
from steps.lang import make_lang, write_lang

XCONFIG = Path(__file__).parent / "conf" / "tdnn.xconfig"
TRAINING: dict[str, object] = {
    "stage": -10,
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "trainer.samples-per-iter": 4000,
    "trainer.optimization.initial-effective-lrate": 0.0015,
    "trainer.optimization.final-effective-lrate": 0.00015,
    "trainer.optimization.minibatch-size": 128,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    parser = recipe.Parser(__doc__ or "")
    parser.add_argument(
        "--dir", type=Path, default=Path("exp/digits"), help="where everything goes (exp/digits)"
    )
    parser.add_argument("--num-epochs", type=recipe.positive, default=4.0, help="passes over the data (4)")
    parser.add_argument(
        "--jobs", type=recipe.count, default=2, help="parallel training jobs whose models are averaged (2)"
    )
    parser.add_argument(
        "--l2",
        type=recipe.at_least_zero,
        default=0.01,
        help="l2-regularize of hidden layers; output: a fifth",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the corpus and of the training (1)")
    return recipe.guarded(run, parser.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """All stages, one after the other."""
    recipe.need(
        "espeakng_loader", "soundfile", "kaldi_native_fbank", "kaldifst", "kaldi_decoder", "kaldialign"
    )
    top: Path = options.dir
    start = time.monotonic()
    recipe.claim(top, {k: v for k, v in vars(options).items() if k != "dir"})
    recipe.stage(
        top / "data", "Speaking the corpus and computing features", lambda: prepare(top, options.seed)
    )
    values = {
        "DIR": top / "tdnn" / "configs",
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2 / 5:g}",
        "PDFS": read_transition_model(str(top / "ali" / "final.mdl")).num_pdfs,
    }
    recipe.write_configs(top / "tdnn" / "configs", XCONFIG, values)
    train(top, options)
    print("Recognising the unseen voices", flush=True)
    rate = decode_data(
        top / "tdnn" / "final.mdl", top / "graph", top / "data" / "test", top / "tdnn" / "decode_test"
    )
    print(rate.line())
    print(f"Summary page: {top / 'tdnn' / 'report.html'}")
    print(f"All of it took {time.monotonic() - start:.0f} s.")


def prepare(top: Path, seed: int) -> None:
    """Recordings, features, lang, alignments and graph: the directories that a Kaldi user brings along."""
    corpus = {
        "train": utterances(TRAIN_VARIANTS, CorpusOptions(), seed),
        "test": utterances(TEST_VARIANTS, CorpusOptions(), seed + 1),
    }
    frames = {}
    for name, part in corpus.items():
        data = top / "data" / name
        write_data(data, part)
        make_mfcc(data, MfccOptions())
        frames[name] = {k: int(n) for k, n in read_map(data / "utt2num_frames").items()}
    spoken = {p for u in corpus["train"] for p, _ in u.phones}
    lang = make_lang(pronunciations(corpus["train"]), more_phones=spoken)
    write_lang(lang, top / "lang")
    model = write_alignments(top / "ali", corpus["train"], frames["train"], lang, top / "lang", MfccOptions())
    write_graph(top / "graph", word_loop(lang, model), lang, model)


def train(top: Path, options: argparse.Namespace) -> None:
    """Exactly what a Kaldi user runs."""
    settings = TRAINING | {
        "trainer.num-epochs": options.num_epochs,
        "trainer.optimization.num-jobs-initial": options.jobs,
        "trainer.optimization.num-jobs-final": options.jobs,
        "trainer.srand": options.seed,
        "feat-dir": top / "data" / "train",
        "ali-dir": top / "ali",
        "lang": top / "lang",
        "dir": top / "tdnn",
    }
    recipe.call("steps.train_dnn", *recipe.training_options(settings))


if __name__ == "__main__":
    raise SystemExit(main())
