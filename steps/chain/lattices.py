"""Numerator lattices as the source of supervision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steps.texts import read_int


@dataclass(frozen=True)
class LatticeDir:
    """`path` holds lat.1.gz ... lat.N.gz, num_jobs and final.mdl, the model of the lattices."""

    path: Path

    def check(self) -> None:
        """Raise ValueError if a file is missing."""
        for name in ("final.mdl", "num_jobs"):
            if not (self.path / name).is_file():
                raise ValueError(f"--lat-dir={self.path}: there is no {self.path / name}")
        self.archives()

    def archives(self) -> list[Path]:
        """The archives of lattices in order. Raises ValueError if num_jobs says there should be others."""
        count = read_int(self.path / "num_jobs")
        paths = [self.path / f"lat.{n}.gz" for n in range(1, count + 1)]
        for path in paths:
            if not path.is_file():
                raise ValueError(f"--lat-dir={self.path}: there is no {path} (num_jobs says {count})")
        more = self.path / f"lat.{count + 1}.gz"
        if more.is_file():
            raise ValueError(f"--lat-dir={self.path}: there is {more}, but num_jobs says {count}")
        return paths

    def input_files(self) -> list[Path]:
        """The files that decide what the supervision is."""
        return [*self.archives(), self.path / "final.mdl"]
