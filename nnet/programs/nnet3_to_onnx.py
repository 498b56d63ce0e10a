"""nnet3-to-onnx: a feed-forward model as an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.formats.model import read_nnet
from nnet.programs.program import log, option, run_program

PROG = "nnet3-to-onnx"
USAGE = """
Write a model (raw, or .mdl) in test mode as an ONNX file. Feed-forward, TDNN, TDNN-F and convolutional
networks are supported, recurrent ones, attention and statistics over time are not.

Inputs of the ONNX model: `input` (sequences, frames, dim) and, if the network has i-vectors, `ivector`
(sequences, dim). Outputs have as many frames less as the network has left and right context.

Usage:  nnet3-to-onnx [options] <nnet-in> <onnx-out>
e.g.:   nnet3-to-onnx --outputs=output final.mdl final.onnx
"""


@dataclass
class Options:
    """Options of nnet3-to-onnx."""

    outputs: str = option("", "Comma-separated names of the outputs to compute; default: all")
    frame_subsampling_factor: int = option(1, "Keep one of so many output frames, as for chain models (3)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-to-onnx."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, model: str, target: str) -> None:
    """Write the ONNX file. Raises ValueError naming what cannot be expressed."""
    try:
        import onnx  # noqa: F401, PLC0415 - an extra

        from nnet.export.onnx_model import save_onnx  # noqa: PLC0415 - fast start
    except ImportError:
        raise ValueError("the package onnx is not installed: pip install -e '.[onnx]'") from None
    nnet = read_nnet(model)
    outputs = options.outputs.split(",") if options.outputs else None
    proto = save_onnx(nnet, target, outputs, options.frame_subsampling_factor)
    properties = {p.key: p.value for p in proto.metadata_props}
    for name in outputs or nnet.output_names():
        left, right = (properties[f"{name}.{side}_context"] for side in ("left", "right"))
        log(PROG, f"{name}: {nnet.output_dim(name)} columns, left/right context {left}, {right}")
    log(PROG, f"Wrote {len(proto.graph.node)} operators to {target}")


if __name__ == "__main__":
    raise SystemExit(main())
