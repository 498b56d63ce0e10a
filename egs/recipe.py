"""What the recipes share: checks before anything is done, stages done once, programs run as a user would,
results kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from nnet.files import atomic_write
from nnet.programs.program import describe
from steps.run import stop_on_signals

DONE = ".done"
RECORD = "recipe.json"
RESULT = "result.json"
EXTRAS = "audio,decode,digits"
AUDIO = ("soundfile", "kaldi_native_fbank")
DECODER = ("kaldifst", "kaldi_decoder", "kaldialign")
PATIENCE = 60  # seconds that an interrupted program gets for tidying up
INTERRUPTED = 130

Command = tuple[str, ...]  # a module with a main program, and its arguments


def guarded(run: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Run a recipe; returns the exit status. What is wrong is said in one line."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # programs started from here run beside each other
    try:
        with stop_on_signals():
            run(options)
    except (ValueError, OSError, MemoryError) as error:
        print(f"error: {describe(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 0


def need(*packages: str, install: str = EXTRAS) -> None:
    """Raise ValueError naming the extras to install if one of the packages is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"this recipe needs {', '.join(missing)}: pip install -e '.[{install}]'")


def need_files(folder: Path, names: Iterable[str], advice: str = "") -> None:
    """Raise ValueError naming the first of these files that `folder`, given as --kaldi, lacks."""
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"--kaldi={folder}: there is no {folder / name}{advice}")


def claim(folder: Path, options: Mapping[str, Any], free: Collection[str] = ("dir", "use_gpu")) -> None:
    """Make `folder` the place of a run with these options, of which those in `free` may change from call to
    call. Raises ValueError if it is that of another run.
    """
    record = folder / RECORD
    values = {name: str(value) for name, value in options.items() if name not in free}
    if record.is_file():
        before = json.loads(record.read_text(encoding="utf-8"))
        for name in sorted({*values, *before}):
            if before.get(name) != values.get(name):
                raise ValueError(
                    f"{folder} was made with --{name.replace('_', '-')}={before.get(name)}, now it is "
                    f"{values.get(name)}: give another --dir, or remove that one"
                )
        return
    write_json(record, values)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` so that a person can read them; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, text=True) as stream:
        stream.write(json.dumps(values, indent=1) + "\n")


def stage(folder: Path, what: str, work: Callable[[], None]) -> None:
    """Do `work` unless it is known to be done; `folder` gets a mark when it is."""
    if (folder / DONE).exists():
        print(f"{what}: done before", flush=True)
        return
    print(what, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    work()
    (folder / DONE).touch()


def command_line(module: str, arguments: Iterable[str]) -> str:
    """What a user would type to run one of our programs."""
    return shlex.join(["python", "-m", module, *arguments])


def call(module: str, *arguments: str) -> None:
    """Show and run one of our programs. Raises ValueError if it fails; it has then said why.

    Ctrl-C reaches the program too; either way it has time to end its jobs before we leave.
    """
    print(f"$ {command_line(module, arguments)}", flush=True)
    with subprocess.Popen([sys.executable, "-m", module, *arguments]) as program:
        try:
            status = program.wait()
        except KeyboardInterrupt as interrupt:
            if interrupt.args:  # a signal that only we have got
                program.send_signal(signal.SIGTERM)
            _wait(program)
            raise
    if status in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if status != 0:
        raise ValueError(f"{module} failed, see above")


def _wait(program: subprocess.Popen[bytes]) -> None:
    try:
        program.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        program.kill()


def write_configs(config: Path, xconfig: Path, values: Mapping[str, object]) -> None:
    """Write config/network.xconfig, and from it all other files of the directory. Raises ValueError."""
    write_xconfig(config, xconfig, values)
    call(*configs_command(config))


def write_xconfig(config: Path, xconfig: Path, values: Mapping[str, object]) -> None:
    """Write config/network.xconfig: the text of `xconfig` with every `$NAME` replaced by its value."""
    text = Template(xconfig.read_text(encoding="utf-8")).substitute(values)
    config.mkdir(parents=True, exist_ok=True)
    with atomic_write(config / "network.xconfig", text=True) as stream:
        stream.write(text)


def configs_command(config: Path) -> Command:
    """What makes the other files of a config directory from its network.xconfig."""
    name = config / "network.xconfig"
    return "nnet.programs.xconfig_to_configs", f"--xconfig-file={name}", f"--config-dir={config}"


def training_options(settings: Mapping[str, object]) -> Sequence[str]:
    """`--name=value` for each setting."""
    return [
        f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}"
        for name, value in settings.items()
    ]


def job_settings(options: argparse.Namespace, num_epochs: float) -> dict[str, object]:
    """The settings of a training that a recipe's user has chosen."""
    return {
        "trainer.num-epochs": num_epochs,
        "trainer.optimization.num-jobs-initial": options.jobs,
        "trainer.optimization.num-jobs-final": options.jobs,
        "trainer.srand": options.seed,
        "use-gpu": options.use_gpu,
    }
