"""What token tables are made of: kinds of values, rows that pair a token with a field, layouts of types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput

Values = dict[str, Any]  # a component's fields by name
REQUIRED: Any = object()  # default of a row without which the component cannot be read
NOTHING: Any = object()  # default of a row whose absence leaves no trace


@dataclass(frozen=True)
class Kind:
    """How one sort of value is read from and written to a Kaldi file, binary or text."""

    name: str
    read: Callable[[KaldiInput], Any]
    write: Callable[[KaldiOutput, Any], None]


def _write_vector(dtype: type) -> Callable[[KaldiOutput, Any], None]:
    return lambda out, v: out.vector(np.asarray(v, dtype=dtype))


def _write_matrix(dtype: type) -> Callable[[KaldiOutput, Any], None]:
    return lambda out, v: out.matrix(np.asarray(v, dtype=dtype))


def _write_pairs(out: KaldiOutput, v: Any) -> None:
    out.pair_vector(np.asarray(v, dtype=np.int32).reshape(-1, 2))


def _pair_of(kind: Kind) -> Kind:
    def write(out: KaldiOutput, v: Any) -> None:
        kind.write(out, v[0])
        kind.write(out, v[1])

    return Kind(f"two of {kind.name}", lambda src: (kind.read(src), kind.read(src)), write)


INT = Kind("integer", lambda src: src.int32(), lambda out, v: out.int32(int(v)))
FLOAT = Kind("float", lambda src: src.float(), lambda out, v: out.float(float(v)))
DOUBLE = Kind("double", lambda src: src.double(), lambda out, v: out.double(float(v)))
BOOL = Kind("boolean", lambda src: src.bool(), lambda out, v: out.bool(bool(v)))
INTS = Kind(
    "integers",
    lambda src: tuple(int(i) for i in src.int_vector()),
    lambda out, v: out.int_vector(np.asarray(v, dtype=np.int32)),
)
PAIRS = Kind("pairs", lambda src: tuple((int(a), int(b)) for a, b in src.pair_vector()), _write_pairs)
VECTOR = Kind("vector", lambda src: src.vector(np.float32), _write_vector(np.float32))
MATRIX = Kind("matrix", lambda src: src.matrix(np.float32), _write_matrix(np.float32))
STAT_VECTOR = Kind("vector", lambda src: src.vector(np.float64), _write_vector(np.float32))
STAT_MATRIX = Kind("matrix", lambda src: src.matrix(np.float64), _write_matrix(np.float32))
DOUBLE_VECTOR = Kind("vector", lambda src: src.vector(np.float64), _write_vector(np.float64))
DOUBLE_MATRIX = Kind("matrix", lambda src: src.matrix(np.float64), _write_matrix(np.float64))
FLAG = Kind("flag", lambda src: True, lambda out, v: None)  # the token alone says it
TWO_INTS, TWO_FLOATS = _pair_of(INT), _pair_of(FLOAT)


@dataclass(frozen=True)
class Row:
    """A token of a component in a file, and the field or fields whose value follows it.

    `default`: the value when the token is absent, or a function of the fields read so far. `when`: the
    condition on the fields under which the token is written; None means always. `also`: older spellings, read
    too.
    """

    token: str
    field: str | tuple[str, ...] | None
    kind: Kind
    default: Any = REQUIRED
    when: Callable[[Values], bool] | None = None
    also: tuple[str, ...] = ()

    def store(self, values: Values, value: Any) -> None:
        """Put a value that was read into `values`."""
        if isinstance(self.field, tuple):
            values.update(zip(self.field, value))
        elif self.field is not None:
            values[self.field] = value

    def value(self, values: Values) -> Any:
        """The value to write, out of `values`."""
        if isinstance(self.field, tuple):
            return tuple(values[f] for f in self.field)
        return None if self.field is None else values[self.field]

    def absent(self, values: Values) -> Any:
        """What to store when the file lacks the token; REQUIRED if it may not."""
        return self.default(values) if callable(self.default) else self.default


def old(token: str, kind: Kind, field: str | None = None) -> Row:
    """A token of older files: read if it is there (into `field`, or dropped), never written."""
    return Row(token, field, kind, default=NOTHING, when=lambda values: False)


def mark(token: str) -> Row:
    """A token without a value."""
    return Row(token, None, FLAG)


def same_as(*names: str) -> Callable[[Values], Any]:
    """Default: the value of another field that was read before, or of several."""

    def default(values: Values) -> Any:
        if any(n not in values for n in names):
            return REQUIRED
        return values[names[0]] if len(names) == 1 else tuple(values[n] for n in names)

    return default


def nonzero(name: str) -> Callable[[Values], bool]:
    """Condition: the field is not zero, or true."""
    return lambda values: bool(values[name])


def positive(name: str) -> Callable[[Values], bool]:
    """Condition: the field is above zero."""
    return lambda values: values[name] > 0


def differs(name: str, other: Any) -> Callable[[Values], bool]:
    """Condition: the field differs from a number, or from the field named `other`."""
    return lambda values: values[name] != (values[other] if isinstance(other, str) else other)


@dataclass(frozen=True)
class Layout:
    """How a component type lies in a file.

    `to_file` and `from_file` turn the fields into what the file holds and back (sums to averages). `sizes`:
    pairs of (field, axis) that must agree. `lax_close`: an opening tag may stand in place of the closing one.
    """

    rows: tuple[Row, ...]
    updatable: bool = False
    to_file: Callable[[Values], Values] = dict
    from_file: Callable[[Values], Values] = dict
    sizes: tuple[tuple[tuple[str, int], tuple[str, int]], ...] = ()
    lax_close: bool = False


Table = Mapping[str, Layout]  # Kaldi type name -> layout

COMMON = (
    Row("LearningRateFactor", "learning_rate_factor", FLOAT, 1.0, differs("learning_rate_factor", 1.0)),
    Row("IsGradient", "is_gradient", BOOL, False, nonzero("is_gradient")),
    Row("MaxChange", "max_change", FLOAT, 0.0, positive("max_change")),
    Row("L2Regularize", "l2_regularize", FLOAT, 0.0, positive("l2_regularize")),
    Row("LearningRate", "learning_rate", FLOAT, 0.001),
)
