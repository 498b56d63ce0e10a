"""Script files beside archives of examples (get_egs.sh --generate-egs-scp true): what multilingual examples
are put together from.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nnet.files import atomic_write
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import Kind
from nnet.formats.tables import TableWriter, read_table
from steps.egs_dir import FRAMES, Sort

KINDS = {"egs": EXAMPLE, "cegs": CHAIN_EXAMPLE}


def write_scripts(directory: Path, num_archives: int, sort: Sort = FRAMES) -> None:
    """Write egs.scp (or cegs.scp) for all archives together, and one for each subset."""
    kind = KINDS[sort.word]
    _index(sort.archives(directory, num_archives), directory / f"{sort.word}.scp", kind)
    for path in sort.subsets(directory):
        _index([path], path.with_suffix(".scp"), kind)


def _index(archives: Iterable[Path], script: Path, kind: Kind) -> None:
    """Write the places of all examples to `script`; each archive is written anew, with the same content."""
    with atomic_write(script, text=True) as stream:
        for archive in archives:
            copy, part = archive.with_name(f".{archive.name}.tmp"), archive.with_name(f".{archive.name}.scp")
            with TableWriter(f"ark,scp:{copy},{part}", kind) as writer:
                for key, eg in read_table(f"ark:{archive}", kind):
                    writer.write(key, eg)
            copy.replace(archive)
            stream.write(part.read_text(encoding="utf-8").replace(f" {copy}:", f" {archive}:"))
            part.unlink()
