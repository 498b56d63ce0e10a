"""Model files: Kaldi's own, byte for byte, and files that must be refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.basic import FormatError
from nnet.formats.model import am_nnet, read_am, read_nnet, write_am, write_nnet
from nnet.formats.transitions import read_transition_model
from tests.networks import network

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
MODELS = ("0.raw", "train_l2.raw", "train_backstitch.raw", "average.raw")


@pytest.fixture
def raw(tmp_path: Path) -> str:
    name = str(tmp_path / "0.raw")
    write_nnet(network(), name)
    return name


def content(name: str | Path) -> bytes:
    return Path(name).read_bytes()


@pytest.mark.parametrize("case", CASES)
def test_text_form_is_kaldis_byte_for_byte(case, shared, tmp_path):
    folder = shared / "golden" / "cases" / case
    write_nnet(read_nnet(str(folder / "0.raw")), str(tmp_path / "0.txt"), binary=False)
    assert content(tmp_path / "0.txt") == content(folder / "0.txt")


@pytest.mark.parametrize("model", [*MODELS, "0.txt"])
@pytest.mark.parametrize("case", CASES)
def test_binary_form_is_that_of_kaldis_nnet3_copy(case, model, shared, kaldi, tmp_path):
    name = str(shared / "golden" / "cases" / case / model)
    kaldi("nnet3-copy", name, tmp_path / "kaldi.raw")
    write_nnet(read_nnet(name), str(tmp_path / "ours.raw"))
    assert content(tmp_path / "ours.raw") == content(tmp_path / "kaldi.raw")


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_is_read_back_as_it_was_written(binary, raw, tmp_path):
    again = str(tmp_path / "again")
    write_nnet(read_nnet(raw), again, binary)
    write_nnet(read_nnet(again), str(tmp_path / "third"), binary)
    assert content(again) == content(tmp_path / "third")


def test_a_model_cut_short_is_an_error_with_file_and_offset(raw, tmp_path):
    data = content(raw)
    for length in [2, 9, 40, 200, 700, len(data) // 2, len(data) - 10]:
        (tmp_path / "short").write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"short, byte \d+: .*") as error:
            read_nnet(str(tmp_path / "short"))
        assert "\n" not in str(error.value)


def test_a_foreign_file_is_an_error_that_says_what_was_expected(tmp_path):
    (tmp_path / "feats").write_bytes(b"\0BFM \4\1\0\0\0\4\1\0\0\0....")
    with pytest.raises(FormatError, match=r"feats, byte 2: expected <Nnet3> or <TransitionModel>, found FM"):
        read_nnet(str(tmp_path / "feats"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<Nnet3> \n", b"<Nnet3> more\n", "expected the end of the line after <Nnet3>, found more"),
        (b"component=h2 ", b"component=h3 ", "there is no component h3"),
        (b"input-node name=input dim=5", b"input-node name=input dim=6", "has dim 18"),
        (b"component-node name=h1.relu ", b"component name=h1.relu ", "component lines stand in configs"),
        (b"<ComponentName> h2 ", b"<ComponentName> h1.relu ", "two components have the name h1.relu"),
        (b"<NumComponents> \4\10", b"<NumComponents> \4\7", "expected </Nnet3>"),
        (b"objective=linear\n\n", b"objective=linear\n", "truncated|expected|found"),
    ],
)
def test_a_damaged_model_is_refused(old, new, message, raw):
    data = content(raw)
    assert old in data
    Path(raw).write_bytes(data.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_nnet(raw)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_with_nan_or_infinity_is_not_written(bad, tmp_path):
    nnet = network()
    nnet.components["h2"].W[0, 0] = bad
    with pytest.raises(ValueError, match=r"out\.raw is not written: component h2 has a NaN or infinity"):
        write_nnet(nnet, str(tmp_path / "out.raw"))
    assert not (tmp_path / "out.raw").exists()


class TestAcousticModel:
    @pytest.fixture
    def mdl(self, shared, tmp_path) -> str:
        transitions = read_transition_model(str(shared / "fsdd" / "exp" / "ali" / "final.mdl"))
        am = am_nnet(transitions, network())
        write_am(am.with_priors(np.full(4, 0.25, np.float32)), str(tmp_path / "1.mdl"))
        return str(tmp_path / "1.mdl")

    def test_contexts_are_the_networks(self, mdl):
        am = read_am(mdl)
        assert (am.left_context, am.right_context) == (1, 1)
        np.testing.assert_array_equal(am.priors, np.full(4, 0.25, np.float32))

    @pytest.mark.parametrize("binary", [True, False])
    def test_it_is_read_back_as_it_was_written(self, mdl, binary, tmp_path):
        write_am(read_am(mdl), str(tmp_path / "2.mdl"), binary)
        write_am(read_am(str(tmp_path / "2.mdl")), str(tmp_path / "3.mdl"), binary)
        assert content(tmp_path / "2.mdl") == content(tmp_path / "3.mdl")

    def test_its_network_can_be_read_alone(self, mdl):
        assert read_nnet(mdl).config_lines() == network().config_lines()

    def test_priors_of_another_size_are_refused(self, mdl):
        with pytest.raises(ValueError, match="3 priors for a network whose output has dim 4"):
            read_am(mdl).with_priors(np.ones(3, np.float32))
        data = content(mdl)
        priors = data.index(b"<Priors> ")
        Path(mdl).write_bytes(data[:priors] + b"<Priors> FV \4\1\0\0\0....")
        with pytest.raises(FormatError, match="1 priors for a network whose output has dim 4"):
            read_am(mdl)

    def test_priors_that_do_not_fit_a_new_network_are_dropped(self, mdl):
        am = read_am(mdl)
        assert am.with_nnet(network()).priors.size == 4
        am.priors = np.ones(7, np.float32)
        assert am.with_nnet(network()).priors.size == 0

    def test_other_parameters_leave_contexts_and_priors_alone(self, mdl):
        am = read_am(mdl)
        other = am.nnet.copy()
        one, two = am.with_trained(other), am.with_nnet(other)
        assert one.nnet is other and one.priors is am.priors
        assert (one.left_context, one.right_context) == (two.left_context, two.right_context)

    def test_infinite_priors_are_not_written(self, mdl, tmp_path):
        am = read_am(mdl)
        am.priors = np.full(4, np.inf, np.float32)
        with pytest.raises(ValueError, match="the priors have a NaN or infinity"):
            write_am(am, str(tmp_path / "bad.mdl"))
