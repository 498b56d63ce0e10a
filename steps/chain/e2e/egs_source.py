"""End-to-end chain examples of some utterances, from features and training graphs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nnet.examples.chain_e2e import E2eMaker, E2eOptions
from nnet.formats.chain_examples import CHAIN_EXAMPLE, ChainExample
from nnet.formats.fst import FST, read_fst_file
from nnet.formats.tables import random_access
from nnet.formats.transitions import read_transition_model
from nnet.programs.program import log, warn
from steps.data_dir import DataDir, cmvn_options
from steps.egs_source import Dims, filtered, ivectors_of

PROG = "nnet3-chain-e2e-get-egs"
KIND = CHAIN_EXAMPLE
TOLERATED = 0.5  # of the utterances may be unusable


def examples(
    directory: Path, spec: dict[str, Any], utterances: list[str], rng: np.random.Generator, name: str
) -> Iterator[tuple[str, ChainExample]]:
    """(key, example) of `utterances`, dimensions noted for info/. Raises ValueError if most are unusable."""
    work, chain = directory / ".work", Path(spec["chain_dir"])
    data = DataDir(Path(spec["feat_dir"]), cmvn_options(spec["cmvn_opts"]), spec["allow_pipes"])
    ivectors, period = ivectors_of(spec)
    maker = E2eMaker(
        read_transition_model(str(chain / "0.trans_mdl")),
        _options(spec, period),
        rng,
        read_fst_file(str(chain / "normalization.fst")),
        lambda message: warn(PROG, message),
    )
    dims = Dims(work)
    with random_access(f"scp:{filtered(work, utterances, name)}", FST, spec["allow_pipes"]) as graphs:
        for utterance, x in data.features(utterances, work / f"{name}.scp"):
            for key, eg in maker.stream([(utterance, graphs[utterance])], {utterance: x}, ivectors):
                dims.note(eg.inputs)
                yield key, eg
    c = maker.counts
    log(PROG, f"{c.examples} examples of {c.utterances} utterances; {c.too_short} too short for their words")
    if c.utterances - c.examples > TOLERATED * max(1, c.utterances):
        raise ValueError(
            f"{c.utterances - c.examples} of {c.utterances} utterances could not be used, see above"
        )


def _options(spec: dict[str, Any], ivector_period: int) -> E2eOptions:
    info = spec["info"]
    initial, final = info["left_context_initial"], info["right_context_final"]
    return E2eOptions(
        lengths=tuple(int(n) for n in info["frames_per_eg"].split(",")),
        left_context=initial if initial >= 0 else info["left_context"],
        right_context=final if final >= 0 else info["right_context"],
        frame_subsampling_factor=spec["frame_subsampling_factor"],
        compress=spec["options"]["compress"],
        ivector_period=ivector_period,
    )
