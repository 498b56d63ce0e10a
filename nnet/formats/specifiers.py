"""Names of tables on a command line: `ark,t:-`, `scp,p:feats.scp`, `ark,scp:feats.ark,feats.scp`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PIPES = "pipes"  # our own option: commands that stand in the script file may run
_Options = dict[str, tuple[str, bool] | None]
_READ_OPTIONS: _Options = {
    "b": None,
    "t": None,
    "o": ("once", True),
    "no": ("once", False),
    "s": ("sorted", True),
    "ns": ("sorted", False),
    "cs": ("called_sorted", True),
    "ncs": ("called_sorted", False),
    "p": ("permissive", True),
    "np": ("permissive", False),
    "bg": ("background", True),
    PIPES: ("pipes", True),
}
_WRITE_OPTIONS: _Options = {
    "b": ("binary", True),
    "t": ("binary", False),
    "f": ("flush", True),
    "nf": ("flush", False),
    "p": ("permissive", True),
    PIPES: ("pipes", True),
}


@dataclass(frozen=True)
class Rspecifier:
    """A table to read: an archive, or a script file (`script`) that names a file for each key."""

    name: str
    script: bool = False
    once: bool = False
    sorted: bool = False
    called_sorted: bool = False
    permissive: bool = False
    background: bool = False
    pipes: bool = False


@dataclass(frozen=True)
class Wspecifier:
    """A table to write: `archive` or `script` or both are set."""

    archive: str | None = None
    script: str | None = None
    binary: bool = True
    flush: bool = False
    permissive: bool = False
    pipes: bool = False


def is_rspecifier(text: str) -> bool:
    """Whether `text` names a table to read, rather than a file."""
    return _options(text, _READ_OPTIONS, ("ark", "scp")) is not None


def is_wspecifier(text: str) -> bool:
    """Whether `text` names a table to write, rather than a file."""
    return _options(text, _WRITE_OPTIONS, ("ark", "scp", "ark,scp")) is not None


def parse_rspecifier(text: str) -> Rspecifier:
    """Kaldi's ClassifyRspecifier. Raises ValueError if `text` is none."""
    parsed = _options(text, _READ_OPTIONS, ("ark", "scp"))
    if parsed is None:
        raise ValueError(
            f"{text!r} is no table to read; expected ark:FILE or scp:FILE, with options as in ark,s,cs:FILE"
        )
    form, options, rest = parsed
    return Rspecifier(rest, form == "scp", **options)


def parse_wspecifier(text: str) -> Wspecifier:
    """Kaldi's ClassifyWspecifier. Raises ValueError if `text` is none."""
    parsed = _options(text, _WRITE_OPTIONS, ("ark", "scp", "ark,scp"))
    if parsed is None or (parsed[0] == "ark,scp" and "," not in parsed[2]):
        raise ValueError(
            f"{text!r} is no table to write; expected ark:FILE, ark,t:FILE, scp:FILE or ark,scp:FILE,FILE"
        )
    form, options, rest = parsed
    if form == "ark,scp":
        archive, _, script = rest.partition(",")
        return Wspecifier(archive, script, **options)
    return Wspecifier(archive=rest, **options) if form == "ark" else Wspecifier(script=rest, **options)


def allow_pipes(text: str) -> str:
    """`scp:FILE` -> `scp,pipes:FILE`; any other text as it is."""
    parsed = _options(text, _READ_OPTIONS, ("ark", "scp"))
    if parsed is None or parsed[0] != "scp":
        return text
    before, _, after = text.partition(":")
    return f"{before},{PIPES}:{after}"


def _options(text: str, known: _Options, forms: tuple[str, ...]) -> tuple[str, dict[str, Any], str] | None:
    """(ark, scp or ark,scp; options; what follows the colon) of a table's name; None if it is not one."""
    before, colon, rest = text.partition(":")
    if not colon or text != text.rstrip():
        return None
    words = re.split("[, ]", before)
    form = ",".join(w for w in words if w in ("ark", "scp"))
    options = [w for w in words if w not in ("ark", "scp")]
    if form not in forms or any(o not in known for o in options):
        return None
    return form, dict(pair for o in options if (pair := known[o]) is not None), rest
