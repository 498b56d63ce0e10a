"""Chain training from lattices: what steps/chain/train.py does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steps.ali_dir import AliDir
from steps.chain.denominator import copy_tree_files, lm_options, make_phone_lm
from steps.chain.lattices import LatticeDir
from steps.chain.options import LatticeOptions
from steps.chain.training import ChainTraining
from steps.labels import Labels
from steps.run import Run
from steps.texts import write_number


def train(run: Run) -> None:
    """Train from the first stage that is not done to the last."""
    options = run.options
    assert isinstance(options, LatticeOptions)
    LatticeTraining(run, options, AliDir(Path(options.tree_dir), "--tree-dir")).train()


@dataclass
class LatticeTraining(ChainTraining):
    """One run of steps/chain/train.py."""

    options: LatticeOptions
    ali: AliDir

    def check(self) -> None:
        super().check()
        lm_options(self.options.lm_opts)
        self.ali.check()
        if self.options.egs_dir is None:
            self._lattice_dir().check()

    def input_files(self) -> list[Path]:
        return [*self.ali.input_files(), *([] if self.options.egs_dir else self._lattice_dir().input_files())]

    def labels(self) -> Labels:
        raise NotImplementedError

    def graph(self) -> None:
        copy_tree_files(self.ali, self.run.exp)
        write_number(self.run.exp.dir / "num_jobs", self.options.egs_nj or len(self.ali.archives()))
        make_phone_lm(self.run, self.ali, lm_options(self.options.lm_opts))

    def _lattice_dir(self) -> LatticeDir:
        if self.options.lat_dir is None:
            raise ValueError("--lat-dir is required to make examples, unless --egs.dir gives existing ones")
        return LatticeDir(Path(self.options.lat_dir))
