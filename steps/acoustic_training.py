"""Training of acoustic models with frame-level objectives: labels are alignments, final.mdl has priors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnet.formats.model import read_nnet
from nnet.graph.network import Nnet
from steps.ali_dir import AliDir
from steps.egs_dir import Examples
from steps.egs_options import egs_options
from steps.experiment import Stage
from steps.frame_training import FrameTraining
from steps.initial_model import copy_decoding_files, make_first_model, make_prior_scales
from steps.input_dims import check_inputs
from steps.labels import Alignments, Labels
from steps.priors import adjust_priors, posterior_total
from steps.run import Run
from steps.texts import write_number
from steps.train_options import AcousticOptions
from steps.training import Numbers


def train(run: Run) -> None:
    """Train from the first stage that is not done to the last."""
    options = run.options
    assert isinstance(options, AcousticOptions)
    AcousticTraining(run, options, AliDir(Path(options.ali_dir))).train()


@dataclass
class AcousticTraining(FrameTraining):
    """One run of train_dnn.py or train_rnn.py."""

    options: AcousticOptions
    ali: AliDir
    numbers = Numbers(init=-5, examples=-4, transform=-3)

    def check(self) -> None:
        super().check()
        self.ali.check()
        rate = self.ali.frame_subsampling_factor
        wanted = egs_options(self.options.egs_opts).frame_subsampling_factor
        if rate not in (1, wanted):
            raise ValueError(
                f"--ali-dir={self.ali.path} has alignments of every {rate} frames, labels are to be "
                f"of every {wanted}: steps.chain.build_tree draws alignments out"
            )

    def labels(self) -> Labels:
        return Alignments(self.ali)

    def input_files(self) -> list[Path]:
        return self.ali.input_files()

    def examples(self) -> Examples:
        return Examples(self.egs)

    def begin(self) -> None:
        check_inputs(self.options)
        copy_decoding_files(self.ali, self.run.exp)
        write_number(self.run.exp.dir / "num_jobs", len(self.ali.archives()))
        write_number(self.run.exp.dir / "srand", self.options.srand)

    def first_model(self, examples: Any) -> Nnet:
        if self.options.input_model is None:
            make_prior_scales(self.run, self.ali)
        make_first_model(self.run, self.ali, self.options.input_model, {"examples": examples})
        return read_nnet(str(self.run.exp.model(self.run.exp.last_model() or 0)))

    def finals(self) -> tuple[Path, ...]:
        return (self.run.exp.model("final"),)

    def finish(self, last: Path, archives: list[str], final: Stage) -> None:
        """Score the combined model, and make final.mdl with the average posterior as priors."""
        o = self.options

        def work() -> None:
            total = posterior_total(
                self.run, last, archives, o.prior_subset_size, o.num_jobs_compute_prior, last.stem
            )
            adjust_priors(self.run, last, total, self.run.exp.model("final"))

        if last.stem == "combined":
            self.diagnostics.add("combined")
        self.run.do(final, work)
