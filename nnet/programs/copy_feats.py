"""copy-feats: copies tables or single files of features, perhaps compressing them or changing the form."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from nnet.programs.program import log, option, run_program

PROG = "copy-feats"
USAGE = """
Writes features again: in text or binary, compressed or not, with or without a script file.

Usage: copy-feats [options] <feature-rspecifier> <feature-wspecifier>
or:    copy-feats [options] <feats-rxfilename> <feats-wxfilename>
e.g.:  copy-feats --compress=true scp:feats.scp ark,scp:small.ark,small.scp
       copy-feats scp:feats.scp ark,t:-
"""


@dataclass
class Options:
    """Options of copy-feats."""

    binary: bool = option(True, "Write a single file in binary mode (tables have ,t for text)")
    compress: bool = option(False, "Compress the features (tables only)")
    compression_method: int = option(1, "How --compress=true does it: method 1 ... 7")
    write_num_frames: str = option("", "Table for the number of frames of every utterance (tables only)")
    htk_in: bool = option(False, "Not supported: HTK features as input")
    sphinx_in: bool = option(False, "Not supported: Sphinx features as input")


def main(argv: Sequence[str] | None = None) -> int:
    """Run copy-feats."""
    return run_program(USAGE, Options, copy_feats, (2, 2), argv)


def copy_feats(options: Options, source: str, target: str) -> int:
    """Copy features from `source` to `target`; status 1 if a table was empty."""
    from nnet.formats.specifiers import is_rspecifier  # noqa: PLC0415 - fast start

    if options.htk_in or options.sphinx_in:
        raise ValueError(
            "--htk-in and --sphinx-in are not supported; convert the features with Kaldi's copy-feats"
        )
    return (
        _copy_table(options, source, target) if is_rspecifier(source) else _copy_file(options, source, target)
    )


def _copy_table(options: Options, source: str, target: str) -> int:
    from nnet.formats.matrix import compress  # noqa: PLC0415 - fast start
    from nnet.formats.tables import INT, MATRIX, TableWriter, read_table  # noqa: PLC0415 - fast start

    done = 0
    with ExitStack() as stack:
        writer = stack.enter_context(TableWriter(target, MATRIX))
        lengths = None
        if options.write_num_frames:
            lengths = stack.enter_context(TableWriter(options.write_num_frames, INT))
        for key, feats in read_table(source, MATRIX):
            writer.write(key, compress(feats, options.compression_method) if options.compress else feats)
            if lengths is not None:
                lengths.write(key, len(feats))
            done += 1
    log(PROG, f"Copied {done} feature matrices.")
    return 0 if done else 1


def _copy_file(options: Options, source: str, target: str) -> int:
    from nnet.formats.basic import open_output  # noqa: PLC0415 - fast start
    from nnet.formats.script import read_place  # noqa: PLC0415 - fast start
    from nnet.formats.tables import MATRIX  # noqa: PLC0415 - fast start

    if options.compress or options.write_num_frames:
        raise ValueError(
            "--compress and --write-num-frames are for tables (ark:, scp:), not for single files"
        )
    feats = read_place(source, MATRIX)
    with open_output(target, options.binary) as out:
        out.matrix(feats)
    shown = [
        name if name not in ("", "-") else f"standard {way}put"
        for name, way in ((source, "in"), (target, "out"))
    ]
    log(PROG, f"Copied features from {shown[0]} to {shown[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
