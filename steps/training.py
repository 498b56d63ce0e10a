"""The stages of every training: examples, initial model, iterations, combination, final model, reports.
What the ways to train and the kinds of models do differently is left to subclasses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from nnet.files import atomic_copy
from nnet.graph.network import Nnet
from steps import egs_dir, make_egs
from steps.checks import check
from steps.combination import combine_models
from steps.command import mail
from steps.diagnostics import Diagnostics
from steps.discard import discard_from, refuse_models_made_elsewhere
from steps.experiment import Stage, identity
from steps.initial_model import make_init, make_transform, model_context
from steps.input_dims import data_dir, table_dim
from steps.iterations import Training
from steps.method import Method
from steps.reports import write_reports
from steps.run import Run
from steps.schedule import Schedule, models_to_combine
from steps.train_options import TrainingOptions

WITHOUT_EFFECT_BEFORE_THE_END = ("trainer.prior", "trainer.num-jobs-compute", "compute-average-posteriors")


class Numbers(NamedTuple):
    """Kaldi's numbers of the first stages, for --stage."""

    init: int
    examples: int
    transform: int


@dataclass
class TrainingRun(ABC):
    """One run of a training script."""

    run: Run
    options: TrainingOptions
    diagnostics: Diagnostics = field(init=False)
    numbers: ClassVar[Numbers]
    lda_program: ClassVar[str] = "nnet.programs.nnet3_acc_lda_stats"

    @abstractmethod
    def input_files(self) -> list[Path]:
        """The files besides features and configs that decide what the final model is."""

    @abstractmethod
    def request(self, contexts: dict[str, Any]) -> make_egs.Request:
        """The examples that are to be made."""

    @abstractmethod
    def egs_about(self, request: make_egs.Request) -> dict[str, Any]:
        """What decides how the examples turn out, besides contexts and inputs."""

    @abstractmethod
    def examples(self) -> egs_dir.Examples:
        """The tables of the examples, which exist."""

    @abstractmethod
    def method(self, examples: egs_dir.Examples, context: tuple[int, int]) -> Method:
        """How jobs read the examples; `context` is the model's, left and right."""

    @abstractmethod
    def first_model(self, examples: Any) -> Nnet:
        """Make model 0 unless it is there; the network of the last model there is."""

    @abstractmethod
    def finals(self) -> tuple[Path, ...]:
        """The files that a finished run leaves."""

    @abstractmethod
    def finish(self, last: Path, archives: list[str], final: Stage) -> None:
        """Do the stage `final` from the model `last`, the combined one or that of the last iteration."""

    def begin(self) -> None:
        """What is to be done before the first stage."""
        return

    def further_context(self) -> int:
        """Frames on either side that examples need beyond the contexts of network and chunks."""
        return 0

    def verify(self, examples: egs_dir.Examples, info: egs_dir.EgsInfo, wanted: egs_dir.EgsInfo) -> None:
        """Raise ValueError unless the examples serve a training that would make `wanted`."""
        egs_dir.verify(examples, info, wanted)

    def check(self) -> None:
        """Raise ValueError for wrong options and missing files."""
        check(self.options)

    def train(self) -> None:
        """All stages in order. Raises ValueError, OSError or JobFailed with what is wrong."""
        self.check()
        exp = self.run.exp
        if self.options.restart:
            discard_from(exp, self.options.stage)
        final = Stage(exp.model("final").name, 10**6, self.finals(), self.run.about() | self._inputs())
        if final.is_done(exp.dir):
            self.run.say(
                f"{exp.model('final')} is there, made with these options: nothing to train "
                "(--restart=true does it again, with --stage=N from stage N on)"
            )
            self._clean(None)
            return
        if not self.options.restart:
            refuse_models_made_elsewhere(exp)
        self.begin()
        context = model_context(exp.dir, self.options.input_model)
        info, about = self._examples(*context)
        examples = self.examples()
        self._first_model(examples, info, about)
        schedule = make_schedule(self.options, info.num_archives)
        method = self.method(examples, context)
        self._iterate_and_finish(schedule, method, examples, final, {"examples": about})

    @property
    def egs(self) -> Path:
        """The directory of the examples."""
        return Path(self.options.egs_dir) if self.options.egs_dir else self.run.exp.dir / "egs"

    def _inputs(self) -> dict[str, Any]:
        files = self.input_files()
        if self.options.feat_dir is not None and self.options.egs_dir is None:
            files += data_dir(self.options).input_files()
        if self.options.input_model is not None:
            files.append(Path(self.options.input_model))
        else:
            files += sorted((self.run.exp.dir / "configs").glob("*.config"))
        return {"inputs": identity(files)}

    def _examples(self, left: int, right: int) -> tuple[egs_dir.EgsInfo, Any]:
        """Make or check the examples; what they are, and what identifies them in later stages' records."""
        o, run = self.options, self.run
        if self._has_init:
            make_init(run, self.numbers.init)
        more = self.further_context()
        contexts = _contexts(o, left + more, right + more)
        if o.egs_dir is None:
            about = self._make_examples(contexts)
        else:
            about = {"directory": str(self.egs), "inputs": identity([self.egs / "info/num_archives"])}
        info = egs_dir.read_info(self.egs)
        dims = (
            table_dim(o.feat_dir, "feats.scp", o.allow_pipes),
            table_dim(o.online_ivector_dir, "ivector_online.scp", o.allow_pipes),
        )
        wanted = egs_dir.EgsInfo(info.num_archives, o.widths, *dims, **contexts)
        self.verify(self.examples(), info, wanted)
        make_egs.copy_properties(self.egs, run.exp.dir)
        return info, about

    def _make_examples(self, contexts: dict[str, int]) -> Any:
        o, run = self.options, self.run
        if o.feat_dir is None:
            raise ValueError("--feat-dir is required to make examples, unless --egs.dir gives existing ones")
        request = self.request(contexts)
        request.data.check()
        labels = request.labels
        about = self.egs_about(request)
        about |= {"labelled frames": o.widths, "context": list(contexts.values())}
        about |= {"labels": [labels.kind, labels.dim]}
        about["inputs"] = identity([*request.data.input_files(), *labels.input_files()])
        outputs = make_egs.outputs(self.egs, request.sort)
        stage = Stage("examples", self.numbers.examples, outputs, about, lambda: make_egs.discard(self.egs))
        run.do(stage, lambda: make_egs.make_egs(request, run.egs_executor, run.say))
        return about

    @property
    def _has_init(self) -> bool:
        return self.options.input_model is None and (self.run.exp.dir / "configs/init.config").exists()

    def _first_model(self, examples: egs_dir.Examples, info: egs_dir.EgsInfo, about: Any) -> None:
        if self._has_init:
            used = [examples.archive(n) for n in range(1, info.num_archives + 1)]
            make_transform(self.run, used, about, self.numbers.transform, self.lda_program)
        nnet = self.first_model(about)
        for name, dim in (("input", info.feat_dim), ("ivector", info.ivector_dim)):
            expected = nnet.input_dim(name) if name in nnet.input_names() else 0
            if dim != expected:
                raise ValueError(f"the network's input '{name}' has dim {expected}, the examples have {dim}")

    def _iterate_and_finish(
        self, schedule: Schedule, method: Method, examples: egs_dir.Examples, final: Stage, earlier: Any
    ) -> None:
        o, run, n = self.options, self.run, schedule.num_iters
        chosen = models_to_combine(n, schedule.archives_expanded, o.max_models_combine, o.num_jobs_final)
        chosen = chosen if o.do_final_combination else []
        self.diagnostics = Diagnostics(run, method)
        run.say(
            f"training for {o.num_epochs:g} epochs = {n} iterations, {o.num_jobs_initial} to "
            f"{o.num_jobs_final} jobs"
        )
        about = {k: v for k, v in run.about().items() if not k.startswith(WITHOUT_EFFECT_BEFORE_THE_END)}
        keep = {*chosen, n}
        training = Training(run, schedule, method, self.diagnostics, keep, self._after_iteration(schedule))
        if not training.train(about | earlier):
            self.diagnostics.wait()
            return
        last = run.exp.model("combined" if chosen else n)
        if chosen:
            combine_models(run, chosen, method, o.minibatch, n, about | earlier)
        self.finish(last, [examples.archive(k) for k in range(1, schedule.num_archives + 1)], final)
        self.diagnostics.wait()
        self._clean(n)
        self._finish_reports(schedule)

    def copy_final(self, last: Path) -> None:
        """Make the final model a copy of the model `last`."""
        atomic_copy(last, self.run.exp.model("final"))

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

    def _clean(self, num_iters: int | None) -> None:
        """Remove what is not needed after training, if --cleanup."""
        exp, o = self.run.exp, self.options
        if not o.cleanup:
            return
        if o.remove_egs and o.egs_dir is None and self.egs.is_dir():
            egs_dir.remove(self.egs)
        last = exp.last_model() if num_iters is None else num_iters
        for number in range(last or 0):
            if number % o.preserve_model_interval:
                exp.model(number).unlink(missing_ok=True)


def _contexts(options: TrainingOptions, left: int, right: int) -> dict[str, int]:
    """Frames of context in examples: the chunks' and, added to each, the model's; -1 where ends are not
    special.
    """
    o = options
    initial, final = o.chunk_left_context_initial, o.chunk_right_context_final
    return {
        "left_context": o.chunk_left_context + left,
        "right_context": o.chunk_right_context + right,
        "left_context_initial": initial + left if initial >= 0 else -1,
        "right_context_final": final + right if final >= 0 else -1,
    }


def make_schedule(options: TrainingOptions, num_archives: int) -> Schedule:
    """The plan of the iterations. Raises ValueError for more jobs than there are different shares for."""
    if options.num_jobs_final > num_archives * options.picks:
        raise ValueError(
            f"--trainer.optimization.num-jobs-final={options.num_jobs_final} is more than there are "
            f"archives, {num_archives}: jobs would do the same work; lower it, or --{options.archive_size}"
        )
    return Schedule(
        num_archives=num_archives,
        picks=options.picks,
        num_epochs=options.num_epochs,
        jobs_initial=options.num_jobs_initial,
        jobs_final=options.num_jobs_final,
        jobs_step=options.num_jobs_step,
        initial_rate=options.initial_effective_lrate,
        final_rate=options.final_effective_lrate,
        minibatch_size=options.minibatch,
        max_param_change=options.max_param_change,
        proportional_shrink=options.proportional_shrink,
    )
