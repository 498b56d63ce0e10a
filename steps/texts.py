"""Small text files: what they hold, and messages that name the file when it cannot be read or written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nnet.files import atomic_write

SPACE = " \t\r\v\f"  # what separates words in Kaldi's lists; other spaces of Unicode belong to a word


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file. Raises ValueError naming the file for another encoding, OSError."""
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; convert the file, e.g. with "
            "iconv -f latin1 -t utf-8"
        ) from None


def read_lines(path: Path | str) -> list[str]:
    """The lines of a text file; only a newline ends a line."""
    lines = read_text(path).split("\n")
    return lines if lines[-1] else lines[:-1]


def read_int(path: Path) -> int:
    """The integer that a file holds. Raises ValueError naming the file if it holds anything else."""
    text = read_text(path).strip()
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{path} should hold an integer, it holds {text[:40]!r}") from None


def write_number(path: Path, number: int) -> None:
    """Write a file that holds one integer."""
    with atomic_write(path, text=True) as stream:
        stream.write(f"{number}\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file of these lines, which come without their newlines."""
    with atomic_write(path, text=True) as stream:
        stream.writelines(f"{line}\n" for line in lines)


def first_word(line: str) -> tuple[str, str]:
    """The first word of a line and the rest, without the space around them."""
    line = line.strip(SPACE)
    end = next((i for i, c in enumerate(line) if c in SPACE), len(line))
    return line[:end], line[end:].lstrip(SPACE)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system inside the block name `path` if they name no file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
