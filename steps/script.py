"""What the training scripts have in common on the command line: help, options, a short way to the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steps.run import Run

INTERRUPTED = 130


def run_script(name: str, heading: str, options: str, module: str, argv: Sequence[str] | None) -> int:
    """Parse the command line by the class `options` of steps.train_options, or of the module before its last
    dot, and call `train(run)` of `module`.

    Nothing is imported before, so that Ctrl-C ends with one line at any time. Returns the exit status.
    """
    try:
        return _run(name, heading, options, module, list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return INTERRUPTED


def _run(name: str, heading: str, class_name: str, module: str, words: list[str]) -> int:
    from steps.executor import THREAD_VARIABLES  # noqa: PLC0415
    from steps.options import parse, usage  # noqa: PLC0415

    home, _, class_name = class_name.rpartition(".")
    options: type = getattr(import_module(home or "steps.train_options"), class_name)
    if "--help" in words or not words:
        print(usage(options, heading), file=sys.stderr)
        return 0 if words else 1
    try:
        found: Any = parse(options, words)
    except (ValueError, OSError) as error:
        from nnet.programs.program import describe  # noqa: PLC0415 - seldom needed

        print(f"{name}: {describe(error)}", file=sys.stderr)
        return 1
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")  # before numpy is imported: the driver's own arithmetic is small
    from steps.command import guarded  # noqa: PLC0415

    train: Callable[[Run], None] = import_module(module).train
    return guarded(name, words, found, train)
