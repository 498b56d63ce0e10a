"""Numerator lattices as the source of supervision: what Kaldi's chain/get_egs.sh pipes into
chain-get-supervision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnet.files import atomic_write
from nnet.formats.tree import read_tree
from steps.data_dir import DataDir, read_map
from steps.executor import Executor, run_all
from steps.experiment import write_json
from steps.labels import LIST, check_match, num_frames
from steps.run import python_job
from steps.texts import read_int

SPEC = "supervision.json"


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


@dataclass(frozen=True)
class Lattices:
    """Supervision from lattices; `tree` and `transitions` are files of the chain model's, `options` what
    steps.chain.supervision_job is to be told.
    """

    lattices: LatticeDir
    tree: Path
    transitions: Path
    options: Mapping[str, Any]
    kind: str = "supervision"

    @cached_property
    def dim(self) -> int:
        """Leaves of the tree."""
        return read_tree(str(self.tree)).num_pdfs

    def input_files(self) -> list[Path]:
        """Lattices, their model, and the tree."""
        return [*self.lattices.input_files(), self.tree]

    def copied(self) -> list[Path]:
        """Nothing: the tree lies beside the model."""
        return []

    def prepare(
        self, data: DataDir, work: Path, executor: Executor, say: Callable[[str], None]
    ) -> list[tuple[str, int]]:
        """Supervision of all lattices, an archive with an index for each of theirs; what is there stays."""
        count = len(self.lattices.archives())
        write_json(work / SPEC, self._spec(data))
        jobs = [
            python_job(
                f"egs get_supervision.{n}",
                "steps.chain.supervision_job",
                [str(work), str(n)],
                work.parent / "log" / f"get_supervision.{n}.log",
                outputs=[work / f"sup.{n}.scp"],
            )
            for n in range(1, count + 1)
            if not (work / f"sup.{n}.scp").exists()
        ]
        run_all(executor, jobs)
        places: dict[str, str] = {}
        found = 0
        for n in range(1, count + 1):
            found += read_int(work / f"sup.{n}.count")
            places |= read_map(work / f"sup.{n}.scp")
        both = [u for u in data.feats if u in places]
        check_match(len(data.feats), found, len(both), say, "usable lattices", "--lat-dir")
        with atomic_write(work / LIST, text=True) as stream:
            stream.writelines(f"{u} {places[u]}\n" for u in both)
        frames = num_frames(data, both)
        return [(u, frames[u]) for u in both]

    def _spec(self, data: DataDir) -> dict[str, Any]:
        return {
            "archives": [str(p) for p in self.lattices.archives()],
            "lattice_model": str(self.lattices.path / "final.mdl"),
            "tree": str(self.tree),
            "transitions": str(self.transitions),
            "features": str(data.path / "feats.scp"),
            **self.options,
        }
