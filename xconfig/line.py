"""One line of an xconfig file: `layer-type key=value ...` -> (type, options as text)."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9.\-()\[\]@_=,/+:\s\"]")
_TYPE = re.compile(r"[a-z][-a-z0-9]+")
_KEY = re.compile(r"([-a-zA-Z0-9_]+)=")
_QUOTED = re.compile(r'"([^"]*)"')
_EQUALS = "\0"  # stands for an `=` between double quotes while the keys are looked for


def parse_line(text: str) -> tuple[str, dict[str, str]] | None:
    """Type and options of a line; None if nothing is left without its comment (`#` to the end of the line).

    A value reaches up to the next `key=`; double quotes protect `=` signs inside it. Runs of blanks count as
    one. Raises ValueError for a character outside the language, an unpaired quote, a word without `=`, a
    repeated key.
    """
    text = " ".join(text.split("#", 1)[0].split())
    if not text:
        return None
    _check_characters(text)
    kind, _, rest = text.partition(" ")
    if not _TYPE.fullmatch(kind):
        raise ValueError(f"a line begins with the type of a layer, not with {kind!r}")
    masked = _QUOTED.sub(lambda match: f" {match.group(1).replace('=', _EQUALS)} ", rest)
    return kind, _options(masked)


def _check_characters(text: str) -> None:
    bad = _FORBIDDEN.search(text)
    if bad:
        hint = "; values with = signs take double quotes" if bad.group() == "'" else ""
        raise ValueError(f"character {bad.group()} is not allowed{hint}")
    if text.count('"') % 2:
        raise ValueError("double quotes must come in pairs")


def _options(text: str) -> dict[str, str]:
    keys = list(_KEY.finditer(text))
    junk = text[: keys[0].start()].strip() if keys else text.strip()
    if junk:
        raise ValueError(f"{junk!r} is not key=value")
    ends = [key.start() for key in keys[1:]] + [len(text)]
    options: dict[str, str] = {}
    for key, end in zip(keys, ends):
        name = key.group(1)
        if not re.match("[a-zA-Z_]", name):
            raise ValueError(f"option {name} does not begin with a letter")
        if name in options:
            raise ValueError(f"option {name} is given twice")
        options[name] = " ".join(text[key.end() : end].replace(_EQUALS, "=").split())
    return options
