"""Options of the training scripts: declared once, read from the command line and from YAML files,
checked by type.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from steps.texts import read_text

T = TypeVar("T")

_TRUE, _FALSE = ("true", "yes", "t", "1"), ("false", "no", "f", "0")
_NULL = ("", "~", "null", "None")


def option(
    name: str, default: Any, help: str, *, kind: str = "", choices: Sequence[str] = (), alias: str = ""
) -> Any:
    """A field read from `--name`. The kind (int, float, bool, text, words) follows from the default unless
    given.

    A default of None makes a text option that an empty value unsets; a tuple makes a repeatable option.
    """
    found = kind or {int: "int", float: "float", bool: "bool", tuple: "words"}.get(type(default), "text")
    metadata = {"option": name, "help": help, "kind": found, "choices": tuple(choices), "alias": alias}
    return field(default=default, metadata=metadata)


def required(name: str, help: str) -> Any:
    """A text field that must be given as `--name`."""
    return field(default="", metadata={"option": name, "help": help, "kind": "text", "required": True})


@dataclass(frozen=True)
class Given:
    """One value somebody wrote, and where, for messages."""

    name: str
    text: str | list[str]
    where: str


def parse(cls: type[T], argv: Sequence[str]) -> T:
    """An instance of the options dataclass `cls` from a command line; `--config FILE` reads YAML, the
    command line wins.

    Raises ValueError for an unknown option (naming the nearest), a value of the wrong type or a missing
    required option.
    """
    table = by_name(cls)
    given = list(_command_line(argv, table))
    files = [g for g in given if g.name == "config"]
    written = [g for f in files for g in read_yaml(str(f.text))] + [g for g in given if g.name != "config"]
    values: dict[str, Any] = {}
    for g in written:
        f = _find(g, table)
        values[f.name] = _value(g, f, values.get(f.name, ()) if g.where == "command line" else ())
    missing = [
        f.metadata["option"] for f in table.values() if f.metadata.get("required") and not values.get(f.name)
    ]
    if missing:
        raise ValueError(f"--{missing[0]} is required: {table[missing[0]].metadata['help']}")
    return cls(**values)


def by_name(cls: type) -> dict[str, Any]:
    """The fields of an options dataclass by option name, aliases included."""
    table = {}
    for f in fields(cls):
        for name in filter(None, (f.metadata["option"], f.metadata.get("alias"))):
            table[name] = f
    return table


def usage(cls: type, heading: str) -> str:
    """Help text: every option with its default."""
    lines = [heading, ""]
    for f in fields(cls):
        default = "required" if f.metadata.get("required") else _shown(f.default)
        choices = f" ({', '.join(f.metadata['choices'])})" if f.metadata.get("choices") else ""
        lines.append(f"  --{f.metadata['option']}  [{default}]\n        {f.metadata['help']}{choices}")
    return "\n".join(
        [
            *lines,
            "  --config  [none]\n        YAML file with the same options, nested or dotted; the command "
            "line wins",
        ]
    )


def as_dict(options: Any) -> dict[str, Any]:
    """Option name -> value, in the order of declaration."""
    return {f.metadata["option"]: getattr(options, f.name) for f in fields(options)}


def read_yaml(path: str) -> list[Given]:
    """The scalars of a YAML file as text under dotted names, so that YAML's own types (no, 1e-3, 1:32)
    cannot interfere.
    """
    import yaml  # noqa: PLC0415 - only where there is a file

    try:
        root = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(f"{path} must hold `option: value` lines")
    given = list(_walk(root, "", path))
    seen: dict[str, str] = {}
    for g in given:
        if g.name in seen:
            raise ValueError(f"{g.where}: {g.name} is given twice, first in {seen[g.name]}")
        seen[g.name] = g.where
    return given


def _walk(node: Any, prefix: str, path: str) -> Iterator[Given]:
    import yaml  # noqa: PLC0415

    for key, value in node.value:
        where = f"{path}, line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"{where}: the name of an option must be a word, not a list or a mapping")
        name = prefix + str(key.value)
        if isinstance(value, yaml.MappingNode):
            yield from _walk(value, name + ".", path)
        elif isinstance(value, yaml.SequenceNode):
            yield Given(name, [str(item.value) for item in value.value], where)
        else:
            yield Given(name, str(value.value), where)


def _command_line(argv: Sequence[str], table: dict[str, Any]) -> Iterator[Given]:
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            raise ValueError(f"unexpected argument {word!r}; options are --name=value or --name value")
        name, equals, text = word[2:].partition("=")
        if not equals:
            text = _next_value(name, words, table)
        yield Given(name, text, "command line")


def _next_value(name: str, words: list[str], table: dict[str, Any]) -> str:
    f = table.get(name)
    if f is None and name != "config":
        raise ValueError(_unknown(name, "command line", table))
    first = words[0] if words else "--"
    next_is_option = first == "--" or (
        first.startswith("--") and first[2:].partition("=")[0] in {*table, "config"}
    )
    if f is not None and f.metadata["kind"] == "bool" and next_is_option:
        return "true"
    if next_is_option:
        raise ValueError(f"--{name} needs a value")
    return words.pop(0)


def _find(g: Given, table: dict[str, Any]) -> Any:
    if g.name not in table:
        raise ValueError(_unknown(g.name, g.where, table))
    return table[g.name]


def _unknown(name: str, where: str, table: dict[str, Any]) -> str:
    tail = [known for known in table if known.rpartition(".")[2] == name.rpartition(".")[2]]
    near = tail or difflib.get_close_matches(name, table, n=1, cutoff=0.5)
    return f"unknown option --{name} ({where}); " + (f"did you mean --{near[0]}?" if near else "see --help")


def _value(g: Given, f: Any, earlier: Any) -> Any:
    kind, choices = f.metadata["kind"], f.metadata.get("choices")
    if kind == "words":
        return (*earlier, *([g.text] if isinstance(g.text, str) else g.text))
    if isinstance(g.text, list):
        raise ValueError(f"--{g.name} ({g.where}) takes one value, not a list")
    if kind == "text":
        if f.default is None and g.text in _NULL:
            return None
        if choices and g.text not in choices:
            raise ValueError(f"--{g.name}={g.text} ({g.where}): choose one of {', '.join(choices)}")
        return g.text
    try:
        return _READERS[kind](g.text)
    except ValueError:
        if f.default is None and g.text in _NULL:
            return None
        words = {"int": "an integer", "float": "a number", "bool": "true or false"}[kind]
        raise ValueError(f"--{g.name}={g.text!r} ({g.where}) must be {words}") from None


def _integer(text: str) -> int:
    """An integer, also when it is written as 4e5."""
    try:
        return int(text)
    except ValueError:
        value = float(text)
    if not value.is_integer():  # nor is inf or nan
        raise ValueError(text)
    return int(value)


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


_READERS: dict[str, Callable[[str], Any]] = {"int": _integer, "float": float, "bool": _boolean}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, (), MISSING) else str(value)
