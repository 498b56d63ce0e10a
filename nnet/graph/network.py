"""A network: named components, and the nodes that apply them to each other's outputs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from nnet import tree
from nnet.component import Component
from nnet.graph import config
from nnet.graph.descriptor import dim, modulus, nodes
from nnet.graph.node import (
    ComponentNode,
    DimRangeNode,
    InputNode,
    Node,
    OutputNode,
    config_line,
)


@dataclass
class Nnet:
    """Nodes and components by name, both in the order of Kaldi's model files.

    Nodes do not change once made; components hold the parameters. Several nodes may share one component.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)

    @classmethod
    def from_config(
        cls,
        lines: Iterable[str],
        make_component: config.MakeComponent,
        *,
        base: Nnet | None = None,
        where: str = "config",
        load_matrix: config.LoadMatrix | None = None,
        rng: np.random.Generator | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> Nnet:
        """The network of `lines`, on top of `base` if given (its components are shared, not copied).

        `make_component` builds the component of a line; random parameters come from `rng` (seed 0 if none).
        Nodes and components that nothing uses are told to `warn`. Raises ValueError naming line and mistake.
        """
        base = base or cls()
        parsed = config.config_lines(lines, where, load_matrix)
        components = config.read_components(parsed, make_component, rng, base.components)
        nnet = cls(config.read_nodes(parsed, base.nodes), components)
        nnet.check(where)
        for message in nnet.orphans() if warn else ():
            warn(message)  # type: ignore[misc]
        return nnet

    def copy(self) -> Nnet:
        """The same nodes over copies of the components."""
        return Nnet(dict(self.nodes), {name: tree.copy(c) for name, c in self.components.items()})

    def component_of(self, node: str) -> Component:
        """The component that the component node `node` applies."""
        found = self.nodes[node]
        assert isinstance(found, ComponentNode)
        return self.components[found.component]

    def dims(self) -> dict[str, int]:
        """Output dims of all nodes that a descriptor may read."""
        readable = {name: node for name, node in self.nodes.items() if not isinstance(node, OutputNode)}
        return {
            name: self.components[node.component].output_dim if isinstance(node, ComponentNode) else node.dim
            for name, node in readable.items()
        }

    def dim(self, name: str) -> int:
        """The number of columns that node `name` gives. Raises ValueError if there is no such node."""
        node = self.nodes.get(name)
        if node is None:
            raise ValueError(f"the network has no node {name}{nearest(name, self.nodes)}")
        if isinstance(node, ComponentNode):
            return self.components[node.component].output_dim
        return dim(node.input, self.dims()) if isinstance(node, OutputNode) else node.dim

    def input_dim(self, name: str = "input") -> int:
        """The dim of the input node `name`. Raises ValueError naming the inputs there are."""
        self._require(name, self.input_names(), "input")
        return self.dim(name)

    def output_dim(self, name: str = "output") -> int:
        """The dim of the output node `name`. Raises ValueError naming the outputs there are."""
        self._require(name, self.output_names(), "output")
        return self.dim(name)

    def input_names(self) -> list[str]:
        """Names of the input nodes, in order."""
        return [name for name, node in self.nodes.items() if isinstance(node, InputNode)]

    def output_names(self) -> list[str]:
        """Names of the output nodes, in order."""
        return [name for name, node in self.nodes.items() if isinstance(node, OutputNode)]

    def objective_of(self, name: str) -> str:
        """The objective that the output node `name` carries. Raises ValueError if it is no output node."""
        node = self.nodes.get(name)
        if not isinstance(node, OutputNode):
            self._require(name, self.output_names(), "output")
        return node.objective  # type: ignore[union-attr]

    def modulus(self) -> int:
        """Shifting all frames by a multiple of this changes nothing (Kaldi's Modulus)."""
        found = (modulus(n.input) for n in self.nodes.values() if isinstance(n, (ComponentNode, OutputNode)))
        return int(np.lcm.reduce([1, *found]))

    def sources(self, name: str) -> list[str]:
        """Names of the nodes that node `name` reads, each once."""
        node = self.nodes[name]
        if isinstance(node, DimRangeNode):
            return [node.source]
        return [] if isinstance(node, InputNode) else list(dict.fromkeys(nodes(node.input)))

    def config_lines(self, with_dims: bool = False) -> list[str]:
        """One line per node as in model files; `with_dims` adds the dims that nnet3-info shows."""
        return [
            config_line(name, node, self._dims_of(node) if with_dims else None)
            for name, node in self.nodes.items()
        ]

    def orphan_components(self) -> list[str]:
        """Names of the components that no node applies."""
        used = {node.component for node in self.nodes.values() if isinstance(node, ComponentNode)}
        return [name for name in self.components if name not in used]

    def orphan_nodes(self) -> list[str]:
        """Names of the nodes that no output depends on."""
        needed: set[str] = set()
        queue = self.output_names()
        while queue:
            name = queue.pop()
            if name not in needed:
                needed.add(name)
                queue += self.sources(name)
        return [name for name in self.nodes if name not in needed]

    def orphans(self) -> list[str]:
        """A sentence for each component and node that nothing uses, as Kaldi warns."""
        return [f"Component {name} is never used by any node." for name in self.orphan_components()] + [
            f"Node {name} is never used to compute any output." for name in self.orphan_nodes()
        ]

    def check(self, where: str = "network") -> None:
        """Raise ValueError if references or dims do not fit, or there is no input or no output."""
        try:
            self._check_nodes()
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None

    def _check_nodes(self) -> None:
        for kind, found in (("input", self.input_names()), ("output", self.output_names())):
            if not found:
                raise ValueError(f"the network has no {kind}-node")
        for name, node in self.nodes.items():
            if f"{name}_input" in self.nodes and isinstance(node, ComponentNode):
                raise ValueError(
                    f"node {name}_input: Kaldi keeps this name for the input of {name}; rename it"
                )
            if isinstance(node, InputNode) and node.dim < 1:
                raise ValueError(f"input-node {name}: dim={node.dim} must be at least 1")
            self._check_references(name, node)
        dims = self.dims()
        for name, node in self.nodes.items():
            self._check_dims(name, node, dims)

    def _check_references(self, name: str, node: Node) -> None:
        if isinstance(node, ComponentNode) and node.component not in self.components:
            near = nearest(node.component, self.components)
            raise ValueError(f"component-node {name}: there is no component {node.component}{near}")
        for source in self.sources(name):
            if source not in self.nodes:
                near = nearest(source, self.nodes)
                raise ValueError(f"{_kind(node)} {name}: there is no node {source}{near}")
            allowed = (InputNode, ComponentNode) + (() if isinstance(node, DimRangeNode) else (DimRangeNode,))
            if not isinstance(self.nodes[source], allowed):
                raise ValueError(f"{_kind(node)} {name} cannot read the {_kind(self.nodes[source])} {source}")

    def _check_dims(self, name: str, node: Node, dims: dict[str, int]) -> None:
        if isinstance(node, DimRangeNode):
            if not (node.dim > 0 and 0 <= node.offset <= dims[node.source] - node.dim):
                raise ValueError(
                    f"dim-range-node {name}: dim-offset={node.offset} dim={node.dim} does not lie within "
                    f"the {dims[node.source]} columns of {node.source}"
                )
        elif isinstance(node, (ComponentNode, OutputNode)):
            try:
                width = dim(node.input, dims)
            except ValueError as error:
                raise ValueError(f"{_kind(node)} {name}: {error}") from None
            if isinstance(node, ComponentNode):
                self._check_width(name, node, width)

    def _check_width(self, name: str, node: ComponentNode, width: int) -> None:
        expected = self.components[node.component].input_dim
        if width != expected:
            raise ValueError(
                f"component-node {name}: its input {node.input} has dim {width}, "
                f"component {node.component} takes {expected}"
            )

    def _dims_of(self, node: Node) -> tuple[int, int]:
        if isinstance(node, ComponentNode):
            component = self.components[node.component]
            return component.input_dim, component.output_dim
        width = dim(node.input, self.dims()) if isinstance(node, OutputNode) else node.dim
        return width, width

    def _require(self, name: str, names: list[str], kind: str) -> None:
        if name not in names:
            raise ValueError(f"the network has no {kind}-node {name}, only {', '.join(names)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the most similar of the known names, empty if none is similar."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _kind(node: Node) -> str:
    kinds = {InputNode: "input-node", ComponentNode: "component-node", DimRangeNode: "dim-range-node"}
    return kinds.get(type(node), "output-node")
