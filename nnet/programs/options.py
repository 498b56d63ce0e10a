"""Kaldi's command lines: `--option-name=value` into the fields of a dataclass, then positional arguments."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Sequence
from typing import Any

_BOOLEANS = {"true": True, "t": True, "1": True, "": True, "false": False, "f": False, "0": False}
_TYPE_NAMES = {bool: "bool", int: "int", float: "float", str: "string"}


def option(default: Any, help: str, name: str | None = None) -> Any:
    """Declare an option as a field of a dataclass; its type is that of `default` (bool, int, float or str).

    Field `num_jobs` is option `--num-jobs`, unless `name` gives another (`optimization.min-deriv-time`).
    """
    return dataclasses.field(default=default, metadata={"help": help, "name": name})


@dataclasses.dataclass
class StandardOptions:
    """What every program accepts besides its own options."""

    config: str = option("", "File of further options, one a line; may be given several times")
    help: bool = option(False, "Show this text and end")
    print_args: bool = option(True, "Write the command line to stderr first")
    verbose: int = option(0, "How much is logged: more with a higher number")
    allow_pipes_in_scp: bool = option(False, "Run commands that stand inside script files (scp:)")


def option_fields(options: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """Option names of a dataclass, in Kaldi's spelling, and their fields."""
    return {f.metadata.get("name") or f.name.replace("_", "-"): f for f in dataclasses.fields(options)}


def parse(argv: Sequence[str], options: type[Any]) -> tuple[Any, StandardOptions, list[str]]:
    """(options, standard options, positional arguments) of a command line.

    As in Kaldi, options stand before the positional arguments, `--` ends them, names may have `_` for `-` and
    upper case, files given by `--config` are read first. Raises ValueError naming option and value.
    """
    named, positional = split(argv)
    values: dict[str, Any] = {}
    fields = option_fields(options) | option_fields(StandardOptions)
    for text in named:
        if _normal(text.partition("=")[0]) == "config" and "=" in text:
            for line in _config_lines(text.partition("=")[2].strip()):
                _set(values, fields, line)
    for text in named:
        _set(values, fields, text)
    own = {f.name: values[n] for n, f in option_fields(options).items() if n in values}
    standard = {f.name: values[n] for n, f in option_fields(StandardOptions).items() if n in values}
    return options(**own), StandardOptions(**standard), positional


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options and positional arguments of a command line."""
    count = 0
    while count < len(argv) and argv[count].startswith("--") and argv[count] != "--":
        count += 1
    positional = list(argv[count:])
    if "--" in positional:
        positional.remove("--")
    return list(argv[:count]), positional


def _normal(text: str) -> str:
    return text.removeprefix("--").replace("_", "-").lower()


def _set(values: dict[str, Any], fields: dict[str, dataclasses.Field[Any]], text: str) -> None:
    key, equals, value = text.partition("=")
    name = _normal(key)
    known = {n.lower(): n for n in fields}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise ValueError(
            f"there is no option {key}" + (f"; did you mean --{known[near[0]]}?" if near else "; see --help")
        )
    values[known[name]] = convert(value.strip(), fields[known[name]].default, key, bool(equals))


def convert(value: str, default: Any, key: str, given: bool = True) -> Any:
    """The text of an option's value as the type of `default`. Raises ValueError naming option and value."""
    kind = type(default)
    if kind is bool:
        if value.lower() not in _BOOLEANS or (given and not value):
            raise ValueError(f"{key}={value}: expected true or false")
        return _BOOLEANS[value.lower()]
    if not given:
        raise ValueError(f"{key} needs a value: {key}=...")
    if kind is str:
        return value
    try:
        if "_" in value:
            raise ValueError
        return kind(value)
    except ValueError:
        raise ValueError(f"{key}={value}: expected {'an integer' if kind is int else 'a number'}") from None


def _config_lines(path: str) -> list[str]:
    lines = []
    with open(path, encoding="utf-8") as stream:
        for number, text in enumerate(stream, 1):
            line = text.partition("#")[0].strip()
            if line and not line.startswith("--"):
                raise ValueError(f"{path}, line {number}: expected --option=value, found {line[:40]!r}")
            if line:
                lines.append(line)
    return lines


def usage_text(usage: str, options: type[Any]) -> str:
    """What --help prints: the usage, the program's options, the standard options."""

    def lines(of: type[Any]) -> str:
        return "".join(
            f"  --{n:25} : {f.metadata['help']} ({_default(f)})\n"
            for n, f in sorted(option_fields(of).items())
        )

    own = lines(options)
    return (
        f"\n{usage.strip()}\n\n"
        + (f"Options:\n{own}\n" if own else "")
        + f"Standard options:\n{lines(StandardOptions)}"
    )


def _default(field: dataclasses.Field[Any]) -> str:
    default = field.default
    shown = {True: "true", False: "false"}[default] if isinstance(default, bool) else str(default)
    return f"{_TYPE_NAMES[type(default)]}, default = " + (f'"{shown}"' if isinstance(default, str) else shown)


def escape(text: str) -> str:
    """`text` so that a shell would read it as one word (Kaldi's ParseOptions::Escape)."""
    if re.fullmatch(r"[A-Za-z0-9\[\]~#^_\-+=:.,/]+", text):
        return text
    if "'" in text and not re.search(r'["`$\\]', text):
        return f'"{text}"'
    return "'" + text.replace("'", "'\\''") + "'"
