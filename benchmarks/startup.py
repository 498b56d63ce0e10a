"""Start-up: the time of a program that does next to nothing, against Kaldi's and against numpy's own import.

usage: python -m benchmarks.startup [--repeats 5] [--kaldi KALDI/src/nnet3bin]

The model has 14 000 parameters. The floor is `python -c "import numpy"` in the same run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.options import one_line
from benchmarks.paired import COLUMNS, against, begin, kaldis, median, ours, parser, run, table
from benchmarks.step_job import call

MODEL = """
input dim=40 name=input
relu-batchnorm-layer name=a dim=64 input=Append(-1,0,1)
output-layer name=output dim=96
"""


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    options = parser(__doc__, repeats=5).parse_args(argv)
    begin(options)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as everywhere
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(Path(folder))
        programs: dict[str, tuple[object, ...]] = {
            "nnet3-info": (model,),
            "nnet3-copy": (model, Path(folder) / "copy.raw"),
            "nnet3-average": (model, model, Path(folder) / "average.raw"),
        }
        numpy = [run([sys.executable, "-c", "import numpy"]) for _ in range(options.repeats)]
        table(*COLUMNS)
        for name, arguments in programs.items():
            peer = kaldis(options.kaldi, name, *arguments)
            run(ours(name, *arguments))
            against(
                name,
                lambda name=name, arguments=arguments: run(ours(name, *arguments)),  # type: ignore[misc]
                {"Kaldi": lambda peer=peer: run(peer)} if peer else {},  # type: ignore[misc]
                options.repeats,
                median(numpy).wall,
            )
    return 0


def make_model(folder: Path) -> Path:
    """A small model in `folder`."""
    (folder / "network.xconfig").write_text(MODEL)
    config = folder / "network.xconfig"
    call("nnet.programs.xconfig_to_configs", "--xconfig-file", config, "--config-dir", folder)
    call("nnet.programs.nnet3_init", folder / "final.config", folder / "model.raw")
    return folder / "model.raw"


if __name__ == "__main__":
    raise SystemExit(main())
