"""Model files: raw networks (.raw) and acoustic models (.mdl), read and written as Kaldi's nnet3 does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nnet import tree
from nnet.component import Component
from nnet.config_line import ConfigLine
from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput, open_output, open_whole
from nnet.formats.components import read_component, write_component
from nnet.graph.context import context
from nnet.graph.network import Nnet

if TYPE_CHECKING:
    from nnet.formats.transitions import TransitionModel

MAX_COMPONENTS = 100000


@dataclass
class AmNnet:
    """A network with the transition model it serves (Kaldi's AmNnetSimple beside a TransitionModel).

    Contexts are in frames of the input; `priors` (num_pdfs,) float32, or empty if never set.
    """

    transitions: TransitionModel
    nnet: Nnet
    left_context: int
    right_context: int
    priors: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def with_nnet(self, nnet: Nnet) -> AmNnet:
        """The same model around another network: contexts are computed, priors dropped if they do not fit."""
        left, right = context(nnet)
        kept = self.priors if self.priors.size == nnet.output_dim("output") else np.zeros(0, np.float32)
        return AmNnet(self.transitions, nnet, left, right, kept)

    def with_trained(self, nnet: Nnet) -> AmNnet:
        """The same model with other parameters: `nnet` has the structure of its network, so contexts stay."""
        return replace(self, nnet=nnet)

    def with_priors(self, priors: np.ndarray) -> AmNnet:
        """The same model with other priors. Raises ValueError unless there is one per output column."""
        if priors.size != self.nnet.output_dim("output"):
            raise ValueError(
                f"{priors.size} priors for a network whose output has dim {self.nnet.output_dim('output')}"
            )
        return replace(self, priors=priors)


def am_nnet(transitions: TransitionModel, nnet: Nnet) -> AmNnet:
    """An acoustic model without priors; contexts are computed."""
    return AmNnet(transitions, nnet, *context(nnet))


def read_nnet(name: str) -> Nnet:
    """The network in a .raw or .mdl file (Kaldi rxfilename), which must end with the model.

    Raises FormatError, or OSError.
    """
    with open_whole(name) as src:
        if src.peek_token() == "<TransitionModel>":
            return _read_am(src).nnet
        src.expect("<Nnet3>", "<TransitionModel>")
        return _read_nnet(src)


def read_am(name: str) -> AmNnet:
    """The acoustic model in a .mdl file, which must end with it. Raises FormatError, or OSError."""
    with open_whole(name) as src:
        return _read_am(src)


def _read_am(src: KaldiInput) -> AmNnet:
    from nnet.formats.transitions import read_transitions  # noqa: PLC0415 - raw networks have none

    transitions = read_transitions(src)
    src.expect("<Nnet3>")
    nnet = _read_nnet(src)
    src.expect("<LeftContext>")
    left = src.int32()
    src.expect("<RightContext>")
    right = src.int32()
    src.expect("<Priors>")
    priors = src.vector(np.float32)
    if priors.size and priors.size != nnet.dim("output"):
        src.error(f"{priors.size} priors for a network whose output has dim {nnet.dim('output')}")
    return AmNnet(transitions, nnet, left, right, priors)


def _read_nnet(src: KaldiInput) -> Nnet:
    """What follows <Nnet3>: config lines as text up to an empty line, then the components."""
    if rest := src.line().strip():
        src.error(f"expected the end of the line after <Nnet3>, found {rest[:40]}")
    lines = _read_lines(src)
    src.expect("<NumComponents>")
    count = src.int32()
    if not 0 <= count <= MAX_COMPONENTS:
        src.error(f"expected at most {MAX_COMPONENTS} components, found {count}")
    components: dict[str, Component] = {}
    for _ in range(count):
        src.expect("<ComponentName>")
        name = src.token()
        if name in components:
            src.error(f"two components have the name {name}")
        components[name] = read_component(src, name)
    src.expect("</Nnet3>")
    try:
        return Nnet.from_config(lines, _no_components, base=Nnet({}, components), where=src.name)
    except ValueError as error:
        raise FormatError(str(error)) from None


def _read_lines(src: KaldiInput) -> list[str]:
    lines = []
    while line := src.line().strip():
        lines.append(line)
        if src.at_end():
            src.error("the file ends among the nodes of the network; it is truncated")
    return lines


def _no_components(line: ConfigLine, rng: np.random.Generator) -> Component:
    raise ValueError(f"{line.where}: component lines stand in configs, not in model files")


def write_nnet(nnet: Nnet, name: str, binary: bool = True) -> None:
    """Write a .raw file (Kaldi wxfilename). Raises ValueError naming a component with a NaN or infinity."""
    check_finite(nnet, name)
    with open_output(name, binary) as out:
        _write_nnet(out, nnet)


def write_am(am: AmNnet, name: str, binary: bool = True) -> None:
    """Write a .mdl file. Raises ValueError naming a component with a NaN or infinite parameter."""
    from nnet.formats.transitions import write_transitions  # noqa: PLC0415 - raw networks have none

    check_finite(am.nnet, name)
    if not np.isfinite(am.priors).all():
        raise ValueError(f"{name} is not written: the priors have a NaN or infinity")
    with open_output(name, binary) as out:
        write_transitions(out, am.transitions)
        _write_nnet(out, am.nnet)
        out.token("<LeftContext>")
        out.int32(am.left_context)
        out.token("<RightContext>")
        out.int32(am.right_context)
        out.token("<Priors>")
        out.vector(np.asarray(am.priors, dtype=np.float32))


def check_finite(nnet: Nnet, name: str) -> None:
    """Raise ValueError if a parameter or statistic is NaN or infinite, naming file and component."""
    if (bad := tree.all_finite(nnet.components)) is not None:
        raise ValueError(
            f"{name} is not written: component {bad} has a NaN or infinity; has training diverged?"
        )


def _write_nnet(out: KaldiOutput, nnet: Nnet) -> None:
    out.token("<Nnet3>")
    out.text("\n" + "".join(f"{line}\n" for line in nnet.config_lines()) + "\n")
    out.token("<NumComponents>")
    out.int32(len(nnet.components))
    out.newline()
    for name, component in nnet.components.items():
        out.token("<ComponentName>")
        out.token(name)
        write_component(out, component)
        out.newline()
    out.token("</Nnet3>")
