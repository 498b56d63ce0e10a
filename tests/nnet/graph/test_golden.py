"""Networks of Kaldi: the same contexts, the same config lines, the same outputs as nnet3-compute gives."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.kinds import MATRIX, VECTOR
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from nnet.graph.context import context
from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request, make_plan
from nnet.graph.run import Keep, forward

CASES = [
    *("attention", "cnn_plain", "cnn_tdnn", "descriptors", "fast_gru", "fast_lstmp", "ff_idct_lda_ivector"),
    *("ff_relu_batchnorm_l2", "ff_relu_renorm", "ff_sigmoid_tanh", "front_end", "gru", "lstm", "resnet"),
    *("stats_tdnn", "tdnn_bottleneck_output", "tdnnf", "two_outputs_objectives", "xvector"),
]
BY_FRAME = [name for name in CASES if name != "xvector"]
CHUNK = 20
IVECTOR_PERIOD = 10
TOLERANCE = (
    5e-5  # times the largest output; Kaldi's tanh of small x is only good to 1e-7, before a renormalisation
)


def model(case: Path) -> Nnet:
    return read_nnet(str(case / "0.raw"))


def info(case: Path, key: str) -> int:
    found = re.search(rf"^{key}: (-?\d+)$", (case / "info.txt").read_text(), re.MULTILINE)
    assert found
    return int(found.group(1))


@pytest.mark.parametrize("name", CASES)
def test_contexts_and_modulus_are_kaldis(name, shared):
    case = shared / "golden" / "cases" / name
    nnet = model(case)
    assert context(nnet) == (info(case, "left-context"), info(case, "right-context"))
    assert nnet.modulus() == info(case, "modulus")


@pytest.mark.parametrize("name", CASES)
def test_config_lines_are_those_of_the_model_file(name, shared):
    case = shared / "golden" / "cases" / name
    head = (case / "0.raw").read_bytes().split(b"\n\n")[0].decode().splitlines()
    nnet = model(case)
    assert nnet.config_lines() == head[1:]
    shown = [line for line in (case / "info.txt").read_text().splitlines() if "-node name=" in line]
    assert nnet.config_lines(with_dims=True) == shown


def in_test_mode(nnet: Nnet) -> Nnet:
    for component in nnet.components.values():
        if hasattr(component, "test_mode"):
            component.test_mode = True
    return nnet


def option(case: Path, name: str, default: int) -> int:
    found = re.search(rf"--{name}=(-?\d+)", (case / "cmd.txt").read_text())
    return int(found.group(1)) if found else default


def windows(nnet: Nnet, case: Path, frames: int):
    """(first output frame, number of outputs, left and right context) of nnet3-compute's chunks."""
    contexts = context(nnet)
    chunk = -(-CHUNK // nnet.modulus()) * nnet.modulus()
    left, right = (option(case, f"extra-{side}-context", 0) for side in ("left", "right"))
    initial = option(case, "extra-left-context-initial", -1)
    for start in range(0, frames, chunk):
        size = min(chunk, frames - start)
        extra = initial if start == 0 and initial >= 0 else left
        yield start, size, contexts[0] + extra, contexts[1] + right


def compute(nnet: Nnet, case: Path, features: np.ndarray, ivectors: np.ndarray | None) -> np.ndarray:
    plans, chunks = PlanCache(nnet), []
    for start, size, left, right in windows(nnet, case, len(features)):
        rows = np.clip(np.arange(start - left, start + size + right), 0, len(features) - 1)
        frames: dict[str, range] = {"input": range(-left, size + right)}
        inputs = {"input": features[rows][:, None]}
        if ivectors is not None:
            frames["ivector"] = range(1)
            nearest = min((start + (size - 1) // 2) // IVECTOR_PERIOD, len(ivectors) - 1)
            inputs["ivector"] = ivectors[nearest][None, None]
        acts = forward(nnet, plans(Request(frames, {"output": range(size)})), inputs, keep=Keep.OUTPUTS)
        chunks.append(acts.output()[:, 0])
    return np.concatenate(chunks)


@pytest.mark.parametrize("name", BY_FRAME)
def test_outputs_are_those_of_nnet3_compute(name, shared):
    case = shared / "golden" / "cases" / name
    nnet = in_test_mode(model(case))
    wanted = dict(read_table(f"ark:{case / 'output.ark'}", MATRIX))
    ivectors = dict(read_table(f"ark:{case / 'ivecs.ark'}", MATRIX)) if (case / "ivecs.ark").exists() else {}
    for key, features in read_table(f"ark:{case / 'feats.ark'}", MATRIX):
        ours = compute(nnet, case, np.asarray(features, np.float32), ivectors.get(key))
        assert ours.shape == wanted[key].shape
        assert abs(ours - wanted[key]).max() <= TOLERANCE * abs(wanted[key]).max()


def test_embeddings_are_those_of_nnet3_xvector_compute(shared):
    case = shared / "golden" / "cases" / "xvector"
    nnet, shortest = in_test_mode(model(case)), 100
    wanted = dict(read_table(f"ark:{case / 'output.ark'}", VECTOR))
    for key, features in read_table(f"ark:{case / 'feats.ark'}", MATRIX):
        size = max(len(features), shortest)
        rows = np.clip(np.arange(size) - (size - len(features)) // 2, 0, len(features) - 1)
        plan = make_plan(nnet, Request({"input": range(size)}, {"output": [0]}))
        found = forward(nnet, plan, {"input": features[rows][:, None]}).output()[0, 0]
        assert abs(found - wanted[key]).max() <= TOLERANCE * abs(wanted[key]).max()
