# ruff: noqa: E501  one case of a table of mistakes on one line
"""Plans: frame sets of nets computed by hand, groups and their turns, errors that name frames."""

from __future__ import annotations

import re

import pytest

from nnet.frames import rows
from nnet.graph.plan import PlanCache, Request, make_plan
from nnet.graph.steps import Apply, Recurrence
from tests.nnet.graph.toys import toy_net


def plan_of(text: str, inputs, output):
    return make_plan(toy_net("input 3\n" + text), Request(dict(input=inputs), dict(output=output)))


def test_every_node_computes_just_the_frames_that_are_needed():
    text = """
        a = Toy 6 4 < Append(Offset(input, -2), Offset(input, 2))
        b = Toy 4 4 time-offsets=-1,1 < a
        output < b"""
    plan = plan_of(text, range(-20, 20), [0, 1, 5])
    assert plan.frames["b"] == (0, 1, 5)
    assert plan.frames["a"] == (-1, 0, 1, 2, 4, 6)
    assert [type(step).__name__ for step in plan.steps] == ["Apply", "Apply", "Output"]
    assert plan.num_turns == 2


def test_layers_take_the_stride_of_the_outputs_as_far_as_their_offsets_allow():
    text = """
        a = Toy 3 4 time-offsets=-1,0,1 < input
        b = Toy 4 4 time-offsets=-3,3 < a
        c = Square 4 < Sum(b, Scale(0.66, a))
        output < Offset(c, 1)"""
    plan = plan_of(text, range(-6, 20), range(0, 12, 3))
    assert plan.frames["c"] == plan.frames["b"] == (1, 4, 7, 10)
    assert plan.frames["a"] == (-2, 1, 4, 7, 10, 13)
    step = plan.steps[0]
    assert isinstance(step, Apply)
    assert step.t_in == tuple(range(-3, 15))


def test_the_irregular_set_before_a_change_of_stride_is_an_index_array():
    text = """
        a = Toy 3 4 time-offsets=-1,0 < input
        b = Toy 4 4 time-offsets=0,1 < Append(a)
        c = Square 4 < Offset(a, 1)
        output < Append(b, c)"""
    plan = plan_of(text, range(-1, 20), range(0, 9, 3))
    assert plan.frames["a"] == (0, 1, 3, 4, 6, 7)
    copy = next(s for s in plan.steps if isinstance(s, Apply) and s.node == "c").gather.copies[0]
    assert copy.src == slice(1, 6, 2)
    b = next(s for s in plan.steps if isinstance(s, Apply) and s.node == "b")
    assert list(range(6))[rows(b.t_in, [t for t in b.t_out])] == [0, 2, 4]
    first = plan.steps[0]
    assert isinstance(first, Apply)
    assert first.t_in == tuple(range(-1, 8))


def test_irregular_rows_of_a_source_become_an_index_array():
    plan = plan_of(
        "a = Square 3 < input\nb = Toy 3 2 time-offsets=0,1 < Offset(a, 1)\noutput < Append(a, b)",
        range(20),
        [0, 3, 6],
    )
    b = next(s for s in plan.steps if isinstance(s, Apply) and s.node == "b")
    assert plan.frames["a"] == (0, 1, 2, 3, 4, 5, 6, 7, 8)
    assert b.t_in == (0, 1, 3, 4, 6, 7)
    assert list(b.gather.copies[0].src) == [1, 2, 4, 5, 7, 8]


def test_given_frames_that_nobody_needs_are_allowed():
    plan = plan_of("output < Offset(input, 1)", range(-50, 50), range(3))
    assert plan.frames["input"] == tuple(range(-50, 50))


def test_optional_parts_outside_the_input_drop_out():
    plan = plan_of("a = Toy 3 2 < IfDefined(Offset(input, -2))\noutput < a", range(4), range(4))
    step = plan.steps[0]
    assert isinstance(step, Apply)
    assert (step.gather.copies[0].src, step.gather.copies[0].dst) == (slice(0, 2, 1), slice(2, 4, 1))
    assert [(fill.rows, fill.value) for fill in step.gather.fills] == [(slice(0, 2, 1), 0.0)]


def test_nodes_without_a_frame_to_compute_have_no_step():
    plan = plan_of("a = Toy 3 3 < input\noutput < Sum(input, IfDefined(Offset(a, 9)))", range(4), range(4))
    assert [step.node for step in plan.steps] == ["output"]


def test_a_recurrence_without_a_frame_to_compute_has_no_step():
    text = (
        "h = Toy 6 3 < Append(input, IfDefined(Offset(h, -1)))\noutput < Sum(input, IfDefined(Offset(h, 9)))"
    )
    assert [step.node for step in plan_of(text, range(4), range(4)).steps] == ["output"]


@pytest.mark.parametrize(
    "delay, frames, blocks",
    [
        (-3, range(12), [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)]),
        (-1, range(3), [(0,), (1,), (2,)]),
        (-3, range(0, 9, 3), [(0,), (3,), (6,)]),
        (2, range(5), [(3, 4), (1, 2), (0,)]),
    ],
)
def test_a_recurrence_runs_in_blocks_as_wide_as_its_delay(delay, frames, blocks):
    plan = plan_of(f"h = Toy 6 3 < Append(input, IfDefined(Offset(h, {delay})))\noutput < h", frames, frames)
    step = plan.steps[0]
    assert isinstance(step, Recurrence)
    assert [turn.frames for turn in step.turns] == blocks


def test_the_shortest_of_several_delays_decides():
    text = "h = Toy 9 3 < Append(input, IfDefined(Offset(h, -4)), IfDefined(Offset(h, -2)))\noutput < h"
    step = plan_of(text, range(8), range(8)).steps[0]
    assert isinstance(step, Recurrence)
    assert [turn.frames for turn in step.turns] == [(0, 1), (2, 3), (4, 5), (6, 7)]


def test_what_does_not_depend_on_the_recurrence_is_hoisted_out_of_it():
    text = """
        gate = Toy 3 3 < input
        h = Square 3 < Sum(gate, IfDefined(Offset(h, -1)))
        after = Square 3 < h
        output < after"""
    plan = plan_of(text, range(9), range(9))
    assert [type(step).__name__ for step in plan.steps] == ["Apply", "Recurrence", "Apply", "Output"]
    assert plan.num_turns == 11


@pytest.mark.parametrize(
    "text, message",
    [
        ("output < Offset(input, 10)", "output at t=4 needs input frame 14; the input runs from -5 to 13"),
        ("a = Toy 3 2 time-offsets=-6,0 < input\noutput < a", "output at t=0 needs input frame -6; the input runs from -5 to 13"),
        ("ivector 2\noutput < Append(input, ReplaceIndex(ivector, t, 0))", "output at t=0 needs ivector frame 0; no frame of ivector is given"),
        ("dim-range-node name=d input-node=input dim-offset=0 dim=1\noutput < Offset(d, -8)", "output at t=0 needs input frame -8"),
        ("a = OptionalToy 3 2 time-offsets=0,9,12 optional=9 < input\noutput < a", "output at t=2 needs input frame 14"),
        ("a = Toy 6 3 < Append(input, Offset(a, -1))\noutput < a", "the nodes a form a cycle that can never be computed: put the delayed input into IfDefined"),
        ("a = Toy 3 3 < Failover(Offset(a, -1), input)\noutput < a", "the nodes a form a cycle"),
        ("a = Toy 6 3 < Append(input, IfDefined(b))\nb = Square 3 < a\noutput < b", "has no delay: put an Offset into it"),
        ("a = Toy 9 3 < Append(input, IfDefined(Offset(a, -1)), IfDefined(Offset(a, 2)))\noutput < a", "the cycle of nodes a has offsets of both signs (-1, 2)"),
        ("a = Toy 6 3 time-offsets=-1,0 < Append(input, IfDefined(Offset(a, -2)))\noutput < a", "component-node a lies in the cycle of nodes a, but Toy reads other frames"),
        ("a = Toy 3 3 < Sum(ReplaceIndex(input, t, 0), IfDefined(Offset(a, -9)))\noutput < a", "the recurrence of nodes a never ends"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        plan_of(text, range(-5, 14), range(5))


def test_an_input_with_gaps_is_said_to_have_them():
    with pytest.raises(ValueError, match="needs input frame 2; the input runs from 0 to 4, with gaps"):
        plan_of(
            "dim-range-node name=d input-node=input dim-offset=0 dim=1\noutput < d", [0, 1, 3, 4], range(5)
        )


@pytest.mark.parametrize(
    "request_, message",
    [
        (Request({"inptu": range(3)}, {"output": range(3)}), "no input-node inptu, only input"),
        (Request({"input": range(3)}, {"out": range(3)}), "no output-node out, only output"),
    ],
)
def test_unknown_inputs_and_outputs_are_refused(request_, message):
    with pytest.raises(ValueError, match=message):
        make_plan(toy_net("input 3\noutput < input"), request_)


def test_frames_of_a_request_must_rise():
    with pytest.raises(ValueError, match=r"the frames of output must rise: \(0, 2, 2\)"):
        Request({"input": range(3)}, {"output": [0, 2, 2]})


def test_plans_are_made_once_and_the_oldest_forgotten():
    plans = PlanCache(toy_net("input 3\noutput < input"), capacity=2)
    requests = [Request({"input": range(k)}, {"output": range(k)}) for k in (1, 2, 3)]
    first = plans(requests[0])
    assert plans(Request({"input": [0]}, {"output": [0]})) is first
    plans(requests[1])
    assert plans(requests[0]) is first
    plans(requests[2])
    assert list(plans.plans) == [requests[0].key, requests[2].key]
    assert plans(requests[0]) is first


def test_a_deep_network_does_not_exhaust_the_stack():
    text = "\n".join(f"l{i} = Square 3 < Sum({'input' if i == 0 else f'l{i - 1}'})" for i in range(600))
    plan = plan_of(text + "\noutput < Sum(l599, IfDefined(Offset(l599, -1)))", range(3), range(3))
    assert plan.num_turns == 600
