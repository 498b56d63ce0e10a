"""Recorded digits from wavs and labels alone: flat-start LF-MMI, its alignments, a TDNN trained on them.

usage: python -m egs.fsdd.run_e2e (--recordings DIR | --download) [--dir exp/fsdd_e2e] [options]

--recordings DIR  directory of DIGIT_SPEAKER_INDEX.wav
--download        the same, cloned from GitHub

No alignment and no model is given. Five speakers are trained on, the sixth is recognised: by the flat-start
model, and by a TDNN trained frame by frame on the alignments and the triphone tree that come from it. With
--passes, shorter trainings of it come before the last, and align again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from egs import recipe
from egs.fsdd import recordings
from egs.fsdd.training import train
from nnet.files import atomic_write
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from steps.decode import DecodeOptions, decode_data
from steps.diagnostics import read_scores
from steps.features import make_mfcc
from steps.graph import CHAIN, GraphOptions, decoding_graph, word_sequence, write_graph
from steps.lang import chain_topology_text, make_lang, read_lang, write_lang

XCONFIG = Path(__file__).parent / "conf" / "tdnnf_e2e.xconfig"
RESULT = "result.json"
LEAVES = 96  # of the triphone tree, at most
SETTINGS: dict[str, object] = {
    "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
    "chain.leaky-hmm-coefficient": 0.1,
    "chain.l2-regularize": 0.00005,
    "chain.apply-deriv-weights": "false",
    "egs.opts": "--num-utts-subset=150 --nj=2",
    "trainer.num-chunk-per-minibatch": "1:48",
    "trainer.frames-per-iter": 75000,
    "trainer.max-param-change": 2.0,
    "trainer.optimization.initial-effective-lrate": 0.001,
    "trainer.optimization.final-effective-lrate": 0.0001,
}
PERTURB = {"shortest": 0.2, "coverage": 0.5, "low-freq": 40.0, "high-freq": -200.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    return recipe.guarded(run, parser().parse_args(argv))


def parser() -> recipe.Parser:
    """The recipe's options."""
    options = recipe.Parser(__doc__ or "")
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument("--recordings", type=Path, help="directory of wavs")
    source.add_argument("--download", action="store_true", help="clone the wavs from GitHub")
    options.add_argument("--dir", type=Path, default=Path("exp/fsdd_e2e"), help="where everything goes")
    options.add_argument("--type", choices=("mono", "biphone"), default="mono", help="the flat-start tree")
    options.add_argument("--num-epochs", type=recipe.positive, default=4.0, help="of the flat start (4)")
    options.add_argument("--dnn-epochs", type=recipe.positive, default=4.0, help="of the TDNN (4)")
    options.add_argument("--passes", type=recipe.count, default=1, help="trainings of the TDNN (1)")
    options.add_argument("--l2", type=recipe.at_least_zero, default=0.01, help="l2-regularize (0.01)")
    options.add_argument("--l2-output", type=recipe.at_least_zero, default=0.002, help="of the TDNN's output")
    options.add_argument("--jobs", type=recipe.count, default=2, help="parallel training jobs (2)")
    options.add_argument("--seed", type=int, default=0, help="of everything (0)")
    options.add_argument("--use-gpu", choices=("optional", "yes", "no"), default="optional")
    options.add_argument("--test-speaker", default="yweweler", help="who is kept apart (yweweler)")
    return options


def run(options: argparse.Namespace) -> None:
    """All stages, one after the other."""
    recipe.need("kaldifst", "kaldi_decoder", "kaldialign", "soundfile", "kaldi_native_fbank")
    top: Path = options.dir
    if options.recordings:
        recordings.find_parts(options.recordings, options.test_speaker)
    start = time.monotonic()
    recipe.claim(top, {k: v for k, v in vars(options).items() if k not in ("dir", "use_gpu")})
    wavs = recordings.download(top / "download") if options.download else options.recordings
    recipe.stage(top / "data", "Features and lang", lambda: prepare(top, wavs, options))
    flat_start(top, options)
    result = {"wer": recognise(top, top / "e2e", CHAIN, 1.0)}
    result |= scores(top / "e2e", "final", ("log-probability",))
    recipe.stage(top / "ali", "Aligning with the flat-start model", lambda: align(top, options))
    train_on_alignments(top, options)
    found = scores(top / "tdnn", "combined", ("log-likelihood", "accuracy"))
    result |= {"tdnn_wer": recognise(top, top / "tdnn", GraphOptions(), 0.1)}
    result |= {f"tdnn_{name}": value for name, value in found.items()}
    result["seconds"] = round(time.monotonic() - start)
    with atomic_write(top / RESULT, text=True) as stream:
        stream.write(json.dumps(result, indent=1) + "\n")
    print(f"All of it took {result['seconds']} s. Summary page: {top / 'e2e' / 'report.html'}")


def prepare(top: Path, wavs: Path, options: argparse.Namespace) -> None:
    """Data, features, versions of the recordings of a few lengths; lang with either topology."""
    for name, part in recordings.find_parts(wavs, options.test_speaker).items():
        recordings.write_data(top / "data" / name, part)
        make_mfcc(top / "data" / name, recordings.MFCC)
    lexicon = {word: [p.split() for p in prons] for word, prons in recordings.LEXICON.items()}
    write_lang(make_lang(lexicon), top / "lang")
    write_lang(make_lang(lexicon), top / "lang_chain", chain_topology_text)
    places = {"data": top / "data/train", "dir": top / "data/train_e2e", "srand": options.seed}
    recipe.call("steps.chain.e2e.perturb", *recipe.training_options(places | PERTURB))


def flat_start(top: Path, options: argparse.Namespace) -> None:
    """Train top/e2e/final.mdl from transcripts."""
    tree = top / "e2e_tree"
    places = {"data": top / "data/train_e2e", "lang": top / "lang_chain", "dir": tree}
    more = {"type": options.type, "srand": options.seed}
    recipe.stage(
        tree,
        "Tree, phone language model, training graphs",
        lambda: recipe.call("steps.chain.e2e.prepare", *recipe.training_options(places | more)),
    )
    values = {"L2": f"{options.l2:g}", "L2_OUTPUT": f"{options.l2 / 2:g}"}
    values["PDFS"] = str(read_tree(str(tree / "tree")).num_pdfs)
    recipe.write_configs(top / "e2e" / "configs", XCONFIG, values)
    settings = SETTINGS | {
        "trainer.num-epochs": options.num_epochs,
        "trainer.optimization.num-jobs-initial": options.jobs,
        "trainer.optimization.num-jobs-final": options.jobs,
        "trainer.srand": options.seed,
        "use-gpu": options.use_gpu,
        "feat-dir": top / "data/train_e2e",
        "tree-dir": tree,
        "dir": top / "e2e",
    }
    recipe.call("steps.chain.e2e.train_e2e", *recipe.training_options(settings))


def align(top: Path, options: argparse.Namespace) -> None:
    """Alignments of the recordings as they are, and from them a triphone tree at the full frame rate."""
    data, ali = top / "data/train", top / "ali"
    places = {"model": top / "e2e/final.mdl", "lang": top / "lang_chain", "data": data, "dir": ali}
    recipe.call("steps.align_command", *recipe.training_options(places))
    places = {"data": data, "lang": top / "lang", "ali-dir": ali, "dir": top / "tree"}
    more = {"num-leaves": LEAVES, "srand": options.seed}
    recipe.call("steps.chain.build_tree", *recipe.training_options(places | more))


def train_on_alignments(top: Path, options: argparse.Namespace) -> None:
    """Train top/tdnn frame by frame; passes before the last are half as long, and align anew."""
    data, lang, ali = top / "data/train", top / "lang", top / "tree"
    for n in range(1, options.passes):
        train(data, ali, lang, top / f"tdnn{n}", options, options.dnn_epochs / 2)
        model, ali = top / f"tdnn{n}" / "final.mdl", top / f"ali{n}"
        places = {"model": model, "lang": lang, "data": data, "dir": ali}
        command = recipe.training_options(places)
        work = partial(recipe.call, "steps.align_command", *command)
        recipe.stage(ali, f"Aligning with pass {n}", work)
    train(data, ali, lang, top / "tdnn", options, options.dnn_epochs)


def recognise(top: Path, folder: Path, options: GraphOptions, acoustic_scale: float) -> float:
    """The word error rate of folder/final.mdl on the speaker kept apart."""
    print(f"Recognising the unseen speaker with {folder / 'final.mdl'}", flush=True)
    lang = read_lang(top / "lang")
    tree, model = read_tree(str(folder / "tree")), read_transition_model(str(folder / "final.mdl"))
    words = word_sequence(lang, [list(recordings.LEXICON)], options)
    write_graph(folder / "graph", decoding_graph(words, tree, model, options), lang, model)
    decoding = DecodeOptions(acoustic_scale=acoustic_scale)
    data, out = top / "data/test", folder / "decode_test"
    rate = decode_data(folder / "final.mdl", folder / "graph", data, out, decoding)
    print(rate.line())
    return rate.wer


def scores(folder: Path, model: str, names: Sequence[str]) -> dict[str, float]:
    """Scores of a model on training and held-out examples, which are printed too."""
    result = {}
    for part in ("train", "valid"):
        found = read_scores(folder / "log" / f"compute_prob_{part}.{model}.log")
        result |= {f"{part}_{name}": found[name] for name in names}
    print(", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in result.items()))
    return result


if __name__ == "__main__":
    raise SystemExit(main())
