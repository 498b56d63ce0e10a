"""Plans carried out: values against the meaning frame by frame, derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnet import tree
from nnet.graph.run import Keep, backward, forward
from tests.nnet.graph.nets import NETS
from tests.nnet.graph.oracle import Oracle
from tests.nnet.graph.toys import toy_net
from tests.nnet.graph.trial import Trial


def trial_of(text: str, frames_in, frames_out) -> Trial:
    return Trial(toy_net("input 3\n" + text), frames_in, frames_out)


@pytest.fixture(params=NETS)
def trial(request) -> Trial:
    return trial_of(*NETS[request.param])


@pytest.mark.parametrize("name", NETS)
def test_outputs_are_what_the_descriptors_mean(name):
    trial = trial_of(*NETS[name])
    frames = {k: dict(zip(f, trial.inputs[k])) for k, f in NETS[name][1].items()}
    oracle = Oracle(trial.nnet, frames)
    expected = np.stack([oracle.value("output", t) for t in NETS[name][2]])
    found = forward(trial.nnet, trial.plan, trial.inputs).output()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_derivatives_by_inputs_match_differences(trial):
    for name in trial.inputs:
        trial.check_input(name)


def test_derivatives_by_parameters_match_differences(trial):
    trial.check_parameters()


def test_nothing_that_was_given_is_changed(trial):
    kept = {k: x.copy() for k, x in trial.inputs.items()}
    w = trial.w.copy()
    trial.backward(want=tuple(trial.inputs))
    assert all(np.array_equal(kept[k], x) for k, x in trial.inputs.items())
    assert np.array_equal(w, trial.w)


def test_a_pass_that_keeps_nothing_gives_the_same_outputs(trial):
    acts = forward(trial.nnet, trial.plan, trial.inputs, keep=Keep.OUTPUTS)
    np.testing.assert_array_equal(acts.output(), forward(trial.nnet, trial.plan, trial.inputs).output())
    assert not acts.x
    assert not acts.memo
    assert set(acts.y) <= set(trial.inputs)


def test_a_plan_serves_any_number_of_sequences(trial):
    one = {k: x[:, :1] for k, x in trial.inputs.items()}
    together = forward(trial.nnet, trial.plan, trial.inputs).output()
    np.testing.assert_allclose(forward(trial.nnet, trial.plan, one).output(), together[:, :1], rtol=1e-12)


def random_descriptor(dims):
    """Descriptors over nodes of one dim: any nesting that has a normal form."""
    node = st.sampled_from(sorted(dims))
    forwarding = st.recursive(
        st.one_of(
            node, st.tuples(st.sampled_from(["0.5", "-2"]), node).map(lambda p: f"Scale({p[0]}, {p[1]})")
        ),
        lambda d: st.one_of(
            st.tuples(d, st.integers(-3, 3)).map(lambda p: f"Offset({p[0]}, {p[1]})"),
            st.tuples(d, st.integers(2, 4)).map(lambda p: f"Round({p[0]}, {p[1]})"),
            d.map(lambda p: f"ReplaceIndex({p}, t, 1)"),
            st.lists(d, min_size=1, max_size=3).map(lambda p: f"Switch({', '.join(p)})"),
        ),
        max_leaves=3,
    )
    sums = st.recursive(
        forwarding,
        lambda d: st.one_of(
            st.tuples(d, d).map(lambda p: f"Sum({p[0]}, {p[1]})"),
            st.tuples(d, d).map(lambda p: f"Failover({p[0]}, {p[1]})"),
            d.map(lambda p: f"IfDefined({p})"),
            d.map(lambda p: f"Offset({p}, 2)"),
        ),
        max_leaves=4,
    )
    return st.lists(sums, min_size=2, max_size=2).map(lambda p: f"Append({p[0]}, {p[1]})")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(random_descriptor({"input"}), random_descriptor({"input", "a"}), st.integers(1, 3))
def test_any_descriptors_mean_what_they_say_and_differentiate(first, second, stride):
    text = f"a = Toy 6 3 squash=true < {first}\nb = Toy 6 2 < {second}\noutput < b"
    trial = trial_of(text, {"input": range(-30, 31)}, range(0, 6, stride))
    oracle = Oracle(trial.nnet, {"input": dict(zip(range(-30, 31), trial.inputs["input"]))})
    expected = np.stack([oracle.value("output", t) for t in range(0, 6, stride)])
    np.testing.assert_allclose(forward(trial.nnet, trial.plan, trial.inputs).output(), expected, atol=1e-12)
    trial.check_input("input")


def test_the_same_seed_gives_the_same_random_numbers():
    trial = trial_of(
        "a = Noise 3 < input\nb = Noise 3 < Append(input)\noutput < Append(a, b)",
        {"input": range(4)},
        range(4),
    )
    first, again, other = (forward(trial.nnet, trial.plan, trial.inputs, seed=s).output() for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[..., :3], first[..., 3:])


def test_turns_of_a_recurrence_draw_different_random_numbers():
    text = "h = Noise 3 < Sum(input, IfDefined(Offset(Scale(0, h), -1)))\noutput < h"
    trial = trial_of(text, {"input": range(4)}, range(4))
    ratio = forward(trial.nnet, trial.plan, trial.inputs).output() / trial.inputs["input"]
    assert len(np.unique(ratio)) == ratio.size


def test_a_whole_copy_is_no_copy():
    trial = trial_of(
        "a = Square 3 < input\nb = Square 3 < Offset(a, 1)\noutput < b", {"input": range(9)}, range(5)
    )
    acts = forward(trial.nnet, trial.plan, trial.inputs)
    assert np.shares_memory(acts.x["a"], trial.inputs["input"])
    assert np.shares_memory(acts.x["b"], acts.y["a"])
    assert np.shares_memory(acts.output(), acts.y["b"])


def calls_of(trial: Trial, name: str, monkeypatch, derivs, want=(), delta=True) -> list[str]:
    calls: list[str] = []
    c = trial.nnet.components[name]
    for method in ("backward", "update"):
        original = getattr(type(c), method)
        monkeypatch.setattr(
            type(c),
            method,
            lambda self, *a, _m=method, _o=original: (calls.append(_m) if self is c else None, _o(self, *a))[
                1
            ],
        )
    acts = forward(trial.nnet, trial.plan, trial.inputs)
    change = tree.zeros_like(trial.nnet.components) if delta else None
    backward(trial.nnet, trial.plan, acts, derivs, change, want)
    return calls


@pytest.mark.parametrize(
    "name, want, delta, expected",
    [
        ("a", (), True, ["update"]),
        ("a", ("input",), True, ["backward", "update"]),
        ("a", ("input",), False, ["backward"]),
        ("b", (), True, ["backward", "update"]),
        ("b", (), False, []),
    ],
)
def test_only_what_is_needed_is_computed_backwards(name, want, delta, expected, monkeypatch):
    trial = trial_of("a = Toy 3 4 < input\nb = Toy 4 4 < a\noutput < b", {"input": range(5)}, range(5))
    assert calls_of(trial, name, monkeypatch, {"output": trial.w}, want, delta) == expected


def test_an_output_without_derivative_costs_nothing_backwards(monkeypatch):
    trial = trial_of("a = Toy 3 4 < input\noutput < a", {"input": range(5)}, range(5))
    assert calls_of(trial, "a", monkeypatch, {}) == []


def test_components_of_learning_rate_zero_stay_as_they_are():
    trial = trial_of(*NETS["offsets"])
    trial.nnet.components["a"].learning_rate = 0.0
    _, delta = trial.backward()
    assert not delta["a"].W.any()
    assert delta["b"].W.any()


def test_the_derivative_by_an_input_that_no_output_needs_is_zero():
    trial = trial_of("ivector 2\noutput < input", {"input": range(3), "ivector": [0]}, range(3))
    assert not trial.backward(want=("ivector",))[0]["ivector"].any()


def test_recurrent_parameters_are_updated_once(monkeypatch):
    trial = trial_of(*NETS["delay 3"])
    assert calls_of(trial, "h", monkeypatch, {"output": trial.w}).count("update") == 1


def test_a_memo_that_cannot_be_joined_is_refused_by_name(monkeypatch):
    trial = trial_of(*NETS["delay 3"])
    cls = type(trial.nnet.components["h"])
    monkeypatch.setattr(cls, "forward", lambda self, x, io: (x @ self.W[0], {"mean": 1}))
    monkeypatch.setattr(cls, "backward", lambda self, dy, x, y, memo, io, delta=None: dy @ self.W[0].T)
    trial.nnet.components["g"].W = trial.nnet.components["g"].W[:, :, :4]
    with pytest.raises(ValueError, match=r"component-node [gh] lies in a cycle.*its memo is a dict"):
        trial.backward()


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({}, "the input input is missing; there is only nothing"),
        ({"input": np.zeros((9, 2, 4))}, r"input has shape \(9, 2, 4\), the plan expects .* = \(9, N, 3\)"),
        ({"input": np.zeros((9, 3))}, r"input has shape \(9, 3\)"),
        ({"input": np.zeros((9, 2, 3), int)}, "input has type int64, not a floating-point one"),
    ],
)
def test_wrong_inputs_are_refused(inputs, message):
    trial = trial_of("output < input", {"input": range(9)}, range(5))
    with pytest.raises(ValueError, match=message):
        forward(trial.nnet, trial.plan, inputs)


def test_inputs_must_have_the_same_number_of_sequences():
    trial = trial_of(*NETS["two inputs"])
    trial.inputs["ivector"] = trial.inputs["ivector"][:, :1]
    with pytest.raises(ValueError, match=r"different numbers of sequences: \{'input': 2, 'ivector': 1\}"):
        forward(trial.nnet, trial.plan, trial.inputs)


def test_wrong_derivatives_are_refused():
    trial = trial_of("output < input", {"input": range(9)}, range(5))
    acts = forward(trial.nnet, trial.plan, trial.inputs)
    with pytest.raises(
        ValueError, match=r"the derivative by output has shape \(3, 2, 3\), the output \(5, 2, 3\)"
    ):
        backward(trial.nnet, trial.plan, acts, {"output": np.zeros((3, 2, 3))})
    with pytest.raises(ValueError, match="output other was not requested, only output"):
        backward(trial.nnet, trial.plan, acts, {"other": trial.w})
    with pytest.raises(ValueError, match="derivatives by ivector are wanted"):
        backward(trial.nnet, trial.plan, acts, {"output": trial.w}, None, ("ivector",))
