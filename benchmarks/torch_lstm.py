"""The TDNN-LSTM of the benchmarks in PyTorch operations, with a cell of its own, as users would write it."""

from __future__ import annotations

from typing import Any

import torch

from nnet.graph.network import Nnet

SPLICE, DELAY = {"tdnn1": (-2, -1, 0, 1, 2), "tdnn2": (-3, 0, 3)}, 3


def weights_of(nnet: Nnet, device: str) -> dict[str, Any]:
    """Trainable matrices and vectors of the shapes of the network's, one for each of its parameters."""
    generator = torch.Generator().manual_seed(0)

    def made(*shape: int) -> Any:
        w = torch.randn(shape, generator=generator) / max(shape[-1], 1) ** 0.5
        return w.to(device).requires_grad_()

    found = {}
    for name, c in nnet.components.items():
        for key in ("W", "b"):
            if getattr(c, "is_trained", False) and getattr(c, key, None) is not None:
                found[f"{name}.{key}"] = made(*getattr(c, key).shape)
    return found


def outputs(w: dict[str, Any], x: Any, frames: int) -> Any:
    """Log-probabilities (frames, N, classes) of the last frames that x (T, N, D) lets one compute."""
    for tdnn, lstm in (("tdnn1", "lstm1"), ("tdnn2", "lstm2")):
        x = lstmp(w, lstm, relu_batchnorm(w, tdnn, x))
    y = torch.nn.functional.linear(x[-frames:], w["output.affine.W"], w["output.affine.b"])
    return torch.log_softmax(y, 2)


def relu_batchnorm(w: dict[str, Any], name: str, x: Any) -> Any:
    """The frames that have all neighbours, spliced, through affine, ReLU and batch normalisation."""
    first, last = SPLICE[name][0], SPLICE[name][-1]
    T = len(x) - (last - first)
    spliced = torch.cat([x[o - first : o - first + T] for o in SPLICE[name]], 2)
    y = torch.relu(torch.nn.functional.linear(spliced, w[f"{name}.affine.W"], w[f"{name}.affine.b"]))
    rows = y.reshape(-1, y.shape[2])
    return torch.nn.functional.batch_norm(rows, None, None, None, None, True, 0.1, 1e-3).reshape(y.shape)


def lstmp(w: dict[str, Any], name: str, x: Any) -> Any:
    """A projected LSTM with peepholes whose recurrence goes DELAY frames back, in blocks of DELAY frames."""
    W, b = w[f"{name}.W_all.W"], w[f"{name}.W_all.b"]
    P, pb = w[f"{name}.W_rp.W"], w[f"{name}.W_rp.b"]
    peep = w[f"{name}.lstm_nonlin.W"]
    C, R = peep.shape[1], W.shape[1] - x.shape[2]
    r = x.new_zeros(DELAY, x.shape[1], R)
    c = x.new_zeros(DELAY, x.shape[1], C)
    made = []
    for t in range(0, len(x) - DELAY + 1, DELAY):
        parts = torch.nn.functional.linear(torch.cat([x[t : t + DELAY], r], 2), W, b)
        i, f, g, o = parts.split(C, 2)
        c_new = torch.sigmoid(f + peep[1] * c) * c + torch.sigmoid(i + peep[0] * c) * torch.tanh(g)
        m = torch.sigmoid(o + peep[2] * c_new) * torch.tanh(c_new)
        rp = torch.nn.functional.linear(m, P, pb)
        r, c = rp[..., :R], c_new
        made.append(rp)
    return torch.cat(made)
