"""What the training scripts have in common on the command line: help, options, a short way to the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from steps.executor import THREAD_VARIABLES
from steps.options import parse, usage

if TYPE_CHECKING:
    from steps.run import Run


def run_script(name: str, heading: str, options: type, module: str, argv: Sequence[str] | None) -> int:
    """Parse the command line and call `train(run)` of `module`, imported only then; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--help" in words or not words:
        print(usage(options, heading), file=sys.stderr)
        return 0 if words else 1
    try:
        found: Any = parse(options, words)
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")  # before numpy is imported: the driver's own arithmetic is small
    from steps.command import guarded  # noqa: PLC0415

    train: Callable[[Run], None] = import_module(module).train
    return guarded(name, words, found, train)
