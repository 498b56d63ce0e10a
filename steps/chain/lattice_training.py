"""Chain training from lattices: what steps/chain/train.py does."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnet.programs import nnet3_chain_compute_prob
from nnet.programs.options import parse
from steps.ali_dir import AliDir
from steps.chain.denominator import copy_tree_files, lm_options, make_phone_lm
from steps.chain.lattices import LatticeDir, Lattices
from steps.chain.options import LatticeOptions
from steps.chain.training import ChainTraining
from steps.egs_options import ChainEgsOptions
from steps.labels import Labels
from steps.make_egs import Request
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

    @property
    def more(self) -> str:
        return self.options.chain_opts

    def check(self) -> None:
        try:
            parse(shlex.split(self.more), nnet3_chain_compute_prob.Options)
        except ValueError as error:
            raise ValueError(f"--chain-opts={self.more!r}: {error}") from error
        self.ali.check()
        lm_options(self.options.lm_opts)
        super().check()
        if self.options.egs_dir is None:
            self._lattice_dir().check()

    def input_files(self) -> list[Path]:
        return [*self.ali.input_files(), *([] if self.options.egs_dir else self._lattice_dir().input_files())]

    def labels(self) -> Labels:
        """Lattices, cut to phones that may move by the tolerances."""
        o, d, egs = self.options, self.run.exp.dir, self.egs_options()
        told = {
            "left_tolerance": o.left_tolerance,
            "right_tolerance": o.right_tolerance,
            "alignment_subsampling_factor": o.alignment_subsampling_factor,
            "lm_scale": egs.lattice_lm_scale or 0.0,
            "prune_beam": egs.lattice_prune_beam,
            "acoustic_scale": egs.acwt,
            "convert_to_pdfs": egs.constrained,
        }
        return Lattices(self._lattice_dir(), self.tree / "tree", d / "0.trans_mdl", told)

    def egs_options(self) -> ChainEgsOptions:
        """What --egs.opts and --egs.nj say."""
        found = super().egs_options()
        return replace(found, nj=self.options.egs_nj or len(self.ali.archives()))

    def egs_about(self, request: Request) -> dict[str, Any]:
        return super().egs_about(request) | self.run.about("chain.left-tolerance", "chain.right-tolerance")

    def graph(self) -> None:
        copy_tree_files(self.ali, self.run.exp)
        write_number(self.run.exp.dir / "num_jobs", self.options.egs_nj or len(self.ali.archives()))
        make_phone_lm(self.run, self.ali, lm_options(self.options.lm_opts))

    def _lattice_dir(self) -> LatticeDir:
        if self.options.lat_dir is None:
            raise ValueError("--lat-dir is required to make examples, unless --egs.dir gives existing ones")
        return LatticeDir(Path(self.options.lat_dir))
