"""Training of bare networks with frame-level objectives, on given targets or on examples made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnet.formats.model import read_nnet
from nnet.graph.network import Nnet
from steps.egs_dir import Examples, find_examples
from steps.experiment import Stage
from steps.frame_training import FrameTraining
from steps.initial_model import config_vars, make_first_raw
from steps.input_dims import check_inputs
from steps.labels import Labels, Targets
from steps.priors import posterior_total
from steps.run import Run
from steps.texts import write_number
from steps.train_options import RawOptions
from steps.training import Numbers


def train(run: Run) -> None:
    """Train from the first stage that is not done to the last."""
    options = run.options
    assert isinstance(options, RawOptions)
    RawTraining(run, options).train()


@dataclass
class RawTraining(FrameTraining):
    """One run of train_raw_dnn.py or train_raw_rnn.py."""

    options: RawOptions
    numbers = Numbers(init=-4, examples=-3, transform=-2)

    def check(self) -> None:
        super().check()
        o = self.options
        if o.egs_dir is None:
            for name, value in (("feat-dir", o.feat_dir), ("targets-scp", o.targets_scp)):
                if value is None:
                    raise ValueError(
                        f"--{name} is required to make examples, unless --egs.dir gives existing ones"
                    )
            if not Path(o.targets_scp or "").is_file():
                raise ValueError(f"--targets-scp={o.targets_scp} does not exist")

    def begin(self) -> None:
        check_inputs(self.options)
        write_number(self.run.exp.dir / "srand", self.options.srand)

    def labels(self) -> Labels:
        """The table of targets. ValueError if the number of classes is not known."""
        o, given = self.options, config_vars(self.run.exp.dir).get("num_targets")
        if given is None and not o.use_dense_targets:
            raise ValueError(
                f"{self.run.exp.dir}/configs/vars must hold num_targets=N, the number of classes, "
                "for --use-dense-targets=false"
            )
        kind = "dense" if o.use_dense_targets else "classes"
        return Targets(Path(o.targets_scp or ""), kind, None if given is None else int(given))

    def input_files(self) -> list[Path]:
        o = self.options
        return [Path(o.targets_scp)] if o.targets_scp and o.egs_dir is None else []

    def examples(self) -> Examples:
        return find_examples(self.egs) if self.options.egs_dir else Examples(self.egs)

    def first_model(self, examples: Any) -> Nnet:
        make_first_raw(self.run, self.options.input_model, {"examples": examples})
        return read_nnet(str(self.run.exp.model(self.run.exp.last_model() or 0)))

    def finals(self) -> tuple[Path, ...]:
        exp = self.run.exp
        more = [exp.dir / "post.final.vec"] if self.options.compute_average_posteriors else []
        return (exp.model("final"), *more)

    def finish(self, last: Path, archives: list[str], final: Stage) -> None:
        """Make final.raw, a copy of the combined or last model, with post.final.vec if that is wanted."""
        o = self.options

        def work() -> None:
            if o.compute_average_posteriors:
                posterior_total(
                    self.run, last, archives, o.prior_subset_size, o.num_jobs_compute_prior, "final"
                )
            self.copy_final(last)

        self.run.do(final, work)
        self.run.exp.model("combined").unlink(missing_ok=True)
        if last.stem == "combined":
            self.diagnostics.add("final")
