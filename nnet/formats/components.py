"""Components in model files: read and written by one table of tokens, for all 46 types of Kaldi's nnet3."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from nnet.backend import to_host
from nnet.component import Component
from nnet.components import REFUSED, TYPES
from nnet.formats import component_table, component_table_temporal
from nnet.formats.basic import FormatError
from nnet.formats.reader import KaldiInput
from nnet.formats.rows import COMMON, INT, NOTHING, REQUIRED, Kind, Layout, Row, Table, Values
from nnet.formats.writer import KaldiOutput

MAX_PARTS = 100000  # components inside a CompositeComponent


def layout_of(type_name: str) -> Layout:
    """How components of a Kaldi type lie in files. Raises ValueError for a name that Kaldi does not have."""
    if type_name not in LAYOUTS:
        near = difflib.get_close_matches(type_name, LAYOUTS, 1)
        raise ValueError(
            f"there is no component type {type_name}" + (f"; did you mean {near[0]}?" if near else "")
        )
    return LAYOUTS[type_name]


def _read_parts(src: KaldiInput) -> tuple[Component, ...]:
    count = src.int32()
    if not 0 <= count <= MAX_PARTS:
        src.error(f"a composite component of {count} parts")
    return tuple(read_component(src, f"part {i}") for i in range(count))


def _write_parts(out: KaldiOutput, parts: Sequence[Component]) -> None:
    out.int32(len(parts))
    for part in parts:
        write_component(out, part)


COMPOSITE = Layout(
    (
        Row("MaxRowsProcess", "max_rows_process", INT),
        Row("NumComponents", "parts", Kind("components", _read_parts, _write_parts)),
    ),
    updatable=True,
)
LAYOUTS: Table = {**component_table.TABLE, **component_table_temporal.TABLE, "CompositeComponent": COMPOSITE}


def read_component(src: KaldiInput, name: str = "") -> Component:
    """The component that comes next. `name` stands in errors. Raises FormatError."""
    opening = src.token()
    type_name = opening[1:-1]
    if not (opening.startswith("<") and opening.endswith(">")):
        src.error(f"component {name}: expected its type in angle brackets, found {opening[:60]}")
    try:
        layout = layout_of(type_name)
        if type_name not in TYPES:
            reason = f": {REFUSED[type_name]}" if type_name in REFUSED else " yet"
            raise ValueError(f"components of type {type_name} cannot be used{reason}")
        values = _read_rows(src, layout)
        src.expect(f"</{type_name}>", *([opening] if layout.lax_close else []))
        _check_sizes(values, layout)
        return TYPES[type_name](**layout.from_file(values))
    except FormatError as error:
        raise FormatError(f"{error} (component {name})") from None
    except ValueError as error:
        src.error(f"component {name}: {error}")


def _read_rows(src: KaldiInput, layout: Layout) -> Values:
    values: Values = {}
    token = src.peek_token()
    for row in (*COMMON, *layout.rows) if layout.updatable else layout.rows:
        if token[1:-1] == row.token or token[1:-1] in row.also:
            src.expect(token)
            row.store(values, row.kind.read(src))
            token = src.peek_token()
        else:
            _store_default(src, row, values, token)
    return values


def _store_default(src: KaldiInput, row: Row, values: Values, found: str) -> None:
    default = row.absent(values)
    if default is REQUIRED:
        src.error(f"expected <{row.token}>, found {found[:60] or 'the end of the file'}")
    if default is not NOTHING:
        row.store(values, default)


def _check_sizes(values: Values, layout: Layout) -> None:
    for (a, i), (b, j) in layout.sizes:
        one, other = np.shape(values[a])[i], np.shape(values[b])[j]
        if one != other:
            raise ValueError(
                f"{a} has {one} entries along axis {i}, {b} has {other} along axis {j}; they must agree"
            )


def write_component(out: KaldiOutput, c: Component) -> None:
    """Write `c` with its opening and closing tags (Kaldi's Component::Write)."""
    layout = layout_of(c.TYPE)
    values = layout.to_file({f.name: _host(getattr(c, f.name)) for f in fields(c)})
    out.token(f"<{c.TYPE}>")
    for row in (*COMMON, *layout.rows) if layout.updatable else layout.rows:
        if row.when is None or row.when(values):
            out.token(f"<{row.token}>")
            row.kind.write(out, row.value(values))
    out.token(f"</{c.TYPE}>")


def _host(value: Any) -> Any:
    return to_host(value) if hasattr(value, "dtype") and hasattr(value, "shape") and value.ndim else value
