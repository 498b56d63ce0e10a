"""Config lines as data, for comparisons."""

from __future__ import annotations

import re


def parsed(line: str) -> tuple[str, dict[str, object]]:
    """Kind and values of a config line; the first of a repeated key counts, blanks and 1.0 for 1 do not."""
    kind, _, rest = line.partition(" ")
    values: dict[str, object] = {}
    keys = list(re.finditer(r"(?:^|\s)([A-Za-z_][\w.-]*)=", rest))
    for key, after in zip(keys, [*keys[1:], None]):
        values.setdefault(key.group(1), _value(rest[key.end() : after.start() if after else None]))
    return kind, values


def config(lines: list[str]) -> list[tuple[str, dict[str, object]]]:
    """The lines of a config that say something."""
    return [parsed(line.strip()) for line in lines if line.partition("#")[0].strip()]


def _value(text: str) -> object:
    text = re.sub(r"\s+", "", text)
    try:
        return float(text)
    except ValueError:
        return {"True": "true", "False": "false"}.get(text, text)
