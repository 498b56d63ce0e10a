"""Training graphs as the source of supervision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnet.files import atomic_write
from nnet.formats.tree import read_tree
from steps.data_dir import DataDir, read_map
from steps.executor import Executor
from steps.labels import LIST, Say, check_match, num_frames
from steps.texts import read_int


@dataclass(frozen=True)
class GraphDir:
    """`path` holds fst.1.scp ... fst.N.scp, num_jobs, the tree and the transition model of the graphs."""

    path: Path
    kind: str = "graphs"

    @property
    def dim(self) -> int:
        """Pdfs of the tree."""
        return read_tree(str(self.path / "tree")).num_pdfs

    def scripts(self) -> list[Path]:
        """The lists of graphs. Raises ValueError if num_jobs says there should be others."""
        jobs = self.path / "num_jobs"
        paths = [self.path / f"fst.{n}.scp" for n in range(1, (read_int(jobs) if jobs.is_file() else 1) + 1)]
        for path in paths:
            if not path.is_file():
                raise ValueError(
                    f"--tree-dir={self.path}: there is no {path}; steps.chain.e2e.prepare makes it"
                )
        return paths

    def check(self) -> None:
        """Raise ValueError if a file is missing."""
        self.scripts()
        for name in ("phone_lm.fst", "final.mdl", "tree"):
            if not (self.path / name).is_file():
                raise ValueError(f"--tree-dir={self.path}: there is no {self.path / name}")

    def input_files(self) -> list[Path]:
        """The files that decide what the supervision is."""
        return [*self.scripts(), *(self.path / name for name in ("phone_lm.fst", "final.mdl", "tree"))]

    def copied(self) -> list[Path]:
        """Nothing: the run's directory has it all."""
        return []

    def prepare(self, data: DataDir, work: Path, executor: Executor, say: Say) -> list[tuple[str, int]]:
        """Write `work`/targets.scp, where the graphs are; (utterance, frames) of what has both."""
        places = {u: place for script in self.scripts() for u, place in read_map(script).items()}
        both = [u for u in data.feats if u in places]
        check_match(len(data.feats), len(places), len(both), say, "training graph", "--tree-dir")
        with atomic_write(work / LIST, text=True) as stream:
            stream.writelines(f"{u} {places[u]}\n" for u in both)
        frames = num_frames(data, both)
        return [(u, frames[u]) for u in both]
