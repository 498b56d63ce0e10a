"""Writes a Kaldi alignment directory."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nnet.files import atomic_write
from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.transitions import TransitionModel, write_transitions
from nnet.formats.tree import ContextTree, write_tree
from nnet.formats.writer import KaldiOutput


def write_ali_dir(
    folder: Path,
    alignments: Iterable[tuple[str, np.ndarray]],
    tree: ContextTree,
    model: TransitionModel,
    phones: Path,
    cmvn_opts: str = "",
    frame_subsampling_factor: int = 1,
) -> None:
    """Write ali.1.gz from (utterance, transition-ids), final.mdl, tree, num_jobs, cmvn_opts, and phones.txt
    like `phones`; and how many frames of features a transition-id is for, unless it is 1.

    ali.1.gz comes last: a directory that has it is whole. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open_output(str(folder / "final.mdl")) as out:
        write_transitions(out, model)
    write_tree(tree, str(folder / "tree"))
    files = {
        "num_jobs": "1\n",
        "cmvn_opts": f"{cmvn_opts}\n",
        "phones.txt": phones.read_text(encoding="utf-8"),
    }
    if frame_subsampling_factor != 1:
        files["frame_subsampling_factor"] = f"{frame_subsampling_factor}\n"
    for name, text in files.items():
        with atomic_write(folder / name, text=True) as stream:
            stream.write(text)
    with atomic_write(folder / "ali.1.gz") as stream:
        stream.write(_archive(alignments))


def _archive(alignments: Iterable[tuple[str, np.ndarray]]) -> bytes:
    """A compressed archive, the same bytes whenever it is written."""
    records = io.BytesIO()
    for utterance, ids in alignments:
        records.write(utterance.encode() + b" \0B")
        INT_VECTOR.write(KaldiOutput(records, True), ids)
    return gzip.compress(records.getvalue(), 6, mtime=0)
