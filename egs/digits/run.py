"""Speech learnt from nothing: speak a corpus of digits, train a network on it, recognise unseen voices.

usage: python -m egs.digits.run [--network tdnn] [--dir exp/digits] [--num-epochs 4] [--jobs 2] [--l2 0.01]
                                [--seed 1]

Networks are trained beside each other on the same corpus, in DIR/NETWORK. Every stage whose result is there
is skipped, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from egs import recipe
from egs.arguments import Parser
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
from nnet.inference import ChunkOptions
from steps.data_dir import read_map
from steps.decode import DecodeOptions, decode_data
from steps.features import MfccOptions, make_mfcc
from steps.graph import decoding_graph, word_loop, write_graph
from steps.lang import make_lang, write_lang

CONF = Path(__file__).parent / "conf"
SETTINGS: dict[str, object] = {
    "stage": -10,
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "trainer.optimization.initial-effective-lrate": 0.0015,
    "trainer.optimization.final-effective-lrate": 0.00015,
}
FRAMES: dict[str, object] = {"trainer.samples-per-iter": 4000, "trainer.optimization.minibatch-size": 128}
LEFT = 20  # input frames before a chunk, for the state of recurrent layers
CHUNKS: dict[str, object] = {
    "trainer.samples-per-iter": 400,
    "egs.chunk-width": 20,
    "egs.chunk-left-context": LEFT,
    "egs.chunk-left-context-initial": 0,
    "trainer.rnn.num-chunk-per-minibatch": 16,
}


@dataclass(frozen=True)
class Network:
    """How a network is trained and how it reads an utterance. conf/NAME.xconfig says what it is."""

    script: str
    settings: Mapping[str, object]
    chunks: ChunkOptions = field(default_factory=ChunkOptions)


NETWORKS = {
    "tdnn": Network("steps.train_dnn", FRAMES),
    "cnn_tdnn": Network("steps.train_dnn", FRAMES),
    "tdnn_lstm": Network(
        "steps.train_rnn", CHUNKS, ChunkOptions(extra_left_context=LEFT, extra_left_context_initial=0)
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    parser = Parser(__doc__ or "")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="tdnn", help="what is trained (tdnn)")
    parser.add_folder("exp/digits")
    parser.add_training(num_epochs=4.0, seed=1)
    parser.add_l2("l2", 0.01, "hidden layers; of the output layer it is a fifth of that")
    return recipe.guarded(run, parser.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """All stages, one after the other."""
    recipe.need("espeakng_loader", *recipe.AUDIO, *recipe.DECODER)
    top: Path = options.dir
    folder = top / options.network
    start = time.monotonic()
    recipe.claim(top, {"seed": options.seed})
    recipe.claim(folder, vars(options), free=("dir", "network", "use_gpu"))
    recipe.stage(
        top / "data", "Speaking the corpus and computing features", lambda: prepare(top, options.seed)
    )
    train(top, folder, options)
    print("Recognising the unseen voices", flush=True)
    decoding = DecodeOptions(chunks=NETWORKS[options.network].chunks)
    rate = decode_data(
        folder / "final.mdl", top / "graph", top / "data" / "test", folder / "decode_test", decoding
    )
    print(rate.line())
    print(f"Summary page: {folder / 'report.html'}")
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
    tree, model = write_alignments(
        top / "ali", corpus["train"], frames["train"], lang, top / "lang", MfccOptions()
    )
    write_graph(top / "graph", decoding_graph(word_loop(lang), tree, model), lang, model)


def train(top: Path, folder: Path, options: argparse.Namespace) -> None:
    """Make the configs, and train exactly as a Kaldi user does."""
    network = NETWORKS[options.network]
    values = {
        "DIR": folder / "configs",
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2 / 5:g}",
        "PDFS": read_transition_model(str(top / "ali" / "final.mdl")).num_pdfs,
    }
    recipe.write_configs(folder / "configs", CONF / f"{options.network}.xconfig", values)
    settings = {
        **SETTINGS,
        **network.settings,
        **recipe.job_settings(options, options.num_epochs),
        "feat-dir": top / "data" / "train",
        "ali-dir": top / "ali",
        "lang": top / "lang",
        "dir": folder,
    }
    recipe.call(network.script, *recipe.training_options(settings))


if __name__ == "__main__":
    raise SystemExit(main())
