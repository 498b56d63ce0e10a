"""The stages of training frame by frame: examples, initial model, iterations, combination, priors,
reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnet.formats.kinds import GENERAL_MATRIX, MATRIX
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from steps import egs_dir, make_egs, minibatch_size
from steps.ali_dir import AliDir
from steps.combination import combine_models
from steps.command import mail
from steps.data_dir import DataDir, cmvn_options
from steps.diagnostics import Diagnostics
from steps.dropout import parse as parse_dropout
from steps.experiment import Stage, identity
from steps.initial_model import (
    copy_decoding_files,
    make_first_model,
    make_init,
    make_prior_scales,
    make_transform,
    model_context,
)
from steps.iterations import Training
from steps.method import FrameByFrame
from steps.priors import adjust_priors
from steps.reports import write_reports
from steps.run import Run
from steps.schedule import Schedule, models_to_combine
from steps.train_options import DnnOptions

EGS_OPTIONS = (
    "feat.online-ivector-dir",
    "feat.cmvn-opts",
    "egs.opts",
    "egs.frames-per-eg",
    "trainer.samples-per-iter",
    "trainer.srand",
)
AT_LEAST_ONE = (
    "frames_per_eg",
    "samples_per_iter",
    "num_jobs_initial",
    "num_jobs_final",
    "num_jobs_step",
    "num_jobs_compute_prior",
    "preserve_model_interval",
    "max_models_combine",
    "max_lda_jobs",
)


def train(run: Run) -> None:
    """Train from the first stage that is not done to the last."""
    options = run.options
    assert isinstance(options, DnnOptions)
    FrameTraining(run, options).train()


@dataclass
class FrameTraining:
    """One run of train_dnn.py."""

    run: Run
    options: DnnOptions

    def train(self) -> None:
        """All stages in order. Raises ValueError, OSError or JobFailed with what is wrong."""
        check(self.options)
        exp, ali = self.run.exp, AliDir(Path(self.options.ali_dir))
        ali.check()
        final = Stage("final.mdl", 10**6, (exp.model("final"),), self.run.about() | self._inputs(ali))
        if final.is_done(exp.dir):
            self.run.say(f"{exp.model('final')} is there, made with these options: nothing to train")
            self._clean(self.egs, None)
            return
        copy_decoding_files(ali, exp)
        info, examples = self._examples(ali)
        self._first_model(ali, info, examples)
        schedule = make_schedule(self.options, info.num_archives)
        self._iterate_and_finish(schedule, final, {"examples": examples})

    @property
    def egs(self) -> Path:
        """The directory of the examples."""
        return Path(self.options.egs_dir) if self.options.egs_dir else self.run.exp.dir / "egs"

    def _inputs(self, ali: AliDir) -> dict[str, Any]:
        files = list(ali.input_files())
        if self.options.feat_dir is not None and self.options.egs_dir is None:
            files += DataDir(Path(self.options.feat_dir), cmvn_options(self.options.cmvn_opts)).input_files()
        if self.options.input_model is not None:
            files.append(Path(self.options.input_model))
        else:
            files += sorted((self.run.exp.dir / "configs").glob("*.config"))
        return {"inputs": identity(files)}

    def _examples(self, ali: AliDir) -> tuple[egs_dir.EgsInfo, Any]:
        """Make or check the examples; what they are, and what identifies them in later stages' records."""
        o, run = self.options, self.run
        left, right = model_context(run.exp.dir, o.input_model)
        if self._has_init:
            make_init(run)
        if o.egs_dir is None:
            about = self._make_examples(ali, left, right)
        else:
            about = {"directory": str(self.egs), "inputs": identity([self.egs / "info/num_archives"])}
        info = egs_dir.read_info(self.egs)
        dims = (
            self._first_dim(o.feat_dir, "feats.scp"),
            self._first_dim(o.online_ivector_dir, "ivector_online.scp"),
        )
        wanted = egs_dir.EgsInfo(info.num_archives, str(o.frames_per_eg), *dims, left, right)
        egs_dir.verify(self.egs, info, wanted)
        make_egs.copy_properties(self.egs, run.exp.dir)
        return info, about

    def _make_examples(self, ali: AliDir, left: int, right: int) -> Any:
        o, run = self.options, self.run
        if o.feat_dir is None:
            raise ValueError("--feat-dir is required to make examples, unless --egs.dir gives existing ones")
        data = DataDir(Path(o.feat_dir), cmvn_options(o.cmvn_opts))
        data.check()
        request = make_egs.Request(
            data,
            ali,
            self.egs,
            make_egs.egs_options(o.egs_opts),
            str(o.frames_per_eg),
            o.samples_per_iter,
            o.srand,
            left,
            right,
            ivector_dir=Path(o.online_ivector_dir) if o.online_ivector_dir else None,
            cmvn_opts=o.cmvn_opts or "",
        )
        about = run.about(*EGS_OPTIONS)
        about |= {"context": [left, right], "inputs": identity([*data.input_files(), *ali.input_files()])}
        stage = Stage("examples", -4, make_egs.outputs(self.egs), about, lambda: make_egs.discard(self.egs))
        run.do(stage, lambda: make_egs.make_egs(request, run.egs_executor, run.say))
        return about

    @property
    def _has_init(self) -> bool:
        return self.options.input_model is None and (self.run.exp.dir / "configs/init.config").exists()

    def _first_dim(self, directory: str | None, name: str) -> int:
        """The dimension of the first matrix of a directory's scp file; 0 without a directory."""
        if directory is None:
            return 0
        kind = GENERAL_MATRIX if name == "feats.scp" else MATRIX
        for _, x in read_table(f"scp:{Path(directory) / name}", kind):
            return int(x.shape[1])
        raise ValueError(f"{Path(directory) / name} is empty")

    def _first_model(self, ali: AliDir, info: egs_dir.EgsInfo, examples: Any) -> None:
        run, o = self.run, self.options
        if self._has_init:
            make_transform(run, egs_dir.archives(self.egs, info.num_archives), examples)
        if o.input_model is None:
            make_prior_scales(run, ali)
        make_first_model(run, ali, o.input_model, {"examples": examples})
        nnet = read_nnet(str(run.exp.model(run.exp.last_model() or 0)))
        for name, dim in (("input", info.feat_dim), ("ivector", info.ivector_dim)):
            expected = nnet.input_dim(name) if name in nnet.input_names() else 0
            if dim != expected:
                raise ValueError(f"the network's input '{name}' has dim {expected}, the examples have {dim}")

    def _iterate_and_finish(self, schedule: Schedule, final: Stage, earlier: Any) -> None:
        o, run, n = self.options, self.run, schedule.num_iters
        chosen = models_to_combine(n, schedule.archives_expanded, o.max_models_combine, o.num_jobs_final)
        chosen = chosen if o.do_final_combination else []
        method = FrameByFrame(self.egs, o.frames_per_eg, o)
        diagnostics = Diagnostics(run, method, self.egs)
        run.say(
            f"training for {o.num_epochs:g} epochs = {n} iterations, {o.num_jobs_initial} to "
            f"{o.num_jobs_final} jobs"
        )
        about = {
            k: v
            for k, v in run.about().items()
            if not k.startswith(("trainer.prior", "trainer.num-jobs-compute"))
        }
        training = Training(run, schedule, method, diagnostics, {*chosen, n}, self._after_iteration(schedule))
        if not training.train(about | earlier):
            diagnostics.wait()
            return
        last = run.exp.model("combined" if chosen else n)
        if chosen:
            combine_models(
                run, chosen, method.subset(self.egs, "combine"), o.minibatch_size, n, about | earlier
            )
            diagnostics.add("combined")
        archives = egs_dir.archives(self.egs, schedule.num_archives)
        adjust_priors(run, last, archives, o.prior_subset_size, o.num_jobs_compute_prior, final)
        diagnostics.wait()
        self._clean(self.egs, n)
        self._finish_reports(schedule)

    def _after_iteration(self, schedule: Schedule) -> Any:
        every = max(1, round(schedule.num_iters * self.options.reporting_interval))

        def report(number: int) -> None:
            if (number + 1) % every == 0:
                text = write_reports(self.run, schedule)
                if self.options.reporting_interval > 0:
                    mail(self.options.email, f"{self.run.exp.dir}: iteration {number}", text)

        return report

    def _finish_reports(self, schedule: Schedule) -> None:
        text = write_reports(self.run, schedule)
        mail(self.options.email, f"{self.run.exp.dir}: training is complete", text)
        self.run.say(f"done: {self.run.exp.model('final')}; see {self.run.exp.dir / 'report.html'}")

    def _clean(self, egs: Path, num_iters: int | None) -> None:
        """Remove what is not needed after training, if --cleanup."""
        exp, o = self.run.exp, self.options
        if not o.cleanup:
            return
        if o.remove_egs and o.egs_dir is None and egs.is_dir():
            egs_dir.remove(egs)
        last = exp.last_model() if num_iters is None else num_iters
        for number in range(last or 0):
            if number % o.preserve_model_interval:
                exp.model(number).unlink(missing_ok=True)


def make_schedule(options: DnnOptions, num_archives: int) -> Schedule:
    """The plan of the iterations."""
    return Schedule(
        num_archives=num_archives,
        picks=options.frames_per_eg,
        num_epochs=options.num_epochs,
        jobs_initial=options.num_jobs_initial,
        jobs_final=options.num_jobs_final,
        jobs_step=options.num_jobs_step,
        initial_rate=options.initial_effective_lrate,
        final_rate=options.final_effective_lrate,
        minibatch_size=options.minibatch_size,
        max_param_change=options.max_param_change,
        proportional_shrink=options.proportional_shrink,
    )


def check(options: DnnOptions) -> None:
    """Raise ValueError for options that can be seen to be wrong without looking at any data."""
    minibatch_size.check(options.minibatch_size)
    parse_dropout(options.dropout_schedule)
    for name in AT_LEAST_ONE:
        if getattr(options, name) < 1:
            raise ValueError(f"{name.replace('_', '-')}={getattr(options, name)} must be at least 1")
    for name in ("initial_effective_lrate", "final_effective_lrate", "num_epochs"):
        if not 0 < getattr(options, name) < float("inf"):
            raise ValueError(f"{name.replace('_', '-')}={getattr(options, name)} must be positive")
    if not 0 <= options.momentum < 1:
        raise ValueError(f"--trainer.optimization.momentum={options.momentum} must be at least 0 and below 1")
    if options.input_model is not None and not Path(options.input_model).is_file():
        raise ValueError(f"--trainer.input-model={options.input_model} does not exist")
    if options.input_model is None and not (Path(options.dir) / "configs/final.config").is_file():
        raise ValueError(
            f"there is no {options.dir}/configs/final.config: "
            "write it with xconfig-to-configs, or give --trainer.input-model"
        )
    if options.egs_dir is not None and not Path(options.egs_dir).is_dir():
        raise ValueError(f"--egs.dir={options.egs_dir} does not exist")
