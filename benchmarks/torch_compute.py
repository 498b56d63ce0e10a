"""nnet3-compute in PyTorch: our plan of a chunk carried out with torch operations, all chunks of an utterance
as one batch.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from benchmarks.torch_step import apply, outputs
from nnet.component import Component, Io, params
from nnet.formats.kinds import MATRIX, VECTOR
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter, read_table
from nnet.graph.context import context
from nnet.graph.plan import Request, make_plan


def main() -> None:
    """`torch_compute [--compile] --frames-per-chunk=N [--ivectors=ark:F] MODEL FEATURES OUT`."""
    options = dict(word.split("=", 1) for word in sys.argv[1:-3] if "=" in word)
    model, features, out = sys.argv[-3:]
    nnet, chunk = read_nnet(model), int(options["--frames-per-chunk"])
    left, right = context(nnet)
    inputs: dict[str, Any] = {"input": range(-left, chunk + right)}
    ivectors = dict(read_table(options["--ivectors"], VECTOR)) if "--ivectors" in options else {}
    if ivectors:
        inputs["ivector"] = range(1)
    plan = make_plan(nnet, Request(inputs, {"output": range(chunk)}))
    weights = {
        name: {k: torch.from_numpy(a) for k, a in params(c).items()} for name, c in nnet.components.items()
    }
    forward = torch.compile(outputs, dynamic=False) if "--compile" in sys.argv else outputs
    with torch.inference_mode(), TableWriter(out, MATRIX) as writer:
        for key, feats in read_table(features, MATRIX):
            ys = {"input": torch.from_numpy(chunks(feats, chunk, left, right))}
            if ivectors:
                ys["ivector"] = torch.from_numpy(ivectors[key]).expand(1, ys["input"].shape[1], -1)
            y = forward(nnet, plan, weights, ys, apply_tested).numpy()  # (chunk, chunks, D)
            writer.write(key, y.transpose(1, 0, 2).reshape(-1, y.shape[2])[: len(feats)])


def chunks(feats: np.ndarray, chunk: int, left: int, right: int) -> np.ndarray:
    """(left + chunk + right, chunks, D): frames of each chunk with its context, ends repeated."""
    starts = np.arange(0, len(feats), chunk)
    t = np.arange(-left, chunk + right)[:, None] + starts
    return feats[t.clip(0, len(feats) - 1)]


def apply_tested(c: Component, w: dict[str, Any], x: Any, io: Io) -> Any:
    """One component, batch-norm with its stored statistics."""
    if type(c).__name__ == "BatchNorm":
        scale, offset = c.scale_and_offset()  # type: ignore[attr-defined]
        return x * torch.tensor(scale, dtype=x.dtype) + torch.tensor(offset, dtype=x.dtype)
    return apply(c, w, x, io)


if __name__ == "__main__":
    main()
