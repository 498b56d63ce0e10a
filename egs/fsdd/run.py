"""Recorded digits (the Free Spoken Digit Dataset): train a TDNN on five speakers, recognise the sixth.

usage: python -m egs.fsdd.run (--kaldi DIR | --recordings DIR | --download) [--dir exp/fsdd] [options]

--kaldi DIR       what Kaldi leaves: DIR/data/{train,test}, DIR/exp/{ali,ali_test,graph}, DIR/lang
--recordings DIR  only DIGIT_SPEAKER_INDEX.wav: features, lang and graph are made, and alignments from
                  nothing, by training and aligning in turn (--passes times)
--download        the same with recordings cloned from GitHub
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from egs import recipe
from egs.arguments import Parser, count
from egs.fsdd import recordings
from egs.fsdd.recognition import recognise
from egs.fsdd.training import train
from steps.align import align_data
from steps.diagnostics import read_scores
from steps.evaluate import score_data

PREPARED = (
    "data/train/feats.scp",
    "data/test/feats.scp",
    "data/test/text",
    "exp/ali/ali.1.gz",
    "exp/ali_test/ali.1.gz",
    "exp/graph/HCLG.fst",
    "exp/graph/words.txt",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    return recipe.guarded(run, parser().parse_args(argv))


def parser() -> Parser:
    """The recipe's options."""
    options = Parser(__doc__ or "")
    source = recordings.add_source(options)
    source.add_argument("--kaldi", type=Path, help="directory of Kaldi's directories")
    options.add_folder("exp/fsdd")
    options.add_l2("l2", 0.01, "hidden layers")
    options.add_l2("l2-output", 0.002, "the output layer")
    options.add_training(num_epochs=4.0)
    text = "trainings with --recordings; all but the last are short (3)"
    options.add_argument("--passes", type=count, default=3, help=text)
    options.add_argument("--test-speaker", default="yweweler", help="who is kept apart with --recordings")
    options.add_decode()
    return options


def run(options: argparse.Namespace) -> None:
    """Train, score and recognise."""
    recipe.need(*(recipe.DECODER if options.decode or not options.kaldi else ()))
    recipe.need(*(() if options.kaldi else recipe.AUDIO))
    check_inputs(options)
    start = time.monotonic()
    recipe.claim(options.dir, vars(options), free=("dir", "decode", "use_gpu"))
    result = from_kaldi(options) if options.kaldi else from_recordings(options)
    result["seconds"] = round(time.monotonic() - start)
    recipe.write_json(options.dir / recipe.RESULT, result)
    print(f"All of it took {result['seconds']} s. Summary page: {options.dir / 'tdnn' / 'report.html'}")


def check_inputs(options: argparse.Namespace) -> None:
    """Raise ValueError naming what is missing, before anything is made."""
    if options.kaldi:
        recipe.need_files(options.kaldi, PREPARED, "; --recordings=DIR makes do with wavs")
    if options.recordings:
        recordings.find_parts(options.recordings, options.test_speaker)


def from_kaldi(options: argparse.Namespace) -> dict[str, float]:
    """Train on Kaldi's directories; scores on training, held-out and unseen data, and the word error rate."""
    k: Path = options.kaldi
    folder = options.dir / "tdnn"
    train(k / "data" / "train", k / "exp" / "ali", k / "lang", folder, options, options.num_epochs)
    result = scores(folder)
    unseen = score_data(folder / "final.mdl", k / "data" / "test", k / "exp" / "ali_test")
    result |= {"unseen": unseen.average(), "unseen_accuracy": unseen.accuracy()}
    right = 100 * unseen.accuracy()
    print(f"unseen speaker: log-likelihood {unseen.average():.3f} per frame, {right:.1f} % right")
    return result | decode(options, k / "exp" / "graph", k / "data" / "test")


def from_recordings(options: argparse.Namespace) -> dict[str, float]:
    """Make everything from wavs, train and align in turn; the word error rate on the speaker kept apart."""
    top: Path = options.dir
    wavs = recordings.download(top / "download") if options.download else options.recordings
    recipe.stage(
        top / "data",
        "Features, lang, graph, and alignments in equal shares",
        lambda: recordings.prepare(top, wavs, options.test_speaker, options.seed),
    )
    train_data, lang = top / "data" / "train", top / "lang"
    for n in range(1, options.passes):
        train(train_data, top / f"ali{n - 1}", lang, top / f"tdnn{n}", options, options.num_epochs / 2)
        recipe.stage(top / f"ali{n}", f"Aligning with pass {n}", lambda n=n: align(top, n))  # type: ignore[misc]
    train(train_data, top / f"ali{options.passes - 1}", lang, top / "tdnn", options, options.num_epochs)
    return scores(top / "tdnn") | decode(options, top / "graph", top / "data" / "test")


def align(top: Path, n: int) -> None:
    """Align the training data with the model of pass `n`."""
    counts = align_data(
        top / f"tdnn{n}" / "final.mdl", top / "lang", top / "data" / "train", top / f"ali{n}", warn=print
    )
    print(counts.line())


def scores(folder: Path) -> dict[str, float]:
    """Log-likelihood and accuracy of the final combined model on training and held-out examples."""
    result: dict[str, float] = {}
    for name in ("train", "valid"):
        found = read_scores(folder / "log" / f"compute_prob_{name}.combined.log")
        result |= {name: found["log-likelihood"], f"{name}_accuracy": found["accuracy"]}
    print(
        f"train: {result['train']:.3f} per frame; held out: {result['valid']:.3f}, "
        f"{100 * result['valid_accuracy']:.1f} % right"
    )
    return result


def decode(options: argparse.Namespace, graph: Path, data: Path) -> dict[str, float]:
    """The word error rate, unless it is not wanted."""
    return recognise(options.dir / "tdnn", graph, data) if options.decode else {}


if __name__ == "__main__":
    raise SystemExit(main())
