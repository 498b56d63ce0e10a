"""Topologies and transition models: Kaldi's bytes, what transition-ids mean, estimation from alignments."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.topology import (
    HmmState,
    Topology,
    read_topology,
    read_topology_file,
    topology,
    write_topology,
)
from nnet.formats.transition_update import count_ids, kl_divergence, priors, update
from nnet.formats.transitions import (
    TransitionModel,
    read_transition_model,
    read_transitions,
    transition_model,
    write_transitions,
)
from nnet.formats.tree import monophone_tree, read_tree

THREE_STATES = topology(
    [HmmState(i, i, ((i, 0.75), (i + 1, 0.25))) for i in range(3)] + [HmmState(-1, -1, ())], phones=[1, 2]
)
CHAIN = topology([HmmState(0, 1, ((0, 0.5), (1, 0.5))), HmmState(-1, -1, ())], phones=[1, 3])
MODELS = ("fsdd/exp/ali/final.mdl", "fsdd/chain/tree/final.mdl")


def written(thing, binary=True) -> bytes:
    stream = io.BytesIO()
    out = KaldiOutput(stream, binary)
    (write_topology if isinstance(thing, Topology) else write_transitions)(out, thing)
    return stream.getvalue()


def source(data: bytes, binary=True) -> KaldiInput:
    return KaldiInput(io.BytesIO(data), "file", binary)


@pytest.mark.parametrize("name", MODELS)
def test_kaldis_models_are_written_as_they_were(name, shared):
    model = read_transition_model(str(shared / name))
    assert (shared / name).read_bytes().startswith(b"\0B" + written(model))


def test_text_form_is_that_of_kaldis_copy(shared, kaldi, tmp_path):
    for name in (*MODELS, "fsdd/chain/0.trans_mdl"):
        kaldi("copy-transition-model", "--binary=false", shared / name, tmp_path / "m")
        assert (tmp_path / "m").read_bytes() == written(
            read_transition_model(str(shared / name)), binary=False
        )


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("topo", [THREE_STATES, CHAIN])
def test_topologies_are_read_back(topo, binary):
    assert read_topology(source(written(topo, binary), binary)) == topo


@pytest.mark.parametrize(
    ("tree", "topo", "model"),
    [
        ("fsdd/exp/ali/tree", "fsdd/lang/topo", "fsdd/exp/ali/final.mdl"),
        ("fsdd/chain/tree/tree", "fsdd/chain/topo", "fsdd/chain/0.trans_mdl"),
    ],
)
def test_tree_and_topology_give_kaldis_transition_states(tree, topo, model, shared):
    ours = transition_model(read_tree(str(shared / tree)), read_topology_file(str(shared / topo)))
    np.testing.assert_array_equal(ours.tuples, read_transition_model(str(shared / model)).tuples)


def test_meanings_of_transition_ids():
    m = transition_model(monophone_tree({1: 3, 2: 3}), THREE_STATES)
    ids = np.arange(1, 13)
    assert (m.num_ids, m.num_states, m.num_pdfs) == (12, 6, 6)
    np.testing.assert_array_equal(m.pdf_of(ids), np.repeat(np.arange(6), 2))
    np.testing.assert_array_equal(m.phone_of(ids), np.repeat([1, 2], 6))
    np.testing.assert_array_equal(m.hmm_state_of(ids), np.tile(np.repeat([0, 1, 2], 2), 2))
    np.testing.assert_array_equal(m.is_self_loop(ids), np.tile([True, False], 6))
    np.testing.assert_array_equal(np.flatnonzero(m.is_final(ids)), [5, 11])
    np.testing.assert_allclose(m.log_probs[1:], np.tile(np.log([0.75, 0.25]), 6), rtol=1e-6)
    np.testing.assert_allclose(m.non_self_loop_log_probs, np.full(6, np.log(0.25)), rtol=1e-6)


@pytest.mark.parametrize(
    ("states", "least"),
    [
        ([HmmState(0, 0, ((0, 0.5), (1, 0.5))), HmmState(1, 1, ((1, 0.5), (2, 0.5)))], 2),
        (
            [
                HmmState(-1, -1, ((1, 0.5), (2, 0.5))),
                HmmState(0, 0, ((3, 1.0),)),
                HmmState(1, 1, ((1, 1.0),)),
            ],
            1,
        ),
        ([HmmState(0, 0, ((2, 1.0),)), HmmState(1, 1, ((3, 1.0),)), HmmState(2, 2, ((1, 1.0),))], 3),
    ],
    ids=["one after the other", "a state that emits nothing", "a way backwards"],
)
def test_a_phone_lasts_as_many_frames_as_it_has_states_to_go_through(states, least):
    assert topology([*states, HmmState(-1, -1, ())], [3]).min_length(3) == least


def test_staying_and_leaving_may_differ_in_pdf():
    m = transition_model(monophone_tree({1: 2, 3: 2}), CHAIN)
    np.testing.assert_array_equal(m.pdf_of([1, 2, 3, 4]), [1, 0, 3, 2])
    assert read_transitions(source(written(m))).tuples.tolist() == [[1, 0, 0, 1], [3, 0, 2, 3]]


@pytest.mark.parametrize("bad", [0, 13, -1])
def test_ids_of_another_model_are_refused(bad):
    m = transition_model(monophone_tree({1: 3, 2: 3}), THREE_STATES)
    with pytest.raises(ValueError, match=f"^{bad} is no transition-id of this model, which has 1 to 12"):
        m.pdf_of(np.array([1, bad]))


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (np.zeros(3), "12 transition-ids need"),
        (np.full(13, 0.5), "at most 0"),
        (np.full(13, np.nan), "finite"),
    ],
)
def test_wrong_log_probabilities_are_refused(log_probs, message):
    m = transition_model(monophone_tree({1: 3, 2: 3}), THREE_STATES)
    with pytest.raises(ValueError, match=message):
        m.with_log_probs(log_probs)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ([HmmState(-1, -1, ())], "needs an emitting and a final state"),
        ([HmmState(0, 0, ((1, 1.0),)), HmmState(0, 0, ())], "must emit nothing and have no transitions"),
        ([HmmState(0, 0, ((2, 1.0),)), HmmState(-1, -1, ())], "expected some of 0..1, each once"),
        ([HmmState(0, 0, ((1, 0.0),)), HmmState(-1, -1, ())], "probability is not above zero"),
        ([HmmState(-1, -1, ((1, 1.0),)), HmmState(-1, -1, ())], "must not lead to the final state"),
        (
            [HmmState(0, 0, ((2, 1.0),)), HmmState(1, 1, ((2, 1.0),)), HmmState(-1, -1, ())],
            "leads to state 1",
        ),
        ([HmmState(1, 1, ((1, 1.0),)), HmmState(-1, -1, ())], r"without a gap, found \[1\]"),
    ],
)
def test_impossible_topologies_are_refused(states, message):
    with pytest.raises(ValueError, match=message):
        topology(states, [1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Topology> </Topology> ", "at least one phone"),
        ("<Topology> <TopologyEntry> <ForPhones> 1 x ", "expected a phone or </ForPhones>, found x"),
        ("<Topology> <TopologyEntry> <ForPhones> 1 1 ", "phone 1 has two topology entries"),
        (
            "<Topology> <TopologyEntry> <ForPhones> 1 </ForPhones> <State> 1 ",
            "expected state 0, found state 1",
        ),
    ],
)
def test_damaged_text_topologies_are_refused(text, message):
    with pytest.raises(FormatError, match=message):
        read_topology(source(text.encode(), binary=False))


def test_a_phone_outside_the_topology_is_an_error():
    with pytest.raises(ValueError, match="there is no phone 3"):
        THREE_STATES.states(3)
    with pytest.raises(ValueError, match="phone 1 has no HMM state 9"):
        TransitionModel(THREE_STATES, np.array([[1, 9, 0, 0]]))
    assert CHAIN.num_pdf_classes(3) == 2


def test_models_cut_short_are_errors(shared):
    data = written(read_transition_model(str(shared / MODELS[1])))
    for length in range(0, len(data) - 1, 97):
        with pytest.raises(FormatError, match=r"file, byte \d+"):
            read_transitions(source(data[:length]))


class TestUpdate:
    @pytest.fixture
    def model(self):
        return transition_model(monophone_tree({1: 3, 2: 3}), THREE_STATES)

    def test_probabilities_are_relative_frequencies(self, model):
        counts, done = count_ids(model, [np.array([1, 1, 1, 2]), np.array([1, 2, 2, 2])])
        new, report = update(model, counts)
        np.testing.assert_allclose(new.log_probs[[1, 2]], np.log(0.5), rtol=1e-6)
        np.testing.assert_array_equal(new.log_probs[3:], model.log_probs[3:])
        assert (done, report.count, report.num_skipped, report.num_floored) == (2, 8.0, 5, 0)
        assert report.improvement == pytest.approx(4 * np.log(0.5 / 0.75) + 4 * np.log(0.5 / 0.25), rel=1e-5)

    def test_small_probabilities_are_floored(self, model):
        new, report = update(model, np.array([0, 100.0, 0] + [0] * 10), floor=0.1)
        assert report.num_floored == 1
        assert np.exp(new.log_probs[2]) == pytest.approx(0.1, rel=1e-5)

    def test_states_seen_too_rarely_keep_their_probabilities(self, model):
        new, report = update(model, np.ones(13), min_count=3.0)
        np.testing.assert_array_equal(new.log_probs, model.log_probs)
        assert report.num_skipped == 6

    def test_states_with_one_pdf_can_share(self):
        shared_pdf = TransitionModel(THREE_STATES, np.array([[1, 0, 0, 0], [2, 0, 0, 0]]))
        new, _ = update(shared_pdf, np.array([0, 6.0, 2.0, 0.0, 8.0]), share_for_pdfs=True)
        np.testing.assert_allclose(np.exp(new.log_probs[1:]), [0.375, 0.625, 0.375, 0.625], rtol=1e-6)

    def test_states_that_cannot_share_are_refused(self):
        mixed = topology(
            [HmmState(0, 0, ((0, 0.5), (1, 0.5))), HmmState(1, 1, ((2, 1.0),)), HmmState(-1, -1, ())], [1]
        )
        with pytest.raises(ValueError, match="the states with pdf 0 differ in the number"):
            update(
                TransitionModel(mixed, np.array([[1, 0, 0, 0], [1, 1, 0, 0]])),
                np.ones(4),
                share_for_pdfs=True,
            )
        with pytest.raises(ValueError, match="only where staying and leaving have the same pdf"):
            update(transition_model(monophone_tree({1: 2, 3: 2}), CHAIN), np.ones(5), share_for_pdfs=True)

    def test_priors_are_floored_relative_frequencies(self, model):
        counts = np.zeros(13)
        counts[[1, 3]] = 30, 10
        p = priors(model, counts, 0.01)
        np.testing.assert_allclose(p[:2] / p[2], [75, 25], rtol=1e-5)
        assert p.sum() == pytest.approx(1.0, abs=1e-6)

    @pytest.mark.parametrize(
        ("counts", "floor", "message"), [(0, 0.1, "no frame"), (1, 0.0, "between 0 and 1")]
    )
    def test_impossible_priors_are_refused(self, model, counts, floor, message):
        with pytest.raises(ValueError, match=message):
            priors(model, np.full(13, float(counts)), floor)

    def test_divergence_of_equal_distributions_is_zero(self):
        p = np.array([2.0, 6.0, 0.0], np.float32)
        assert kl_divergence(p, p / 8) == 0
        assert kl_divergence(p, np.array([0.5, 0.5, 0.1])) > 0
