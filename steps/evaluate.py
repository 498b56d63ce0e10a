"""Objective and accuracy of a model on a data directory whose alignments are known: what it makes of
unseen speakers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nnet.combination import set_test_modes
from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.merge import group_examples
from nnet.examples.minibatch import to_minibatch
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.examples.split import ChunkOptions
from nnet.formats.examples import NnetExample
from nnet.formats.model import AmNnet, read_am
from nnet.graph.context import context
from nnet.score import Score, Scorer
from steps.ali_dir import AliDir
from steps.model_features import features_for

FRAMES_PER_EXAMPLE = 8
MINIBATCH_SIZE = "1:64"


def score_data(model: Path, data: Path, ali: Path) -> Score:
    """The score of `model` (DIR/final.mdl) per frame of `data`, as nnet3-get-egs and nnet3-compute-prob give
    it.

    Utterances without alignment, or shorter than an example of eight frames, are left out as in training.
    Raises ValueError if the alignments have another number of pdfs than the model, or nothing is left.
    """
    am, alignments = read_am(str(model)), AliDir(ali)
    alignments.check()
    if alignments.num_pdfs != am.nnet.output_dim("output"):
        raise ValueError(f"{ali} has {alignments.num_pdfs} pdfs, {model} has {am.nnet.output_dim('output')}")
    scorer = Scorer(set_test_modes(am.nnet))
    inputs, outputs = am.nnet.input_names(), am.nnet.output_names()
    examples = _examples(am, model.parent, data, alignments)
    for group in group_examples(examples, parse_minibatch_sizes(MINIBATCH_SIZE)):
        scorer.add(to_minibatch(group, inputs, outputs))
    if "output" not in scorer.scores:
        raise ValueError(f"{data} and {ali} have no utterance of {FRAMES_PER_EXAMPLE} frames in common")
    return scorer.scores["output"]


def _examples(am: AmNnet, model_dir: Path, data: Path, ali: AliDir) -> Iterator[NnetExample]:
    left, right = context(am.nnet)
    chunks = ChunkOptions(left_context=left, right_context=right, num_frames=str(FRAMES_PER_EXAMPLE))
    maker = ExampleMaker(MakeOptions(chunks=chunks, dim=ali.num_pdfs), np.random.default_rng(0))
    targets = {utterance: ali.transitions.pdf_of(ids) for utterance, ids in ali.alignments()}
    for _, example in maker.stream(features_for(model_dir, data), targets):
        yield example
