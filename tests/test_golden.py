"""Our installed programs against Kaldi's results in the shared data, by the checker that comes with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("kaldiio", reason="the checker of the shared data reads archives with kaldiio")

ROOT = Path(__file__).parents[1]
CASES = (
    "ff_relu_renorm",
    "ff_relu_batchnorm_l2",
    "ff_sigmoid_tanh",
    "ff_idct_lda_ivector",
    "two_outputs_objectives",
    "descriptors",
    "tdnnf",
    "tdnn_bottleneck_output",
)
GROUPS = {
    "config,roundtrip,info,init": 4,
    "compute,prob": 2,
    "train,average": 5,  # four sets of options
}


def check(shared: Path, cases: str, kinds: str) -> list[str]:
    """The lines that the checker prints; its programs are those of this interpreter's environment."""
    checker = shared / "golden" / "check.py"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        [sys.executable, checker, "-v", "--only", cases, "--kinds", kinds],
        cwd=ROOT,
        env=os.environ | {"PATH": path, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("kinds", GROUPS)
@pytest.mark.parametrize("case", CASES)
def test_a_network_is_what_kaldi_makes_of_it(shared, case, kinds):
    lines = check(shared, f"^{case}$", kinds)
    assert lines[-1] == f"{GROUPS[kinds]} of {GROUPS[kinds]} checks hold", "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("orthonormal", 2), ("egs", 4)])
def test_examples_and_constrained_matrices_are_kaldis(shared, kind, count):
    lines = check(shared, "^$", kind)
    assert lines[-1] == f"{count} of {count} checks hold", "\n".join(lines)


@pytest.mark.slow
def test_natural_gradient_is_kaldis_step_by_step(shared):
    lines = check(shared, "^$", "ng")
    assert lines[-1] == "7 of 7 checks hold", "\n".join(lines)
