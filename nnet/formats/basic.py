"""Opening a Kaldi file for one object: `with open_input(name) as source`, `open_output(name)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnet.formats.reader import KaldiInput
from nnet.formats.source import FormatError
from nnet.formats.streams import create_bytes, has_offset, open_bytes
from nnet.formats.writer import KaldiOutput

__all__ = [
    "FormatError",
    "KaldiInput",
    "KaldiOutput",
    "open_input",
    "open_output",
    "open_whole",
    "read_header",
]


@contextmanager
def open_input(name: str) -> Iterator[KaldiInput]:
    """A Kaldi rxfilename opened for reading one object; `binary` is set by the header \\0B.

    `name`: file, `file:offset`, `-`, `file.gz`, `command |`. Raises OSError, also when a command fails.
    """
    with open_bytes(name) as stream:
        source = KaldiInput(stream, "standard input" if name in ("", "-") else name)
        read_header(source)
        yield source


@contextmanager
def open_whole(name: str) -> Iterator[KaldiInput]:
    """`open_input` for a file that holds one object only: FormatError if bytes follow what the block read.

    Text may end in white space. Standard input and `file:offset` may go on with anything.
    """
    with open_input(name) as source:
        yield source
        if name in ("", "-") or has_offset(name):
            return
        if not source.binary:
            source.skip_space()
        if not source.at_end():
            source.error(f"expected the end of the file, found {source.shown()}")


def read_header(source: KaldiInput) -> None:
    """Consume the header \\0B if it is there and set `source.binary` by it."""
    source.binary = source.peek_byte() == 0
    if source.binary and source.read_bytes(2, "the header \\0B") != b"\0B":
        source.error("a binary object starts with \\0B; only the \\0 is there")


@contextmanager
def open_output(name: str, binary: bool = True) -> Iterator[KaldiOutput]:
    """A Kaldi wxfilename opened for writing one object; the header \\0B is written if `binary`.

    `name`: file (appears whole when the block ends without an exception), `-`, `file.gz`, `| command`.
    Raises OSError, also when a command fails.
    """
    with create_bytes(name) as stream:
        target = KaldiOutput(stream, binary)
        target.header()
        yield target
