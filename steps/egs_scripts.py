"""Script files beside archives of examples (get_egs.sh --generate-egs-scp true): what multilingual examples
are put together from.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nnet.files import atomic_write
from nnet.formats.examples import EXAMPLE
from nnet.formats.tables import TableWriter, read_table


def write_scripts(directory: Path, num_archives: int) -> None:
    """Write egs.scp for all archives together, and combine.scp, {train,valid}_diagnostic.scp."""
    archives = [directory / f"egs.{n}.ark" for n in range(1, num_archives + 1)]
    _index(archives, directory / "egs.scp")
    for name in ("combine", "train_diagnostic", "valid_diagnostic"):
        _index([directory / f"{name}.egs"], directory / f"{name}.scp")


def _index(archives: Iterable[Path], script: Path) -> None:
    """Write the places of all examples to `script`; each archive is written anew, with the same content."""
    with atomic_write(script, text=True) as stream:
        for archive in archives:
            copy, part = archive.with_name(f".{archive.name}.tmp"), archive.with_name(f".{archive.name}.scp")
            with TableWriter(f"ark,scp:{copy},{part}", EXAMPLE) as writer:
                for key, eg in read_table(f"ark:{archive}", EXAMPLE):
                    writer.write(key, eg)
            copy.replace(archive)
            stream.write(part.read_text(encoding="utf-8").replace(f" {copy}:", f" {archive}:"))
            part.unlink()
