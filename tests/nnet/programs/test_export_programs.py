"""nnet3-to-npz and nnet3-to-onnx."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nnet.programs.workshop import error_of, log_lines, run, without


def test_models_become_npz_and_onnx_files(shop, capsys):
    pytest.importorskip("onnx", reason="needs the package onnx")
    assert run("nnet3-to-npz mdl out.npz") == 0
    assert run("nnet3-to-onnx --frame-subsampling-factor=3 mdl out.onnx") == 0
    lines = log_lines(capsys.readouterr().err)
    with np.load("out.npz") as archive:
        assert lines[0] == f"Wrote {len(archive.files)} arrays of mdl to out.npz" and "h1.affine.W" in archive
    assert lines[1] == "output: 4 columns, left/right context 1, 1" and lines[2].endswith(
        "operators to out.onnx"
    )


def test_without_onnx_the_way_to_install_it_is_told(shop, capsys, monkeypatch):
    without(monkeypatch, "onnx")
    assert run("nnet3-to-onnx raw o") == 1
    assert error_of(capsys.readouterr().err) == "the package onnx is not installed: pip install -e '.[onnx]'"
