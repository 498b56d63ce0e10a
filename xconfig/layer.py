"""What a layer is: options as typed dataclass fields with their limits, and `build`, which emits nodes."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from xconfig.emit import Emitter, Signal

Number = str  # the text of a number, passed on as it is; "" leaves the component its own default
Flag = str  # the same for true or false

L = TypeVar("L", bound="type[Layer]")
LAYERS: dict[str, type[Layer]] = {}


@dataclass(frozen=True)
class Option:
    """What is known of an option besides name, type and default: a phrase for the manual, and its limits."""

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    off: float | None = None  # a value outside the limits that switches the option off
    choices: tuple[str, ...] = ()
    required: bool = False  # text must be given
    only: str = ""  # expression that the layer's type must contain for the option to exist
    from_input: bool = False  # zero or less stands for the dimension of the input
    derived: bool = False  # computed, shown in the expanded file, not accepted in a line


def option(default: Any, help: str, **limits: Any) -> Any:
    """A dataclass field that is an option; `limits` are fields of `Option`."""
    return field(default=default, metadata={"option": Option(help, **limits)})


def layer(*kinds: str, example: tuple[int, str]) -> Callable[[L], L]:
    """Class decorator: the class makes layers of these types. `example` = (input dimension, options)."""

    def register(cls: L) -> L:
        cls = dataclass(kw_only=True)(cls)  # type: ignore[assignment]
        cls.KINDS, cls.EXAMPLE = kinds, example
        LAYERS.update(dict.fromkeys(kinds, cls))
        return cls

    return register


def option_group(cls: L) -> L:
    """Class decorator for options and methods that several layers inherit."""
    return dataclass(kw_only=True)(cls)  # type: ignore[return-value]


@dataclass(kw_only=True)
class Layer:
    """One line of an xconfig file with all its options."""

    KINDS: ClassVar[tuple[str, ...]] = ()
    EXAMPLE: ClassVar[tuple[int, str]] = (0, "")
    HAS_INPUT: ClassVar[bool] = True

    kind: str
    name: str
    normalised: str = ""  # `input` with names in place of [-1] and bare offsets
    input: str = option("[-1]", "what the layer reads: a descriptor")

    @property
    def words(self) -> list[str]:
        """The operations named in the type: `relu-batchnorm-layer` -> relu, batchnorm."""
        return self.kind.split("-")[:-1]

    def build(self, net: Emitter, x: Signal) -> Signal | None:
        """Emit components and nodes reading `x`; return what later layers read, None if they cannot."""
        raise NotImplementedError(self.kind)


def options_of(kind: str) -> dict[str, dataclasses.Field[Any]]:
    """Fields that are options of layers of this type, by option name. Raises ValueError for unknown types."""
    if kind not in LAYERS:
        raise ValueError(f"there is no layer type {kind}{nearest(kind, LAYERS)}")
    cls = LAYERS[kind]
    return {
        f.name.replace("_", "-"): f
        for f in dataclasses.fields(cls)
        if "option" in f.metadata
        and re.search(f.metadata["option"].only, kind)
        and (cls.HAS_INPUT or f.name != "input")
    }


def make_layer(kind: str, values: Mapping[str, str]) -> Layer:
    """The layer of a line's type and options. Raises ValueError naming what is unknown or of wrong type."""
    known = {key: f for key, f in options_of(kind).items() if not f.metadata["option"].derived}
    typed = {}
    for key, text in values.items():
        if key == "name":
            continue
        if key not in known:
            raise ValueError(f"{kind} has no option {key}{nearest(key, known)}")
        typed[known[key].name] = _convert(key, str(known[key].type), text)
    if not re.fullmatch(r"[a-zA-Z_][-a-zA-Z_0-9.]*", values.get("name", "")):
        raise ValueError(
            f"{kind} needs name=..., letters, digits, _ - . and no digit first, not {values.get('name')!r}"
        )
    return LAYERS[kind](kind=kind, name=values["name"], **typed)


def build_layer(made: Layer, net: Emitter, x: Signal) -> Signal | None:
    """Fill in what follows from the input, check the limits of all options, and build."""
    for key, f in options_of(made.kind).items():
        rule: Option = f.metadata["option"]
        value = getattr(made, f.name)
        if rule.from_input and value <= 0:
            setattr(made, f.name, x.dim)
        elif value not in ("", rule.off):
            _check(key, value, rule)
        elif value == "" and rule.required:
            raise ValueError(f"{key}=... must be given")
    return made.build(net, x)


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds."""
    if not condition:
        raise ValueError(message)


def nearest(word: str, known: Any) -> str:
    """`; did you mean ...?` if something known is spelled much like `word`, else nothing."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _check(key: str, value: Any, rule: Option) -> None:
    if rule.choices:
        require(value in rule.choices, f"{key}={value} is none of {', '.join(rule.choices)}")
        return
    for limit, holds, words in (
        (rule.least, lambda v, bound: v >= bound, "at least"),
        (rule.most, lambda v, bound: v <= bound, "at most"),
        (rule.above, lambda v, bound: v > bound, "greater than"),
    ):
        if limit is not None:
            require(holds(float(value), limit), f"{key}={value} must be {words} {limit}")


_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}


def _number_text(text: str) -> str:
    if text:
        float(text)
    return text


def _flag_text(text: str) -> str:
    if text:
        _BOOLEANS[text]
    return text


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "int": ("an integer", int),
    "float": ("a number", float),
    "bool": ("true or false", _BOOLEANS.__getitem__),
    "str": ("text", str),
    "Number": ("a number", _number_text),
    "Flag": ("true or false", _flag_text),
}


def _convert(key: str, kind: str, text: str) -> Any:
    what, read = _READERS[kind]
    try:
        return read(text)
    except (ValueError, KeyError):
        raise ValueError(f"{key}={text} is not {what}") from None
