"""Chain examples of some utterances, from features, supervision, i-vectors and weights of frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from nnet.examples.chain_make import ChainExampleMaker, Normalization
from nnet.examples.make import MakeOptions
from nnet.examples.split import ChunkOptions
from nnet.formats.chain_examples import CHAIN_EXAMPLE, SUPERVISION, ChainExample
from nnet.formats.fst import read_fst_file
from nnet.formats.kinds import VECTOR
from nnet.formats.tables import random_access
from nnet.formats.transitions import read_transition_model
from nnet.programs.program import log, warn
from steps.data_dir import DataDir, cmvn_options
from steps.egs_source import Dims, check_usable, filtered, ivectors_of

PROG = "nnet3-chain-get-egs"
KIND = CHAIN_EXAMPLE
LENGTH_TOLERANCE = 1  # output frames by which features and supervision may differ, as in Kaldi


def examples(
    directory: Path, spec: dict[str, Any], utterances: list[str], rng: np.random.Generator, name: str
) -> Iterator[tuple[str, ChainExample]]:
    """(key, example) of `utterances`, dimensions noted for info/. Raises ValueError if many are unusable."""
    data = DataDir(Path(spec["feat_dir"]), cmvn_options(spec["cmvn_opts"]), spec["allow_pipes"])
    ivectors, period = ivectors_of(spec)
    model = None if spec["options"]["constrained"] else str(Path(spec["chain_dir"]) / "0.trans_mdl")
    maker = ChainExampleMaker(
        _make_options(spec, period),
        rng,
        _normalization(spec),
        warn=lambda message: warn(PROG, message),
        transitions=None if model is None else read_transition_model(model),
    )
    work = directory / ".work"
    features, dims = data.features(utterances, work / f"{name}.scp"), Dims(work)
    with ExitStack() as stack:
        table = random_access(f"scp:{filtered(work, utterances, name)}", SUPERVISION)
        supervision, weights = stack.enter_context(table), None
        if spec["options"]["deriv_weights_scp"]:
            scp = f"scp:{spec['options']['deriv_weights_scp']}"
            weights = stack.enter_context(random_access(scp, VECTOR, spec["allow_pipes"]))
        for key, eg in maker.chain_stream(features, supervision, ivectors, weights):
            dims.note(eg.inputs)
            yield key, eg
    for line in maker.splitter.summary():
        log(PROG, line)
    check_usable(maker.counts.problems + maker.no_weights, maker.counts.utterances)
    check_possible(maker.impossible, maker.counts.examples)


def check_possible(impossible: int, made: int) -> None:
    """Raise ValueError if normalization.fst has no path for most chunks."""
    if impossible > made:
        raise ValueError(
            f"{impossible} of {impossible + made} chunks have no path in normalization.fst; were "
            "phone_lm.fst and the lattices made with the same phones and tree?"
        )


def _normalization(spec: dict[str, Any]) -> Normalization:
    """The costs of the denominator, less what the lattices' own costs count for."""
    fst = read_fst_file(str(Path(spec["chain_dir"]) / "normalization.fst"))
    return Normalization.scaled(fst, 1.0 - (spec["options"]["lattice_lm_scale"] or 0.0))


def _make_options(spec: dict[str, Any], ivector_period: int) -> MakeOptions:
    info, options = spec["info"], spec["options"]
    contexts = ("left_context", "right_context", "left_context_initial", "right_context_final")
    chunks = ChunkOptions(
        num_frames=info["frames_per_eg"],
        num_frames_overlap=options["frames_overlap_per_eg"],
        frame_subsampling_factor=spec["frame_subsampling_factor"],
        **{name: info[name] for name in contexts},
    )
    return MakeOptions(
        chunks=chunks,
        dim=None,
        compress=options["compress"],
        ivector_period=ivector_period,
        targets_length_tolerance=LENGTH_TOLERANCE,
        target_name="supervision",
    )
