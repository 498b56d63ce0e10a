"""A network described in words: the text that nnet3-info prints."""

from __future__ import annotations

from nnet import tree
from nnet.component import num_params
from nnet.graph.context import context, is_simple
from nnet.graph.network import Nnet


def nnet_info(nnet: Nnet) -> str:
    """Contexts (of simple networks), number of parameters, modulus, then a line per node and per component.

    Scripts read `left-context: L`, `right-context: R`, `input-node name=.. dim=..` and `output-dim=..`.
    """
    lines = []
    if is_simple(nnet):
        left, right = context(nnet)
        lines += [f"left-context: {left}", f"right-context: {right}"]
    lines.append(f"num-parameters: {num_parameters(nnet)}")
    lines.append(f"modulus: {nnet.modulus()}")
    lines += nnet.config_lines(with_dims=True)
    lines += [f"component name={name} type={c.describe()}" for name, c in nnet.components.items()]
    return "\n".join(lines) + "\n"


def num_parameters(nnet: Nnet) -> int:
    """How many trained numbers all components hold together."""
    return sum(num_params(c) for _, c in tree.updatable(nnet.components))
