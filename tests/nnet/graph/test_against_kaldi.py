"""Random networks, made and computed by Kaldi's programs: same lines, contexts and outputs."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.kinds import MATRIX
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from nnet.graph.context import context
from nnet.graph.info import nnet_info
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import forward

DIM, FRAMES, CHUNK = 3, 31, 12
SEEDS = [1, 3, 5, 8, 9, 10, 12, 13, 14, 17, 18, 19, 20, 21, 25, 26]  # of others Kaldi finds no context


def forwarding(pick: random.Random, names: list[str], depth: int) -> str:
    """A random descriptor that only says which frame of which node is read."""
    inner = [forwarding(pick, names, depth - 1) for _ in range(3)] if depth else names[-1:] * 3
    forms = [
        f"Switch({', '.join(inner[: pick.randint(1, 3)])})",
        f"Offset({inner[0]}, {pick.randint(-3, 3)})",
        f"Round({inner[0]}, {pick.randint(1, 4)})",
        f"ReplaceIndex({pick.choice(names)}, t, {pick.randint(0, 3)})",
    ]
    plain = [pick.choice(names)] * 3
    return pick.choice(plain + forms[:3] * 3 + forms[3:] if depth else plain)


def summed(pick: random.Random, names: list[str], depth: int) -> str:
    """A random descriptor with sums, alternatives and optional parts."""
    if not depth or pick.random() < 0.3:
        return forwarding(pick, names, 2)
    a, b = summed(pick, names, depth - 1), summed(pick, names, depth - 1)
    forms = [
        f"Sum({a}, {b})",
        f"Failover({a}, {b})",
        f"IfDefined({a})",
        f"Offset({a}, {pick.randint(-3, 3)})",
    ]
    return pick.choice(forms)


def random_config(seed: int) -> str:
    """One to three affine layers over random descriptors, some of them recurrent."""
    pick, names = random.Random(seed), ["input"]
    lines = [f"input-node name=input dim={DIM}"]
    for k in range(pick.randint(1, 3)):
        delayed = f"IfDefined(Offset(h{k}, {pick.choice([-3, -2, -1, 1, 2])}))"
        second = delayed if pick.random() < 0.4 else summed(pick, names, 1)
        lines += [
            f"component name=a{k} type=NaturalGradientAffineComponent input-dim={2 * DIM} output-dim={DIM}",
            f"component-node name=a{k} component=a{k} input=Append({summed(pick, names, 2)}, {second})",
            f"component name=h{k} type=TanhComponent dim={DIM}",
            f"component-node name=h{k} component=h{k} input=a{k}",
        ]
        names.append(f"h{k}")
    return "\n".join([*lines, f"output-node name=output input={summed(pick, names[1:], 2)}"]) + "\n"


def head(info: str) -> list[str]:
    return [line for line in info.splitlines() if not line.startswith("component ")]


def write_features(path: Path) -> np.ndarray:
    features = np.random.default_rng(0).standard_normal((FRAMES, DIM)).round(4).astype(np.float32)
    rows = "\n".join(" ".join(f"{value:.4f}" for value in row) for row in features)
    path.write_text(f"u [\n{rows} ]\n")
    return features


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_compute_what_kaldis_compute(seed, kaldi, tmp_path):
    (tmp_path / "config").write_text(random_config(seed))
    raw, ark = tmp_path / "0.raw", tmp_path / "out.ark"
    kaldi("nnet3-init", tmp_path / "config", raw)
    nnet = read_nnet(str(raw))
    assert head(nnet_info(nnet)) == head(kaldi("nnet3-info", raw).stdout.decode())
    features = write_features(tmp_path / "feats.txt")
    options = ("--use-gpu=no", f"--frames-per-chunk={CHUNK}")
    kaldi("nnet3-compute", *options, raw, f"ark:{tmp_path / 'feats.txt'}", f"ark:{ark}")
    wanted = dict(read_table(f"ark:{ark}", MATRIX))["u"]
    np.testing.assert_allclose(in_chunks(nnet, features), wanted, atol=1e-5)


def in_chunks(nnet, features: np.ndarray) -> np.ndarray:
    """The outputs chunk by chunk, frames outside the utterance replaced by its first and last one."""
    (left, right), plans, parts = context(nnet), PlanCache(nnet), []
    chunk = -(-CHUNK // nnet.modulus()) * nnet.modulus()
    for start in range(0, FRAMES, chunk):
        size = min(chunk, FRAMES - start)
        rows = np.clip(np.arange(start - left, start + size + right), 0, FRAMES - 1)
        plan = plans(Request({"input": range(-left, size + right)}, {"output": range(size)}))
        parts.append(forward(nnet, plan, {"input": features[rows][:, None]}).output()[:, 0])
    return np.concatenate(parts)
