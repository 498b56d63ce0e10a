"""Programs on models and alignments: the files that Kaldi's write, its log lines, one-line errors."""

from __future__ import annotations

import gzip
import importlib
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.model import am_nnet, read_am, read_nnet, write_am, write_nnet
from nnet.formats.transitions import read_transition_model
from tests.networks import TDNN, network

NET = TDNN.replace("output-dim=4", "output-dim=96").replace(
    "LogSoftmaxComponent dim=4", "LogSoftmaxComponent dim=96"
)


def run(program: str, *arguments: object) -> int:
    module = importlib.import_module(f"nnet.programs.{program.replace('-', '_')}")
    return module.main([str(a) for a in arguments])


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_nnet(network(NET), str(tmp_path / "0.raw"))
    return tmp_path / "0.raw"


@pytest.fixture
def mdl(tmp_path: Path, shared: Path) -> Path:
    transitions = read_transition_model(str(shared / "fsdd" / "exp" / "ali" / "final.mdl"))
    am = am_nnet(transitions, network(NET))
    write_am(am.with_priors(np.full(96, 1 / 96, np.float32)), str(tmp_path / "0.mdl"))
    return tmp_path / "0.mdl"


@pytest.fixture
def alignments(shared: Path, tmp_path: Path) -> str:
    with gzip.open(shared / "fsdd" / "exp" / "ali" / "ali.2.gz") as stream:
        (tmp_path / "ali").write_bytes(stream.read())
    return f"ark:{tmp_path}/ali"


def same(kaldi, tmp_path: Path, program: str, *arguments: object) -> bool:
    """Whether our program writes the bytes that Kaldi's writes; the output file is the last argument."""
    assert run(program, *arguments, tmp_path / "ours") == 0
    kaldi(program, *arguments, tmp_path / "kaldi")
    return (tmp_path / "ours").read_bytes() == (tmp_path / "kaldi").read_bytes()


class TestInit:
    def test_a_config_becomes_a_network_that_depends_on_the_seed(self, tmp_path, capfd):
        (tmp_path / "c").write_text(TDNN)
        for seed, name in ((1, "a"), (1, "b"), (2, "c2"), (-3, "d")):
            assert run("nnet3-init", f"--srand={seed}", tmp_path / "c", tmp_path / name) == 0
        a, b, c, d = (Path(tmp_path / n).read_bytes() for n in ("a", "b", "c2", "d"))
        assert a == b and len({a, c, d}) == 3
        assert f"Initialized raw neural net and wrote it to {tmp_path}/a" in capfd.readouterr().err

    def test_a_config_goes_on_top_of_a_network(self, raw, tmp_path):
        (tmp_path / "c").write_text("output-node name=more input=h2\n")
        assert run("nnet3-init", "--binary=false", raw, tmp_path / "c", tmp_path / "1.raw") == 0
        assert read_nnet(str(tmp_path / "1.raw")).output_names() == ["output", "more"]

    def test_components_that_nothing_uses_are_warned_of(self, tmp_path, capfd):
        (tmp_path / "c").write_text(TDNN + "component name=idle type=NoOpComponent dim=3\n")
        assert run("nnet3-init", tmp_path / "c", tmp_path / "a") == 0
        assert "WARNING" in (err := capfd.readouterr().err) and "Component idle is never used" in err

    def test_a_mistake_is_one_line_with_file_and_line(self, tmp_path, capfd):
        (tmp_path / "c").write_text(
            "input-node name=input dim=5\ncomponent name=a type=NoOpComponent dmi=3\n"
        )
        assert run("nnet3-init", tmp_path / "c", tmp_path / "a") == 1
        assert f"{tmp_path}/c:2: component a NoOpComponent" in capfd.readouterr().err
        assert not (tmp_path / "a").exists()


class TestCopy:
    @pytest.mark.parametrize(
        "option",
        [
            "--binary=false",
            "--learning-rate=0.3",
            "--scale=0.3",
            "--edits=set-dropout-proportion proportion=0.3",
        ],
    )
    def test_the_result_is_kaldis(self, option, raw, kaldi, tmp_path):
        assert same(kaldi, tmp_path, "nnet3-copy", option, raw)

    def test_batch_norm_in_test_mode_is_written_as_kaldi_does(self, shared, kaldi, tmp_path):
        trained = shared / "golden" / "cases" / "ff_relu_batchnorm_l2" / "train_l2.raw"
        assert same(kaldi, tmp_path, "nnet3-copy", "--batchnorm-test-mode=true", trained)

    def test_an_edits_file_comes_before_edits(self, raw, tmp_path, capfd):
        (tmp_path / "e").write_text("set-learning-rate learning-rate=0.5\n")
        edits = (f"--edits-config={tmp_path}/e", "--edits=set-learning-rate name=h2 learning-rate=0.25")
        assert run("nnet3-copy", *edits, raw, tmp_path / "1.raw") == 0
        components = read_nnet(str(tmp_path / "1.raw")).components
        assert (components["h2"].learning_rate, components["scale"].learning_rate) == (0.25, 0.5)
        assert capfd.readouterr().err.count("Set learning rates for") == 2

    def test_prepare_for_test_sets_test_modes(self, raw, tmp_path):
        assert run("nnet3-copy", "--prepare-for-test=true", raw, tmp_path / "1.raw") == 0
        components = read_nnet(str(tmp_path / "1.raw")).components
        assert components["h1.batchnorm"].test_mode and components["h1.dropout"].test_mode

    def test_a_config_can_add_nodes(self, raw, tmp_path):
        (tmp_path / "c").write_text("output-node name=more input=h2\n")
        assert run("nnet3-copy", f"--nnet-config={tmp_path}/c", raw, tmp_path / "1.raw") == 0
        assert read_nnet(str(tmp_path / "1.raw")).output_names() == ["output", "more"]

    def test_a_missing_file_is_one_line(self, tmp_path, capfd):
        assert run("nnet3-copy", tmp_path / "none.raw", tmp_path / "1.raw") == 1
        assert capfd.readouterr().err.splitlines()[-1].endswith("none.raw: No such file or directory")


class TestAcousticModels:
    def test_a_model_is_made_of_transitions_and_network(self, raw, kaldi, shared, tmp_path):
        fsdd = shared / "fsdd"
        assert same(kaldi, tmp_path, "nnet3-am-init", fsdd / "exp" / "ali" / "final.mdl", raw)
        assert same(
            kaldi, tmp_path, "nnet3-am-init", fsdd / "exp" / "ali" / "tree", fsdd / "lang" / "topo", raw
        )

    @pytest.mark.parametrize(
        "option",
        [
            "--binary=false",
            "--raw=true",
            "--learning-rate=0.3",
            "--scale=0.9",
            "--edits=rename-node old-name=h2 new-name=x",
        ],
    )
    def test_copies_are_kaldis(self, option, mdl, kaldi, tmp_path):
        assert same(kaldi, tmp_path, "nnet3-am-copy", option, mdl)

    def test_another_network_can_be_put_in(self, mdl, tmp_path, capfd):
        write_nnet(network(), str(tmp_path / "small.raw"))
        assert run("nnet3-am-copy", f"--set-raw-nnet={tmp_path}/small.raw", mdl, tmp_path / "1.mdl") == 0
        assert read_am(str(tmp_path / "1.mdl")).priors.size == 0
        assert "dimension mismatch after changing the nnet: 96 vs. 4" in capfd.readouterr().err

    def test_prepare_for_test_sets_test_modes(self, mdl, tmp_path):
        assert run("nnet3-am-copy", "--prepare-for-test", mdl, tmp_path / "1.mdl") == 0
        assert read_am(str(tmp_path / "1.mdl")).nnet.components["h1.batchnorm"].test_mode

    def test_transitions_and_priors_are_kaldis(self, mdl, alignments, kaldi, tmp_path, capfd):
        assert run("nnet3-am-train-transitions", mdl, alignments, tmp_path / "ours") == 0
        kaldi("nnet3-am-train-transitions", mdl, alignments, tmp_path / "kaldi")
        ours, theirs = read_am(str(tmp_path / "ours")), read_am(str(tmp_path / "kaldi"))
        np.testing.assert_allclose(ours.transitions.log_probs, theirs.transitions.log_probs, rtol=3e-7)
        np.testing.assert_allclose(ours.priors, theirs.priors, rtol=3e-7)
        assert "Accumulated transition stats from " in (err := capfd.readouterr().err)
        assert "Setting priors of pdfs in the model." in err

    def test_priors_can_be_left_alone(self, mdl, alignments, tmp_path):
        assert run("nnet3-am-train-transitions", "--set-priors=false", mdl, alignments, tmp_path / "1") == 0
        np.testing.assert_array_equal(read_am(str(tmp_path / "1")).priors, read_am(str(mdl)).priors)

    def test_posteriors_become_priors(self, mdl, kaldi, tmp_path, rng, capfd):
        np.savetxt(tmp_path / "v", rng.random((1, 96)), fmt="%.6g")
        (tmp_path / "v").write_text(f" [ {(tmp_path / 'v').read_text().strip()} ]\n")
        assert same(kaldi, tmp_path, "nnet3-am-adjust-priors", mdl, tmp_path / "v")
        assert "K-L divergence from old to new is " in capfd.readouterr().err

    def test_first_priors_are_told(self, raw, shared, tmp_path, capfd):
        transitions = read_transition_model(str(shared / "fsdd" / "exp" / "ali" / "final.mdl"))
        write_am(am_nnet(transitions, read_nnet(str(raw))), str(tmp_path / "0.mdl"))
        (tmp_path / "v").write_text(f" [ {'1 ' * 96}]\n")
        assert run("nnet3-am-adjust-priors", tmp_path / "0.mdl", tmp_path / "v", tmp_path / "1.mdl") == 0
        assert "Model did not previously have priors attached." in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("numbers", "message"), [("0 " * 96, "must be finite"), ("1 2 ", "2 priors for a network")]
    )
    def test_impossible_posteriors_are_refused(self, numbers, message, mdl, tmp_path, capfd):
        (tmp_path / "v").write_text(f" [ {numbers}]\n")
        assert run("nnet3-am-adjust-priors", mdl, tmp_path / "v", tmp_path / "1.mdl") == 1
        assert message in capfd.readouterr().err

    def test_info_is_kaldis(self, mdl, kaldi, capfd):
        assert run("nnet3-am-info", mdl) == 0
        ours = capfd.readouterr().out.splitlines()
        theirs = kaldi("nnet3-am-info", mdl).stdout.decode().splitlines()
        nodes = theirs.index("# Nnet info follows.") + 1
        assert ours[:nodes] == theirs[:nodes]

    def test_info_of_the_network_follows(self, raw, mdl, capfd):
        run("nnet3-info", raw)
        info = capfd.readouterr().out
        run("nnet3-am-info", mdl)
        assert capfd.readouterr().out.endswith(f"# Nnet info follows.\n{info}")


class TestAlignments:
    @pytest.mark.parametrize("form", ["ark:", "ark,t:"])
    def test_pdfs_and_posteriors_are_kaldis(self, form, alignments, kaldi, shared, tmp_path):
        model = shared / "fsdd" / "exp" / "ali" / "final.mdl"
        for program, inputs in (("ali-to-pdf", (model, alignments)), ("ali-to-post", (alignments,))):
            assert run(program, *inputs, f"{form}{tmp_path}/ours") == 0
            kaldi(program, *inputs, f"{form}{tmp_path}/kaldi")
            assert (tmp_path / "ours").read_bytes() == (tmp_path / "kaldi").read_bytes()

    def test_ids_of_another_model_are_one_line(self, shared, tmp_path, capfd):
        (tmp_path / "ali").write_text("utt 1 2 900\n")
        model = shared / "fsdd" / "exp" / "ali" / "final.mdl"
        assert run("ali-to-pdf", model, f"ark:{tmp_path}/ali", f"ark:{tmp_path}/pdf") == 1
        assert "900 is no transition-id of this model" in capfd.readouterr().err

    def test_no_alignment_at_all_is_a_failure(self, tmp_path):
        (tmp_path / "ali").write_text("")
        assert run("ali-to-post", f"ark:{tmp_path}/ali", f"ark:{tmp_path}/post") == 1

    def test_a_tree_is_described_as_by_kaldi(self, shared, kaldi, capfd):
        tree = shared / "fsdd" / "exp" / "ali" / "tree"
        assert run("tree-info", tree) == 0
        assert capfd.readouterr().out == kaldi("tree-info", tree).stdout.decode()
