"""What a table may hold: each `Kind` reads and writes one value, binary or text, as a Holder of Kaldi's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.formats.matrix import read_general_matrix, read_matrix, read_vector, write_matrix, write_vector
from nnet.formats.ranges import matrix_range, vector_range
from nnet.formats.reader import KaldiInput
from nnet.formats.writer import KaldiOutput, as_int32, check_token, number

Posterior = list[list[tuple[int, float]]]  # per frame: pairs of an integer (pdf or transition) and a weight

_INTEGER = np.dtype([("size", "u1"), ("value", "<i4")])
_PAIR = np.dtype([("s", "u1"), ("id", "<i4"), ("t", "u1"), ("weight", "<f4")])
_FRAME_OF_ONE = np.dtype([("c", "u1"), ("count", "<i4"), ("pair", _PAIR)])


@dataclass(frozen=True)
class Kind:
    """How values of one type are read and written.

    `has_header`: a binary value starts with \\0B (written by the table). `extract(value, range)`: the
    part that a script file names by [range], if the type has parts.
    """

    name: str
    read: Callable[[KaldiInput], Any]
    write: Callable[[KaldiOutput, Any], None]
    has_header: bool = True
    extract: Callable[[Any, str], Any] | None = None


# -- integers


def read_ints(source: KaldiInput) -> np.ndarray:
    """Integers of shape (K,), int32 (Kaldi's BasicVectorHolder<int32>, used for alignments)."""
    if not source.binary:
        return _text_ints(source, source.line())
    count = _count(source, "a vector of integers", 5)
    return _integers(source, count)


def write_ints(target: KaldiOutput, values: Any) -> None:
    """Integers of shape (K,)."""
    v = as_int32(values)
    if v.ndim != 1:
        raise ValueError(f"a vector of integers must have one axis, this one has the shape {v.shape}")
    if target.binary:
        target.int32(len(v))
        target.write(_integer_bytes(v))
    else:
        target.text("".join(f"{i} " for i in v.tolist()) + "\n")


def read_int_lists(source: KaldiInput) -> list[np.ndarray]:
    """A list of integer vectors (Kaldi's BasicVectorVectorHolder<int32>)."""
    if source.binary:
        count = _count(source, "a list of vectors", 5)
        return [_integers(source, _count(source, "a vector of integers", 5)) for _ in range(count)]
    parts = source.line().split(";")
    if parts[-1].strip():
        source.error("a list of vectors must end with a semicolon")
    return [_text_ints(source, part) for part in parts[:-1]]


def write_int_lists(target: KaldiOutput, lists: Sequence[Any]) -> None:
    """A list of integer vectors."""
    if target.binary:
        target.int32(len(lists))
    for values in lists:
        v = as_int32(values)
        if target.binary:
            target.int32(len(v))
            target.write(_integer_bytes(v))
        else:
            target.text("".join(f"{i} " for i in v.tolist()) + "; ")
    target.newline()


def read_int_pairs(source: KaldiInput) -> np.ndarray:
    """Pairs of integers (K, 2), such as phones and durations (Kaldi's BasicPairVectorHolder<int32>)."""
    if source.binary:
        count = _count(source, "a list of pairs", 10)
        return _integers(source, 2 * count).reshape(-1, 2)
    text = source.line(ended=True)
    pairs = [_text_ints(source, part) for part in text.split(";")] if text.strip() else []
    if any(len(p) != 2 for p in pairs):
        source.error(f"expected pairs of integers like '1 2 ; 3 4', found {text.strip()[:40]!r}")
    return np.array(pairs, np.int32).reshape(-1, 2)


def write_int_pairs(target: KaldiOutput, pairs: Any) -> None:
    """Pairs of integers (K, 2)."""
    v = as_int32(np.asarray(pairs).ravel()).reshape(-1, 2)
    if target.binary:
        target.int32(len(v))
        target.write(_integer_bytes(v.ravel()))
    else:
        target.text("; ".join(f"{a} {b} " for a, b in v.tolist()) + "\n")


def _count(source: KaldiInput, what: str, size: int) -> int:
    """A number of elements, each of at least `size` bytes, that the file can hold."""
    count = source.int32()
    if count < 0:
        source.error(f"{what} has the size {count}")
    source.need(count * size, f"{what} with {count} elements")
    return count


def _integers(source: KaldiInput, count: int) -> np.ndarray:
    data = np.frombuffer(source.read_bytes(5 * count, f"a vector of {count} integers"), _INTEGER)
    if count and not (data["size"] == 4).all():
        first = int(np.argmax(data["size"] != 4))
        source.error(f"element {first} of a vector: expected the size byte 4, found {data['size'][first]}")
    return data["value"].astype(np.int32)


def _integer_bytes(v: np.ndarray) -> bytes:
    data = np.empty(len(v), _INTEGER)
    data["size"], data["value"] = 4, v
    return data.tobytes()


def _text_ints(source: KaldiInput, text: str) -> np.ndarray:
    try:
        if "_" in text or not text.isascii():
            raise ValueError
        return as_int32([int(w) for w in text.split()])
    except ValueError:
        source.error(f"expected 32-bit integers, found {text.strip()[:40]!r}")


# -- posteriors


def read_posterior(source: KaldiInput) -> Posterior:
    """Pairs (integer, weight) for each frame (Kaldi's ReadPosterior)."""
    if not source.binary:
        return _text_posterior(source)
    frames = _count(source, "a posterior", 5)
    return _frames_of_one(source, frames) or [_frame(source) for _ in range(frames)]


def write_posterior(target: KaldiOutput, posterior: Sequence[Sequence[tuple[int, float]]]) -> None:
    """Pairs (integer, weight) for each frame (Kaldi's WritePosterior)."""
    if not target.binary:
        for frame in posterior:
            target.text("[ " + "".join(f"{i} {number(float(np.float32(w)))} " for i, w in frame) + "] ")
        target.text("\n")
        return
    target.int32(len(posterior))
    for frame in posterior:
        target.int32(len(frame))
        pairs = np.empty(len(frame), _PAIR)
        pairs["s"] = pairs["t"] = 4
        pairs["id"] = as_int32([i for i, _ in frame])
        pairs["weight"] = [w for _, w in frame]
        target.write(pairs.tobytes())


def _frames_of_one(source: KaldiInput, frames: int) -> Posterior | None:
    """Quick path for the commonest posterior, one pair in each frame; None (nothing consumed) otherwise."""
    size = frames * _FRAME_OF_ONE.itemsize
    if frames == 0 or source.ahead(min(size, 1 << 24)) < size:
        return None
    table = np.frombuffer(source.buffer, _FRAME_OF_ONE, frames, source.position)
    pair = table["pair"]
    if not ((table["count"] == 1).all() and all((b == 4).all() for b in (table["c"], pair["s"], pair["t"]))):
        return None
    source.position += size
    return [[p] for p in zip(pair["id"].tolist(), pair["weight"].tolist())]


def _frame(source: KaldiInput) -> list[tuple[int, float]]:
    count = _count(source, "a frame of a posterior", _PAIR.itemsize)
    pairs = np.frombuffer(source.read_bytes(_PAIR.itemsize * count, "a frame of a posterior"), _PAIR)
    if count and not ((pairs["s"] == 4).all() and (pairs["t"] == 4).all()):
        source.error("expected pairs of integer and float in a posterior")
    return list(zip(pairs["id"].tolist(), pairs["weight"].tolist()))


def _text_posterior(source: KaldiInput) -> Posterior:
    text = source.line()
    posterior: Posterior = []
    for part in text.split("]")[:-1]:
        words = part.split()
        if words[:1] != ["["] or len(words) % 2 == 0:
            source.error(f"expected a posterior like [ 12 0.5 13 0.5 ], found {part.strip()[:40]!r}")
        ids = _text_ints(source, " ".join(words[1::2])).tolist()
        posterior.append(list(zip(ids, (_text_float(source, w) for w in words[2::2]))))
    if text.rpartition("]")[2].strip():
        source.error(f"expected a posterior like [ 12 0.5 ], found {text.rpartition(']')[2].strip()[:40]!r}")
    return posterior


def _text_float(source: KaldiInput, word: str) -> float:
    try:
        if "_" in word or not word.isascii():
            raise ValueError
        with np.errstate(over="ignore"):
            return float(np.float32(float(word)))
    except ValueError:
        source.error(f"expected a number, found {word[:40]!r}")


# -- single values and words


def _scalar(name: str, read: str, write: str) -> Kind:
    """A number or truth value, which in text form stands alone on its line."""

    def read_value(source: KaldiInput) -> Any:
        if source.binary:
            return getattr(source, read)()
        line = source.line(ended=True).strip()
        if len(line.split()) != 1:
            source.error(f"expected one {name} on the line, found {line[:40]!r}")
        one = KaldiInput(_stream(line), source.name, binary=False)
        value = getattr(one, read)()
        if not one.at_end():
            source.error(f"expected one {name} on the line, found {line[:40]!r}")
        return value

    def write_value(target: KaldiOutput, value: Any) -> None:
        getattr(target, write)(value)
        target.newline()

    return Kind(name, read_value, write_value)


def _stream(text: str) -> Any:
    import io  # noqa: PLC0415 - for text only

    return io.BytesIO(text.encode())


def read_word(source: KaldiInput) -> str:
    """The one word on the line."""
    words = source.line(ended=True).split()
    if len(words) != 1:
        source.error(f"expected one word on the line, found {len(words)}")
    return words[0]


def write_word(target: KaldiOutput, word: str) -> None:
    """The one word of a line."""
    check_token(word)
    target.text(word + "\n")


def read_words(source: KaldiInput) -> list[str]:
    """The words of the line."""
    return source.line().split()


def write_words(target: KaldiOutput, words: Sequence[str]) -> None:
    """The words of a line."""
    for word in words:
        target.token(word)
    target.text("\n")


# -- matrices and vectors


def _real(name: str, read: Callable[..., Any], write: Callable[..., None], dtype: Any, extract: Any) -> Kind:
    """Matrices or vectors in one precision, whatever the precision of the file or of the value given."""

    def write_value(target: KaldiOutput, value: Any) -> None:
        write(target, value.astype(dtype, copy=False) if isinstance(value, np.ndarray) else value)

    return Kind(name, lambda source: read(source, dtype), write_value, extract=extract)


MATRIX = _real("matrix", read_matrix, write_matrix, np.float32, matrix_range)
DOUBLE_MATRIX = _real("matrix", read_matrix, write_matrix, np.float64, matrix_range)
GENERAL_MATRIX = Kind("matrix", read_general_matrix, write_matrix, extract=matrix_range)
VECTOR = _real("vector", read_vector, write_vector, np.float32, vector_range)
DOUBLE_VECTOR = _real("vector", read_vector, write_vector, np.float64, vector_range)
INT_VECTOR = Kind("vector of integers", read_ints, write_ints)
INT_VECTOR_VECTOR = Kind("list of vectors of integers", read_int_lists, write_int_lists)
INT_PAIR_VECTOR = Kind("list of pairs of integers", read_int_pairs, write_int_pairs)
POSTERIOR = Kind("posterior", read_posterior, write_posterior)
INT = _scalar("integer", "int32", "int32")
FLOAT = _scalar("number", "float", "float")
DOUBLE = _scalar("number", "double", "double")
BOOL = _scalar("truth value", "bool", "bool")
TOKEN = Kind("word", read_word, write_word, has_header=False)
TOKEN_VECTOR = Kind("words", read_words, write_words, has_header=False)
