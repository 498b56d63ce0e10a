"""Where a layer puts what it makes: lines for init.config, ref.config and final.config."""

from __future__ import annotations

from dataclasses import dataclass

AFFINE = "NaturalGradientAffineComponent"
DIAGONAL = "NaturalGradientPerElementScaleComponent"
LINEAR = "LinearComponent"
PRODUCT = "ElementwiseProductComponent"
CONVOLUTION = "TimeHeightConvolutionComponent"

Value = str | int | float | bool


@dataclass(frozen=True)
class Signal:
    """Something a descriptor can read: its text in a config file and its number of columns.

    `late` is a config line that makes it; it is written only when a layer reads the signal.
    """

    text: str
    dim: int
    late: str = ""


class Emitter:
    """Collects the lines of a layer. Nodes and components are called `NAME.suffix`, or NAME for suffix "".

    `lines` holds (config, text), config being init, ref or final; `auxiliary` the signals that later layers
    can read as `NAME.key`; `files` the text of files the layer writes, by path.
    """

    def __init__(self, name: str):
        self.name = name
        self.configs: tuple[str, ...] = ("ref", "final")
        self.lines: list[tuple[str, str]] = []
        self.auxiliary: dict[str, Signal] = {}
        self.files: dict[str, str] = {}

    def full(self, suffix: str) -> str:
        """`NAME.suffix`, or NAME."""
        return f"{self.name}.{suffix}" if suffix else self.name

    def signal(self, suffix: str, dim: int) -> Signal:
        """The signal of this layer's node `NAME.suffix`."""
        return Signal(self.full(suffix), dim)

    def line(self, text: str, *configs: str) -> None:
        """Write `text` to the configs named, or to all that this layer writes."""
        self.lines += [(config, text) for config in configs or self.configs]

    def component(self, suffix: str, kind: str, /, *configs: str, **keys: Value) -> None:
        """A component line. Keys of value "" are left out; key `options` is text that stands for itself."""
        words = [f"component name={self.full(suffix)} type={kind}"]
        for key, value in keys.items():
            if key == "options":
                words += str(value).split()
            elif value != "":
                words.append(
                    f"{key.replace('_', '-')}={str(value).lower() if isinstance(value, bool) else value}"
                )
        self.line(" ".join(words), *configs)

    def node(self, suffix: str, source: str, component: str = "") -> None:
        """A component-node line; the component has the node's own suffix if none is named."""
        name = self.full(suffix)
        used = self.full(component) if component else name
        self.line(f"component-node name={name} component={used} input={source}")

    def columns(self, suffix: str, source: str, offset: int, dim: int) -> None:
        """A dim-range-node line: columns offset, ..., offset + dim - 1 of node `source`."""
        self.line(
            f"dim-range-node name={self.full(suffix)} input-node={source} dim-offset={offset} dim={dim}"
        )

    def add(self, suffix: str, kind: str, x: Signal, dim: int, /, **keys: Value) -> Signal:
        """A component and its node reading `x`; `dim` is the number of columns of the result."""
        self.component(suffix, kind, **keys)
        self.node(suffix, x.text)
        return self.signal(suffix, dim)

    def output(self, name: str, source: str, delay: int, /, *configs: str, **keys: Value) -> None:
        """An output-node line; a delay of d frames reads `source` d frames later."""
        text = f"Offset({source}, {delay})" if delay else source
        words = [f"output-node name={name} input={text}"] + [f"{key}={value}" for key, value in keys.items()]
        self.line(" ".join(words), *configs)
