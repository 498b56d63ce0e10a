"""Who says these digits? An x-vector network, and speakers recognised by the direction of their vectors.

usage: python -m egs.fsdd.xvector (--recordings DIR | --download) [--dir exp/fsdd_xvector] [options]

A tenth of every speaker's recordings of each digit is kept apart and recognised. Needs soundfile and
kaldi-native-fbank: pip install -e '.[audio]'
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egs import recipe
from egs.arguments import Parser
from egs.examples import SUBSETS, table, write_info
from egs.fsdd import recordings, speakers
from nnet.formats.kinds import VECTOR
from nnet.formats.tables import read_table
from steps.data_dir import read_map
from steps.texts import write_lines

XCONFIG = Path(__file__).parent / "conf" / "xvector.xconfig"
EMBEDDING = "output-node name=output input=tdnn6.affine"
ARCHIVES = 6
CHUNKS = speakers.Chunks(per_speaker=150)
FEW = speakers.Chunks(per_speaker=40)  # of an archive by which models are compared during training
WATCHED = 10  # one in so many training utterances is in valid_diagnostic only
SETTINGS: dict[str, object] = {
    "stage": -10,
    "egs.frames-per-eg": 1,
    "trainer.optimization.initial-effective-lrate": 0.002,
    "trainer.optimization.final-effective-lrate": 0.0002,
    "trainer.optimization.minibatch-size": 32,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    parser = Parser(__doc__ or "")
    recordings.add_source(parser)
    parser.add_folder("exp/fsdd_xvector")
    parser.add_training(num_epochs=6.0)
    parser.add_l2("l2", 0.005, "all layers")
    return recipe.guarded(run, parser.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """Make features and examples, train, compute x-vectors, recognise."""
    recipe.need(*recipe.AUDIO, install="audio")
    start = time.monotonic()
    top: Path = options.dir
    if options.recordings:
        speakers.find_parts(options.recordings)
    recipe.claim(top, vars(options))
    wavs = recordings.download(top / "download") if options.download else options.recordings
    recipe.stage(top / "data", "Features", lambda: speakers.prepare(top, wavs))
    recipe.stage(top / "egs", "Chunks of every speaker", lambda: write_egs(top, options.seed))
    train(top, options)
    result = identify(top)
    print(
        "{error_rate:.2f} % of {recordings} unseen recordings go to another speaker ({errors})".format(
            **result
        )
    )
    result["seconds"] = round(time.monotonic() - start)
    recipe.write_json(top / recipe.RESULT, result)
    print(f"All of it took {result['seconds']} s. Summary page: {top / 'xvector' / 'report.html'}")


def write_egs(top: Path, seed: int) -> None:
    """Archives, subsets and info; each table has chunks of one length."""
    rng = np.random.default_rng(seed)
    everything = list(speakers.utterances(top / "data" / "train").values())
    watched = [dict(list(of.items())[::WATCHED]) for of in everything]
    learned = [{u: n for u, n in of.items() if u not in w} for of, w in zip(everything, watched)]
    for name in SUBSETS:
        of_speaker = watched if name == "valid_diagnostic" else learned
        make_table(top, name, speakers.draw_ranges(of_speaker, FEW, rng), len(everything))
    for n in range(1, ARCHIVES + 1):
        make_table(top, n, speakers.draw_ranges(learned, CHUNKS, rng), len(everything))
    size = CHUNKS.per_speaker * len(everything)
    feat_dim = recordings.MFCC.num_ceps
    write_info(top / "egs", ARCHIVES, ARCHIVES * size, feat_dim, (0, CHUNKS.lengths[0] - 1))


def make_table(top: Path, name: str | int, ranges: list[str], num_speakers: int) -> None:
    """One table of examples, from the features of the utterances that `ranges` names.

    They come sorted by speaker and are shuffled, lest batch-norm see minibatches of one speaker.
    """
    chunks, feats, unshuffled = (top / "egs" / f"{what}.{name}" for what in ("ranges", "feats", "sorted"))
    used = {line.split()[0] for line in ranges}
    places = read_map(top / "features" / "train.scp")
    write_lines(chunks, ranges)
    write_lines(feats, [f"{u} {place}" for u, place in places.items() if u in used])
    recipe.call(
        "nnet.programs.nnet3_xvector_get_egs",
        f"--num-pdfs={num_speakers}",
        str(chunks),
        f"scp:{feats}",
        f"ark:{unshuffled}",
    )
    recipe.call("nnet.programs.nnet3_shuffle_egs", "--srand=0", f"ark:{unshuffled}", table(top / "egs", name))
    unshuffled.unlink()


def train(top: Path, options: argparse.Namespace) -> None:
    """Make the configs, and train exactly as a Kaldi user does."""
    folder = top / "xvector"
    values = {
        "L2_HIDDEN": f"{options.l2:g}",
        "L2_OUTPUT": f"{options.l2:g}",
        "SPEAKERS": len(speakers.utterances(top / "data" / "train")),
    }
    recipe.write_configs(folder / "configs", XCONFIG, values)
    places = {"egs.dir": top / "egs", "dir": folder}
    settings = {**SETTINGS, **recipe.job_settings(options, options.num_epochs), **places}
    recipe.call("steps.train_raw_dnn", *recipe.training_options(settings))


def identify(top: Path) -> dict[str, float]:
    """Compute x-vectors of all recordings, and count those that are nearest to another speaker's mean."""
    folder = top / "xvector"
    write_lines(folder / "extract.config", [EMBEDDING])
    model = folder / "embedding.raw"
    recipe.call(
        "nnet.programs.nnet3_copy",
        f"--nnet-config={folder / 'extract.config'}",
        str(folder / "final.raw"),
        str(model),
    )
    vectors = {}
    for part in ("train", "test"):
        recipe.call(
            "nnet.programs.nnet3_xvector_compute",
            f"--min-chunk-size={CHUNKS.lengths[0]}",
            str(model),
            f"scp:{top}/features/{part}.scp",
            f"ark:{folder}/{part}.ark",
        )
        vectors[part] = dict(read_table(f"ark:{folder}/{part}.ark", VECTOR))
    found = speakers.nearest_speaker(
        vectors["train"], read_map(top / "data" / "train" / "utt2spk"), vectors["test"]
    )
    truth = read_map(top / "data" / "test" / "utt2spk")
    errors = sum(found[u] != truth[u] for u in found)
    return {"error_rate": 100 * errors / len(found), "errors": errors, "recordings": len(found)}


if __name__ == "__main__":
    raise SystemExit(main())
