from __future__ import annotations

import pytest

from nnet.formats.model import read_nnet
from nnet.programs.xconfig_to_configs import main

NETWORK = """
input dim=4 name=input
fixed-affine-layer name=lda input=Append(-2,0,1) affine-transform-file=lda.mat delay={delay}
relu-layer name=a dim=3 input=Append(-1,2)
output-layer name={output} dim=6 output-delay={delay}
"""


@pytest.fixture
def run(tmp_path):
    """Runs the program on a text; returns (status, config directory)."""

    def run(text, *options, folder="configs"):
        (tmp_path / "net.xconfig").write_text(text)
        argv = [f"--xconfig-file={tmp_path / 'net.xconfig'}", f"--config-dir={tmp_path / folder}", *options]
        return main(argv), tmp_path / folder

    return run


def test_all_files_are_written_with_the_contexts(run):
    status, folder = run(NETWORK.format(delay=0, output="output"))
    assert status == 0
    assert (folder / "vars").read_text() == "model_left_context=3\nmodel_right_context=3\n"
    assert read_nnet(str(folder / "ref.raw")).dim("output") == 6
    assert read_nnet(str(folder / "init.raw")).dim("output") == 12
    assert {p.name for p in folder.iterdir()} == {
        "xconfig", "xconfig.expanded.1", "xconfig.expanded.2", "init.config", "init.raw", "ref.config",
        "ref.raw", "final.config", "vars",
    }  # fmt: skip


def test_options_and_values_may_stand_apart(tmp_path):
    (tmp_path / "net.xconfig").write_text("input dim=4 name=input\noutput-layer name=output dim=6")
    assert main(["--xconfig-file", str(tmp_path / "net.xconfig"), "--config-dir", str(tmp_path / "c")]) == 0
    assert (tmp_path / "c/vars").exists()
    assert not (tmp_path / "c/init.raw").exists()


def test_edits_come_before_the_context(run):
    text = NETWORK.format(delay=0, output="other")
    assert run(text)[0] == 1
    status, folder = run(text, "--nnet-edits=rename-node old-name=other new-name=output")
    assert status == 0
    assert read_nnet(str(folder / "ref.raw")).output_names() == ["other"]


def test_layers_are_added_to_an_existing_model(run):
    old = (
        "input dim=4 name=input\nrelu-layer name=a dim=3 input=Append(-1,0,1)\noutput-layer name=output dim=6"
    )
    _, folder = run(old, folder="old")
    new = "relu-layer name=b dim=5 input=a.relu@-2\noutput-layer name=output dim=7"
    status, added = run(new, f"--existing-model={folder / 'ref.raw'}", folder="new")
    assert status == 0
    nnet = read_nnet(str(added / "ref.raw"))
    assert (nnet.dim("a.relu"), nnet.dim("b.relu"), nnet.dim("output")) == (3, 5, 7)
    assert (added / "vars").read_text() == "model_left_context=3\nmodel_right_context=0\n"


def test_a_transform_must_not_see_more_than_the_network(run, capsys):
    text = NETWORK.format(delay=0, output="output").replace("output-delay=0", "output-delay=-9")
    status, folder = run(text)
    assert status == 1
    assert "init.config reads 1 frames of right context, the network only 0; if its output is delayed" in (
        capsys.readouterr().err
    )
    assert not (folder / "vars").exists()


def test_a_delay_on_both_sides_is_accepted(run):
    status, folder = run(NETWORK.format(delay=5, output="output"))
    assert status == 0
    assert (folder / "vars").read_text() == "model_left_context=0\nmodel_right_context=8\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--xconfig-file must be given"),
        (["--xconfig-file=x"], "--config-dir must be given"),
        (["--xconfig-file=/no/file", "--config-dir=/no/dir"], "/no/file: No such file"),
        (["--xconfig-fil=x"], "xconfig-fil"),
    ],
)
def test_wrong_command_lines_end_in_one_line(argv, message, capsys):
    assert main([*argv, "--print-args=false"]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_mistake_in_the_file_is_reported_with_its_line(run, capsys):
    status, folder = run("input dim=4 name=input\nrelu-layre name=a")
    assert status == 1
    assert (
        "net.xconfig:2: there is no layer type relu-layre; did you mean relu-layer?"
        in capsys.readouterr().err
    )
    assert not folder.exists()


GOOD = "input dim=4 name=input\nrelu-layer name=a dim=3 input=Append(-1,0)\noutput-layer name=output dim=6\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dim=3 ", 'dim=3 ng-affine-options="no-such-key=1" ',
         "net.xconfig:2: relu-layer a: component a.affine"),
        ("output-layer", "relu-layer name=a.b dim=2 ng-affine-options=\"alph=1\"\noutput-layer",
         "net.xconfig:3: relu-layer a.b: component a.b.affine"),
    ],
)  # fmt: skip
def test_a_line_that_makes_no_network_leaves_the_old_directory_whole(run, capsys, old, new, message):
    _, folder = run(GOOD)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    capsys.readouterr()
    assert run(GOOD.replace(old, new))[0] == 1
    err = capsys.readouterr().err
    assert message in err and "ref.config" not in err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_directory_that_would_hold_nothing_is_not_made(run):
    assert not run(GOOD.replace("dim=3 ", 'dim=3 ng-affine-options="no-such-key=1" '))[1].exists()


def test_the_models_of_a_network_without_transform_replace_those_of_one_with_it(run):
    _, folder = run(NETWORK.format(delay=0, output="output"))
    assert (folder / "init.raw").exists()
    assert run(GOOD)[0] == 0
    assert not (folder / "init.raw").exists() and not (folder / "init.config").exists()
    assert (folder / "vars").read_text() == "model_left_context=1\nmodel_right_context=0\n"


def test_the_matrix_that_a_layer_makes_is_written_only_with_the_rest(run, tmp_path):
    path = tmp_path / "idct.mat"
    text = f"input dim=3 name=input\nidct-layer name=i dim=3 affine-transform-file={path}\n" + (
        "relu-layer name=a dim=3 {}\noutput-layer name=output dim=6"
    )
    assert run(text.format('ng-affine-options="no-such-key=1"'))[0] == 1
    assert not path.exists()
    assert run(text.format(""))[0] == 0
    assert path.read_text().startswith("[ ")
