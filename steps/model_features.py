"""What a trained model wants: features of a data directory normalised its way, its rate of output frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from nnet.formats.kinds import DOUBLE_MATRIX, MATRIX
from nnet.formats.tables import random_access, read_table
from nnet.inference import ChunkOptions
from steps.data_dir import cmvn_options, normalise, read_map
from steps.texts import read_int


def features_for(model_dir: Path, data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(utterance, (frames, dim)) of data/feats.scp, with the cepstral normalisation of model_dir/cmvn_opts.

    Without that file features stay as they are. Raises ValueError for a speaker without statistics.
    """
    options = model_dir / "cmvn_opts"
    cmvn = cmvn_options(options.read_text(encoding="utf-8").strip()) if options.is_file() else None
    feats = read_table(f"scp:{data}/feats.scp", MATRIX)
    if cmvn is None or not cmvn.changes:
        yield from feats
        return
    speakers = read_map(data / "utt2spk")
    with random_access(f"scp:{data}/cmvn.scp", DOUBLE_MATRIX) as stats:
        for utterance, x in feats:
            speaker = speakers.get(utterance)
            if speaker is None or speaker not in stats:
                raise ValueError(f"{data}: no cmvn statistics for utterance {utterance} (speaker {speaker})")
            yield utterance, normalise(x, stats[speaker], cmvn)


def subsampling_factor(model_dir: Path) -> int:
    """Input frames per output frame of the model in `model_dir`: its frame_subsampling_factor, else 1."""
    path = model_dir / "frame_subsampling_factor"
    return read_int(path) if path.is_file() else 1


def chunks_for(model_dir: Path, chunks: ChunkOptions = ChunkOptions()) -> ChunkOptions:  # noqa: B008 - frozen
    """`chunks` with the rate of output frames of the model in `model_dir`."""
    return replace(chunks, frame_subsampling_factor=subsampling_factor(model_dir))
