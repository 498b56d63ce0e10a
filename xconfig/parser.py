"""xconfig text -> network: layers in order, each built with what it reads, and the config lines they emit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import xconfig.layers  # noqa: F401  (registers the layer types)
from xconfig.descriptor import parse_descriptor
from xconfig.emit import Emitter, Signal
from xconfig.layer import Layer, build_layer, make_layer, nearest
from xconfig.line import parse_line


@dataclass
class Network:
    """What an xconfig file says: layers, config lines by config (init, ref, final), other files by path.

    `numbers` holds the number of each layer's line, by the layer's name.
    """

    layers: list[Layer] = field(default_factory=list)
    configs: dict[str, list[str]] = field(default_factory=lambda: {"init": [], "ref": [], "final": []})
    files: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def take(self, net: Emitter) -> None:
        """Add the lines and files of one layer."""
        for config, line in net.lines:
            self.configs[config].append(line)
        self.files.update(net.files)

    def layer_of(self, name: str) -> Layer | None:
        """The layer that made the component or node `name`: its name is that of the layer, or begins so."""
        owners = [x for x in self.layers if f"{name}.".startswith(f"{x.name}.")]
        return max(owners, key=lambda x: len(x.name), default=None)


def parse_xconfig(
    lines: Iterable[str], where: str = "xconfig", existing: Mapping[str, int] | None = None
) -> Network:
    """The network of an xconfig file's lines.

    `existing` are nodes of an earlier model and their dimensions, which descriptors may then name. Raises
    ValueError beginning with `where` and the number of the line at fault.
    """
    scope = _Scope(existing or {})
    network = Network()
    for number, text in enumerate(lines, 1):
        try:
            parsed = parse_line(text)
            if parsed is not None:
                _add_layer(network, scope, make_layer(*parsed))
                network.numbers[network.layers[-1].name] = number
        except ValueError as error:
            raise ValueError(f"{where}:{number}: {error}") from None
    if not network.layers:
        raise ValueError(f"{where}: there is no layer in this file")
    if not any(line.startswith("output-node ") for line in network.configs["final"]):
        raise ValueError(f"{where}: no line makes an output; add an output-layer or an output line")
    return network


def _add_layer(network: Network, scope: _Scope, made: Layer) -> None:
    if made.name in scope.layers:
        raise ValueError(f"{made.kind}: name {made.name} is already that of a layer above")
    try:
        x = _read_input(network, scope, made) if made.HAS_INPUT else Signal("", 0)
        net = Emitter(made.name)
        output = build_layer(made, net, x)
    except ValueError as error:
        raise ValueError(f"{made.kind} {made.name}: {error}") from None
    network.take(net)
    network.layers.append(made)
    scope.add(made, output, net.auxiliary)


def _read_input(network: Network, scope: _Scope, made: Layer) -> Signal:
    descriptor = parse_descriptor(made.input, list(scope.layers))
    made.normalised = str(descriptor)
    used: list[Signal] = []

    def signal(name: str) -> Signal:
        used.append(scope.signal(name))
        return used[-1]

    x = Signal(
        descriptor.render(lambda name: signal(name).text), descriptor.dim(lambda name: scope.signal(name).dim)
    )
    for line in dict.fromkeys(s.late for s in used if s.late):
        for config in ("ref", "final"):
            if line not in network.configs[config]:
                network.configs[config].append(line)
    return x


class _Scope:
    """What a line can refer to: layers above by name, and every signal a descriptor can read."""

    def __init__(self, existing: Mapping[str, int]):
        self.layers: dict[str, Layer] = {}
        self.signals = {name: Signal(name, dim) for name, dim in existing.items()}

    def add(self, made: Layer, output: Signal | None, auxiliary: Mapping[str, Signal]) -> None:
        self.layers[made.name] = made
        if output is not None:
            self.signals.setdefault(made.name, output)
        for key, signal in auxiliary.items():
            self.signals.setdefault(f"{made.name}.{key}", signal)

    def signal(self, name: str) -> Signal:
        """What `name` stands for. Raises ValueError naming what could have been meant."""
        if name in self.signals:
            return self.signals[name]
        owner = self.layers.get(name) or self.layers.get(name.partition(".")[0])
        if owner is None:
            raise ValueError(f"there is no layer {name} above this line{nearest(name, self.signals)}")
        known = [key for key in self.signals if key.startswith(owner.name + ".")]
        can = f"; it has {', '.join(known)}" if known else ""
        what = "an output that can be read" if name == owner.name else f"an auxiliary output {name}"
        raise ValueError(f"{owner.kind} {owner.name} does not have {what}{can}")
