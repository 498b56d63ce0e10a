"""What small commands have in common: options, help, and bad input told in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from nnet.programs.program import describe
from steps.options import parse, usage

T = TypeVar("T")
INTERRUPTED = 130  # 128 + SIGINT


def run_command(
    name: str,
    heading: str,
    cls: type[T],
    work: Callable[[T], None],
    argv: Sequence[str] | None,
    extra: str = "decode",
) -> int:
    """Parse the command line by the options dataclass `cls` and do `work`; returns the exit status.

    `extra` is what to install if a package is missing. Ctrl-C is one line and status 130.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if "--help" in words or not words:
        print(usage(cls, heading), file=sys.stderr)
        return 0 if words else 1
    try:
        work(parse(cls, words))
    except ModuleNotFoundError as error:
        print(f"{name}: {error.name} is missing: pip install -e '.[{extra}]'", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"{name}: {describe(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def check_apart(folder: Path, option: str, source: Path) -> None:
    """Raise ValueError if `folder`, named by --dir, is the one that `option` reads: files would be lost."""
    if folder.resolve() == source.resolve():
        raise ValueError(f"--dir={folder} is where {option} is, which would be overwritten: give another")
