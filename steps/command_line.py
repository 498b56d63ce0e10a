"""What small commands have in common: options, help, and bad input told in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from steps.options import parse, usage

T = TypeVar("T")


def run_command(
    name: str,
    heading: str,
    cls: type[T],
    work: Callable[[T], None],
    argv: Sequence[str] | None,
    extra: str = "decode",
) -> int:
    """Parse the command line by the options dataclass `cls` and do `work`; returns the exit status.

    `extra` is what to install if a package is missing.
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
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0
