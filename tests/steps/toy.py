"""A language of two words with a perfect model: features are log posteriors, the network passes them on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnet.formats.kinds import MATRIX
from nnet.formats.model import AmNnet, am_nnet, write_am
from nnet.formats.tables import TableWriter
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree, write_tree
from steps.lang import Lang, make_lang, write_lang
from steps.monophone import monophone_model, shares, transition_ids
from tests.networks import network

LEXICON = {"no": [("n", "o")], "on": [("o", "n")]}


def toy_lang(top: Path) -> tuple[Lang, TransitionModel]:
    """top/lang, and a monophone model of its phones: SIL, n, o with three pdfs each."""
    lang = make_lang(LEXICON)
    write_lang(lang, top / "lang")
    _, model = monophone_model(top / "lang", lang)
    return lang, model


def toy_model(top: Path, model: TransitionModel, lang: Lang, tree: ContextTree | None = None) -> Path:
    """top/exp/final.mdl and tree, by default the monophone one; the network's output is its input."""
    (top / "exp").mkdir(exist_ok=True)
    dim = model.num_pdfs
    nnet = network(
        f"input-node name=input dim={dim}\n"
        f"component name=same type=NoOpComponent dim={dim}\n"
        "component-node name=same component=same input=input\n"
        "output-node name=output input=same objective=linear"
    )
    am: AmNnet = am_nnet(model, nnet).with_priors(np.full(dim, 1 / dim, np.float32))
    write_am(am, str(top / "exp" / "final.mdl"))
    write_tree(tree or monophone_model(top / "lang", lang)[0], str(top / "exp" / "tree"))
    return top / "exp" / "final.mdl"


def toy_ids(lang: Lang, model: TransitionModel, phones: Sequence[str], num_frames: int) -> np.ndarray:
    """Transition-ids of phones of about equal length."""
    return transition_ids(model, [lang.phones[p] for p in phones], shares(num_frames, len(phones)))


def toy_feats(model: TransitionModel, ids: np.ndarray, right: float = 0.9) -> np.ndarray:
    """(frames, pdfs): log posteriors, `right` of it for the pdf of each transition-id."""
    y = np.full((len(ids), model.num_pdfs), (1 - right) / (model.num_pdfs - 1), np.float32)
    y[np.arange(len(ids)), model.pdf_of(ids)] = right
    return np.log(y)


def write_toy_data(folder: Path, feats: dict[str, np.ndarray], text: dict[str, str]) -> None:
    """A data directory; every utterance is its own speaker."""
    folder.mkdir(parents=True, exist_ok=True)
    with TableWriter(f"ark,scp:{folder}/feats.ark,{folder}/feats.scp", MATRIX) as writer:
        for utterance in sorted(feats):
            writer.write(utterance, feats[utterance])
    (folder / "text").write_text("".join(f"{u} {words}\n" for u, words in text.items()))
    (folder / "utt2spk").write_text("".join(f"{u} {u}\n" for u in sorted(feats)))
