from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnet.programs.config_directory import replacing
from xconfig.generate import expanded, write_configs, write_matrices
from xconfig.layers.front_end import idct_matrix, matrix_text
from xconfig.parser import parse_xconfig

TEXT = """
input dim=4 name=input   # features
  fixed-affine-layer name=lda input=Append(-1,0) affine-transform-file=DIR/lda.mat
relu-layer name=a dim=3 ng-affine-options="update-period=1"
output-layer name=output dim=6 input=a@-1
"""


def written(text, folder):
    network = parse_xconfig(text.split("\n"))
    with replacing(str(folder)) as new:
        write_configs(network, new, text, "program --option=value")
        write_matrices(network)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_files_of_a_configs_directory_are_written(tmp_path):
    files = written(TEXT, tmp_path / "configs")
    assert sorted(files) == [
        "final.config", "init.config", "ref.config", "xconfig", "xconfig.expanded.1", "xconfig.expanded.2",
    ]  # fmt: skip
    assert all(text.startswith("# Made by: program --option=value\n# ") for text in files.values())
    assert "\nfixed-affine-layer name=lda input=Append(-1,0)" in files["xconfig"]
    assert "component name=lda type=FixedAffineComponent matrix=DIR/lda.mat\n" in files["final.config"]
    assert "component name=lda type=FixedAffineComponent input-dim=8 output-dim=8\n" in files["ref.config"]
    assert files["init.config"].endswith("output-node name=output input=Append(Offset(input, -1), input)\n")


def test_init_config_disappears_when_nothing_is_to_be_estimated(tmp_path):
    written(TEXT, tmp_path)
    files = written("input dim=4 name=input\noutput-layer name=output dim=6", tmp_path)
    assert "init.config" not in files


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_exception_leaves_the_directory_as_it_was(tmp_path):
    written(TEXT, tmp_path)
    (tmp_path / "vars").write_text("old")
    before = content(tmp_path)
    with pytest.raises(KeyboardInterrupt), replacing(str(tmp_path)) as new:
        write_configs(parse_xconfig(["input dim=9 name=input", "output name=output"]), new, "", "program")
        raise KeyboardInterrupt
    assert content(tmp_path) == before
    with pytest.raises(KeyboardInterrupt), replacing(str(tmp_path / "new" / "configs")):
        raise KeyboardInterrupt
    assert list((tmp_path / "new").iterdir()) == []


def test_vars_goes_first_and_comes_last(tmp_path, monkeypatch):
    for name in ("vars", "init.config", "init.raw", "other"):
        (tmp_path / name).write_text("old")
    moved, true = [], os.replace

    def fake(source, target):
        assert not (tmp_path / "vars").exists() and not (tmp_path / "init.raw").exists()
        moved.append(target.name)
        true(source, target)

    with replacing(str(tmp_path)) as new:
        for name in ("vars", "xconfig", "init.config", "final.config"):
            Path(new, name).write_text("new")
        monkeypatch.setattr(os, "replace", fake)
    assert moved == ["final.config", "init.config", "xconfig", "vars"]
    assert content(tmp_path) == {**dict.fromkeys(moved, b"new"), "other": b"old"}


def test_expansion_has_every_option_in_alphabetical_order_and_quotes():
    layer = parse_xconfig(TEXT.split("\n")).layers[2]
    assert expanded(layer) == (
        "relu-layer name=a add-log-stddev=False bias-stddev= bottleneck-dim=-1 dim=3 dropout-per-dim=False "
        "dropout-per-dim-continuous=False dropout-proportion=0.5 input=[-1] l2-regularize= "
        "learning-rate-factor= "
        'max-change=0.75 ng-affine-options="update-period=1" ng-linear-options= '
        "self-repair-scale=1e-05 target-rms=1.0"
    )


def test_second_expansion_spells_the_input_in_full():
    network = parse_xconfig(TEXT.split("\n"))
    assert "input=Append(Offset(input, -1), input)" in expanded(network.layers[1], normalised=True)
    assert "input=Offset(a, -1)" in expanded(network.layers[3], normalised=True)


def test_the_first_expansion_makes_the_same_network():
    network = parse_xconfig(TEXT.split("\n"))
    assert parse_xconfig([expanded(layer) for layer in network.layers]).configs == network.configs


def test_the_matrix_of_an_idct_layer_is_written(tmp_path):
    path = tmp_path / "new" / "idct.mat"
    text = f"input dim=3 name=input\nidct-layer name=i affine-transform-file={path}\noutput name=output"
    written(text, tmp_path / "configs")
    assert path.read_text() == matrix_text([[*row, 0] for row in idct_matrix(3, 3, 22.0)])


def test_without_liftering_the_matrix_inverts_the_cosine_transform():
    matrix = idct_matrix(5, 5, 0.0)
    for i in range(5):
        for j in range(5):
            product = sum(matrix[n][i] * matrix[n][j] for n in range(5))
            assert math.isclose(product, float(i == j), abs_tol=1e-12)


def test_liftering_divides_the_columns():
    plain, liftered = idct_matrix(13, 23, 0.0), idct_matrix(13, 23, 22.0)
    for k in range(13):
        lift = 1 + 11 * math.sin(math.pi * k / 22)
        assert liftered[7][k] == pytest.approx(plain[7][k] / lift)


def test_a_matrix_is_written_in_kaldis_text_format():
    assert matrix_text([[1.0, 0], [0.5, -2.0]]) == "[ 1.0 0\n0.5 -2.0 ]"


def test_xconfig_needs_neither_numpy_nor_components():
    code = "import sys, xconfig.generate; print('numpy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
