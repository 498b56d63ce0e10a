"""What every program does around its library call: read the command line, log, turn errors into one line."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from nnet import __version__
from nnet.allocation import keep_freed_memory
from nnet.formats.specifiers import allow_pipes
from nnet.kernels.cblas import share_products
from nnet.programs.options import escape, option, parse, usage_text

__all__ = ["describe", "log", "option", "program_name", "run_program", "warn"]

INTERRUPTED = 130  # 128 + SIGINT, what a shell reports for a program stopped by Ctrl-C
NO_READER = 141  # 128 + SIGPIPE, what a shell reports for a program whose reader went away


def run_program(
    usage: str,
    options: type[Any],
    body: Callable[..., int | None],
    nargs: tuple[int, int | None],
    argv: Sequence[str] | None = None,
) -> int:
    """Run `body(options, *arguments)` with the command line `argv` (default: sys.argv); return its status.

    `nargs`: smallest and largest number of positional arguments (None: no limit). ValueError, OSError and
    MemoryError become one line `ERROR (program) ...` and status 1; an interrupt is 130, a lost reader 141.
    Without any argument where one is needed the usage is shown, as Kaldi's programs do.
    """
    prog = program_name(body)
    argv = list(sys.argv[1:] if argv is None else argv)
    if "--help" in argv[: argv.index("--") if "--" in argv else None]:
        sys.stderr.write(usage_text(usage, options))
        return 0
    if not argv and nargs[0]:
        sys.stderr.write(usage_text(usage, options))
        return 1
    try:
        return _run(prog, usage, options, body, nargs, argv)
    except KeyboardInterrupt:
        return _failed(prog, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        return NO_READER
    except (ValueError, OSError, MemoryError) as error:
        _drop_output()
        return _failed(prog, describe(error), 1)


def _run(
    prog: str,
    usage: str,
    options: type[Any],
    body: Callable[..., int | None],
    nargs: tuple[int, int | None],
    argv: Sequence[str],
) -> int:
    """The part of `run_program` that raises."""
    parsed, standard, arguments = parse(argv, options)
    if standard.print_args:
        print(*[escape(a) for a in [prog, *argv]], file=sys.stderr, flush=True)
    _check_number(arguments, nargs, usage)
    if standard.allow_pipes_in_scp:
        parsed, arguments = _with_pipes(parsed, arguments)
    keep_freed_memory()
    share_products()
    status = body(parsed, *arguments) or 0
    sys.stdout.flush()
    if status:
        what = ", ".join(arguments)
        _failed(prog, f"nothing, or too little, could be made of what was read ({what}): see above", status)
    return status


def _check_number(arguments: Sequence[str], nargs: tuple[int, int | None], usage: str) -> None:
    """Raise ValueError if there are too few or too many arguments."""
    least, most = nargs
    if least <= len(arguments) and (most is None or len(arguments) <= most):
        return
    wanted = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
    shown = next((" ".join(s.split()) for s in usage.splitlines() if s.strip().startswith("Usage:")), "")
    raise ValueError(
        f"expected {wanted} arguments, found {len(arguments)}. {shown}; --help lists the options"
    )


def _with_pipes(parsed: Any, arguments: list[str]) -> tuple[Any, list[str]]:
    """All script files in options and arguments with the option `pipes`."""
    texts = {f.name: getattr(parsed, f.name) for f in dataclasses.fields(parsed)}
    changed = {n: allow_pipes(t) for n, t in texts.items() if isinstance(t, str)}
    return dataclasses.replace(parsed, **changed), [allow_pipes(a) for a in arguments]


def program_name(body: Callable[..., Any]) -> str:
    """`copy-feats` for a function of module nnet.programs.copy_feats."""
    module = body.__module__
    if module == "__main__":
        return os.path.splitext(os.path.basename(sys.argv[0]))[0].replace("_", "-")
    return module.rpartition(".")[2].replace("_", "-")


def log(prog: str, message: str) -> None:
    """A line of Kaldi's log on standard error."""
    _line("LOG", prog, message)


def warn(prog: str, message: str) -> None:
    """A warning in Kaldi's log on standard error."""
    _line("WARNING", prog, message)


def _line(kind: str, prog: str, message: str) -> None:
    print(f"{kind} ({prog}[pynnet3-{__version__}]) {message}", file=sys.stderr, flush=True)


def _failed(prog: str, message: str, status: int) -> int:
    _line("ERROR", prog, message)
    return status


def describe(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"writing failed: {error.strerror}"
    return " ".join(str(error).split("\n")) or type(error).__name__


def _drop_output() -> None:
    """If standard output takes no more, point it at /dev/null, as the interpreter flushes it once more."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
