"""python -m steps.decode_command: recognise a data directory with a model and a graph, count the errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnet.inference import ChunkOptions
from steps.applied import AppliedOptions
from steps.command_line import run_command
from steps.decode import DecodeOptions, decode_data
from steps.options import option, required

HEADING = """Recognise a data directory with a graph as Kaldi's mkgraph.sh makes them; the word error rate.

Usage: python -m steps.decode_command [options] --model M/final.mdl --graph GRAPH --data DATA --dir DIR

Needs kaldifst, kaldi-decoder and kaldialign: pip install -e '.[decode]'. Writes DIR/hyp.txt and DIR/wer."""


@dataclass(frozen=True, kw_only=True)
class Options(AppliedOptions):
    """Options of the command."""

    graph: str = required("graph", "directory of HCLG.fst and words.txt")
    beam: float = option("beam", 15.0, "pruning beam")
    max_active: int = option("max-active", 7000, "states kept at each frame, at most")
    frames_per_chunk: int = option("frames-per-chunk", 50, "frames computed at once")
    online_ivector_dir: str | None = option("online-ivector-dir", None, "directory of ivector_online.scp")

    def decoding(self) -> DecodeOptions:
        """What the search and the network are told. Raises OSError if the i-vectors' period is not known."""
        chunks = ChunkOptions(frames_per_chunk=self.frames_per_chunk)
        settings = DecodeOptions(self.acoustic_scale, self.beam, self.max_active, chunks)
        if self.online_ivector_dir is None:
            return settings
        folder = Path(self.online_ivector_dir)
        period = int((folder / "ivector_period").read_text(encoding="ascii"))
        source = f"scp:{folder}/ivector_online.scp"
        return replace(settings, online_ivectors=source, online_ivector_period=period)


def main(argv: Sequence[str] | None = None) -> int:
    """Decode; returns the exit status."""
    return run_command("decode", HEADING, Options, decode, argv)


def decode(o: Options) -> None:
    """Write what was recognised and say how much of it is wrong."""
    rate = decode_data(Path(o.model), Path(o.graph), Path(o.data), Path(o.dir), o.decoding())
    print(rate.line())


if __name__ == "__main__":
    sys.exit(main())
