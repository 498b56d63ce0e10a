"""Networks with all descriptors and kinds of recurrence: name -> (config, input frames, output frames)."""

from __future__ import annotations

WIDE = {"input": range(-12, 20)}
NETS = {
    "offsets": (
        "a = Toy 9 4 squash=true < Append(Offset(input, -1), input, Offset(input, 1))\n"
        "b = Toy 4 5 time-offsets=-3,0,3 < a\n"
        "output < b",
        WIDE,
        range(0, 9, 3),
    ),
    "sums": (
        "a = Toy 3 4 squash=true < input\n"
        "b = Toy 4 4 time-offsets=-1,1 < a\n"
        "c = Square 4 < Sum(Scale(0.66, a), b, Scale(-0.5, Offset(b, 2)), Const(0.3, 4))\n"
        "output < Append(c, Offset(a, 1), Const(2, 1))",
        WIDE,
        range(5),
    ),
    "columns": (
        "a = Toy 3 6 squash=true < input\n"
        "dim-range-node name=left input-node=a dim-offset=0 dim=2\n"
        "dim-range-node name=right input-node=a dim-offset=2 dim=4\n"
        "b = Pass 2 < Sum(left, Offset(left, 1))\n"
        "c = Toy 4 2 < right\n"
        "output < Append(b, Offset(c, -1), a)",
        WIDE,
        range(4),
    ),
    "rounding": (
        "a = Toy 3 4 squash=true < input\n"
        "b = Toy 4 4 < a\n"
        "output < Append(Round(a, 3), Offset(Round(Offset(b, 1), 4), -1), ReplaceIndex(a, t, 2), "
        "ReplaceIndex(b, x, 0))",
        WIDE,
        (-3, 0, 1, 5, 6, 7),
    ),
    "switches": (
        "a = Toy 3 4 squash=true < input\n"
        "b = Toy 4 4 < a\n"
        "output < Append(Switch(a, Offset(b, 1), Scale(0.5, a)), Failover(Offset(a, 14), b))",
        WIDE,
        range(-2, 8),
    ),
    "edges": (
        "a = Toy 3 4 squash=true < input\n"
        "b = OptionalToy 8 4 time-offsets=-4,0,4 optional=-4,4 squash=true < "
        "Append(a, IfDefined(Sum(Offset(a, -2), Offset(a, 2))))\n"
        "output < Sum(b, IfDefined(Offset(b, -3)))",
        {"input": range(7)},
        range(7),
    ),
    "sums with holes": (
        "a = Toy 3 4 squash=true < input\n"
        "output < Sum(IfDefined(Offset(a, -2)), IfDefined(Offset(a, 2)), IfDefined(Offset(a, 3)))",
        {"input": range(7)},
        range(7),
    ),
    "nothing read": (
        "mask = Ones 2 < mask\n"
        "h = Toy 8 3 squash=true < Append(input, IfDefined(Offset(h, -1)), mask)\n"
        "output < h",
        {"input": range(7)},
        range(7),
    ),
    "two inputs": (
        "ivector 2\n"
        "a = Toy 5 4 squash=true < Append(input, ReplaceIndex(ivector, t, 0))\n"
        "output < a\n"
        "unused = Toy 4 2 < a\n"
        "other < unused",
        WIDE | {"ivector": [0, 10]},
        range(5),
    ),
    "irregular": (
        "a = Toy 3 4 squash=true < input\n"
        "b = Toy 4 4 time-offsets=0,1 squash=true < a\n"
        "c = Toy 4 4 time-offsets=0 squash=true < b\n"
        "output < Append(c, a)",
        WIDE,
        range(0, 9, 3),
    ),
    "delay 3": (
        "g = Toy 7 4 squash=true < Append(input, IfDefined(Offset(h, -3)))\n"
        "h = Toy 4 4 squash=true < g\n"
        "output < h",
        {"input": range(-4, 9)},
        range(6),
    ),
    "delay 3, every third frame": (
        "g = Toy 7 4 squash=true < Append(input, IfDefined(Offset(h, -3)))\n"
        "h = Toy 4 4 squash=true < g\n"
        "output < h",
        {"input": range(-8, 9)},
        range(0, 9, 3),
    ),
    "backwards": (
        "g = Toy 7 4 squash=true < Append(input, IfDefined(Offset(h, 2)))\n"
        "h = Pass 4 < g\n"
        "output < Append(h, g)",
        {"input": range(-4, 9)},
        range(6),
    ),
    "two delays in one cycle": (
        "a = Toy 9 4 squash=true < Append(input, IfDefined(Offset(c, -3)), "
        "Sum(IfDefined(Offset(b, -1)), Const(0.5, 3)))\n"
        "b = Toy 4 3 squash=true < a\n"
        "d = Toy 4 3 squash=true < a\n"
        "c = Pass 3 < Sum(d, Scale(0.5, b), IfDefined(Offset(Scale(0.25, b), -2)))\n"
        "output < Sum(b, c)",
        {"input": range(-3, 9)},
        range(6),
    ),
    "gates": (
        "pre = Toy 3 4 < input\n"
        "gate = Toy 7 8 squash=true < Append(pre, IfDefined(Offset(kept, -1)))\n"
        "dim-range-node name=kept input-node=gate dim-offset=2 dim=3\n"
        "again = Square 4 < Sum(pre, Offset(pre, 1))\n"
        "output < Append(kept, again)",
        {"input": range(-3, 9)},
        range(6),
    ),
    "both directions": (
        "f = Toy 7 4 squash=true < Append(input, IfDefined(Offset(f, -1)))\n"
        "b = Toy 7 4 squash=true < Append(input, IfDefined(Offset(b, 1)))\n"
        "output < Append(f, b)",
        {"input": range(-3, 9)},
        range(6),
    ),
    "looks at itself": (
        "h = Toy 3 3 squash=true < IfDefined(Offset(g, -2))\ng = Square 3 < Sum(input, h)\noutput < g",
        {"input": range(-3, 9)},
        range(6),
    ),
}
