"""Features of a data directory, normalised the way a trained model wants them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nnet.formats.kinds import DOUBLE_MATRIX, MATRIX
from nnet.formats.tables import random_access, read_table
from steps.data_dir import cmvn_options, normalise, read_map


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
