"""lattice-copy: copy lattices, all or some, to another form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.formats.lattice import COMPACT_LATTICE, LATTICE
from nnet.formats.streams import open_bytes
from nnet.formats.tables import TableWriter, read_table
from nnet.programs.program import log, option, run_program

PROG = "lattice-copy"
USAGE = """
Copy lattices, for example to text form or to one transition-id on each arc, all or those of some utterances.

Usage:  lattice-copy [options] <lattice-rspecifier> <lattice-wspecifier>
e.g.:   lattice-copy --write-compact=false ark:1.lats ark,t:text.lats
"""


@dataclass
class Options:
    """Options of lattice-copy."""

    write_compact: bool = option(True, "If true, write in normal (compact) form.")
    include: str = option("", "Text file whose lines start with the utterances to copy")
    exclude: str = option("", "Text file whose lines start with the utterances not to copy")
    ignore_missing: bool = option(False, "Exit with status 0 even if no lattices are copied")


def main(argv: Sequence[str] | None = None) -> int:
    """Run lattice-copy."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, lattices: str, copies: str) -> int:
    """Copy the table `lattices` to `copies`; 1 if nothing was copied."""
    if options.include and options.exclude:
        raise ValueError("only one of --include and --exclude can be given")
    wanted = _first_words(options.include or options.exclude)
    kind = COMPACT_LATTICE if options.write_compact else LATTICE
    total = done = 0
    with TableWriter(copies, kind) as out:
        for key, lattice in read_table(lattices, kind):
            total += 1
            if wanted is None or (key in wanted) == bool(options.include):
                out.write(key, lattice)
                done += 1
    log(
        PROG,
        f"Wrote {done} out of {total} utterances."
        if wanted is not None
        else f"Done copying {done} lattices.",
    )
    return 0 if done or options.ignore_missing else 1


def _first_words(name: str) -> set[str] | None:
    if not name:
        return None
    with open_bytes(name) as stream:
        lines = [line.split() for line in stream.read().decode().splitlines()]
    if not all(lines):
        raise ValueError(f"{name}: a line without an utterance")
    return {words[0] for words in lines}


if __name__ == "__main__":
    raise SystemExit(main())
