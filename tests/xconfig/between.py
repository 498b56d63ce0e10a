"""Layers between an input and an output, for tests."""

from __future__ import annotations

from xconfig.parser import parse_xconfig

HEAD = "input name=ivector dim=10\ninput name=input dim=4\n"
TAIL = "\noutput-layer name=output dim=6\n"


def network(body, **keys):
    return parse_xconfig((HEAD + body + TAIL).split("\n"), "net.xconfig", **keys)
