"""The options of the frame-level training scripts under Kaldi's names, and those that all scripts share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from steps.job_modules import ENGINE_MODULES
from steps.options import option, required
from steps.ranges import check_training

_OPT = "trainer.optimization."


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """Options of every training script (Kaldi's CommonParser), then a few of our own."""

    suffix: ClassVar[str] = "mdl"  # of the models: mdl for acoustic models, raw for bare networks
    # Imported before the first job, so that a job starts in milliseconds.
    job_modules: ClassVar[tuple[str, ...]] = (*ENGINE_MODULES, "nnet.programs.nnet3_train", "steps.priors")

    online_ivector_dir: str | None = option(
        "feat.online-ivector-dir", None, "directory of ivector_online.scp"
    )
    cmvn_opts: str | None = option(
        "feat.cmvn-opts", None, "options of apply-cmvn, e.g. '--norm-means=false --norm-vars=false'"
    )
    egs_dir: str | None = option("egs.dir", None, "existing examples to use instead of making DIR/egs")
    egs_stage: int = option(
        "egs.stage", 0, "stage of making examples to begin at; finished stages are found anyway"
    )
    egs_opts: str | None = option(
        "egs.opts", None, "further options for making examples, e.g. '--num-utts-subset 100'"
    )
    egs_cmd: str | None = option("egs.cmd", None, "like --cmd, for making examples")
    chunk_left_context: int = option(
        "egs.chunk-left-context", 0, "input frames left of a chunk beyond the model's context"
    )
    chunk_right_context: int = option(
        "egs.chunk-right-context", 0, "input frames right of a chunk beyond the model's context"
    )
    chunk_left_context_initial: int = option(
        "egs.chunk-left-context-initial", -1, "the same at the start of an utterance; -1 = no difference"
    )
    chunk_right_context_final: int = option(
        "egs.chunk-right-context-final", -1, "the same at the end of an utterance; -1 = no difference"
    )
    srand: int = option("trainer.srand", 0, "seed of model, examples and training")
    num_epochs: float = option("trainer.num-epochs", 8.0, "passes over the data")
    shuffle_buffer_size: int = option(
        "trainer.shuffle-buffer-size", 5000, "examples held in memory for shuffling"
    )
    max_param_change: float = option(
        "trainer.max-param-change", 2.0, "largest change of all parameters in a minibatch (Frobenius norm)"
    )
    samples_per_iter: int = option("trainer.samples-per-iter", 400000, "examples per archive, about")
    rand_prune: float = option(
        "trainer.lda.rand-prune", 4.0, "pruning of posteriors in the statistics for the input transform"
    )
    max_lda_jobs: int = option(
        "trainer.lda.max-lda-jobs", 10, "archives used for the input transform, at most"
    )
    presoftmax_prior_scale_power: float = option(
        "trainer.presoftmax-prior-scale-power",
        -0.25,
        "power of the class counts in presoftmax_prior_scale.vec",
    )
    proportional_shrink: float = option(
        _OPT + "proportional-shrink",
        0.0,
        "parameters are scaled by 1 - this * learning rate before each iteration",
    )
    initial_effective_lrate: float = option(
        _OPT + "initial-effective-lrate", 3e-4, "learning rate per job at the start"
    )
    final_effective_lrate: float = option(
        _OPT + "final-effective-lrate", 3e-5, "learning rate per job at the end"
    )
    num_jobs_initial: int = option(_OPT + "num-jobs-initial", 1, "parallel jobs at the start")
    num_jobs_final: int = option(_OPT + "num-jobs-final", 8, "parallel jobs at the end")
    num_jobs_step: int = option(
        _OPT + "num-jobs-step", 1, "jobs are multiples of this once there are as many"
    )
    max_models_combine: int = option(
        _OPT + "max-models-combine",
        20,
        "models in the final combination, at most",
        alias="trainer.max-models-combine",
    )
    max_objective_evaluations: int = option(
        _OPT + "max-objective-evaluations",
        30,
        "evaluations of the objective in the combination, at most",
        alias="trainer.max-objective-evaluations",
    )
    do_final_combination: bool = option(
        _OPT + "do-final-combination", True, "combine the last models; else the last one is final"
    )
    combine_sum_to_one_penalty: float = option(
        _OPT + "combine-sum-to-one-penalty", 0.0, "accepted, without effect, as in Kaldi"
    )
    momentum: float = option(_OPT + "momentum", 0.0, "momentum; the effective learning rate stays")
    dropout_schedule: str | None = option("trainer.dropout-schedule", None, "e.g. 0,0@0.20,0.3@0.50,0")
    add_option: tuple[str, ...] = option(
        "trainer.add-option", (), "further option for nnet3-train; may be repeated"
    )
    backstitch_scale: float = option(
        _OPT + "backstitch-training-scale", 0.0, "scale of backstitch steps; 0 = none"
    )
    backstitch_interval: int = option(
        _OPT + "backstitch-training-interval", 1, "minibatches between backstitch steps"
    )
    compute_per_dim_accuracy: bool = option(
        "trainer.compute-per-dim-accuracy", False, "accuracy of every class in the diagnostics"
    )
    stage: int = option(
        "stage",
        -5,
        "first stage to run: -5 init.raw, -4 examples, -3 input transform, -2 priors, -1 0.mdl, N iteration "
        "N; what is done is not done again without --restart=true",
    )
    exit_stage: int | None = option("exit-stage", None, "stop before this iteration", kind="int")
    cmd: str = option("cmd", "local", "how jobs are started: local, or a wrapper such as 'queue.pl --mem 4G'")
    use_gpu: str = option(
        "use-gpu",
        "optional",
        "whether jobs compute on GPUs",
        choices=("optional", "yes", "no", "wait", "true", "false"),
    )
    jobs_per_gpu: int = option("cuda.jobs-per-gpu", 1, "so many jobs share 90 % of the memory of a GPU")
    cuda_tf32: bool = option(
        "cuda.tf32", False, "matrix products on GPUs with 10 bits of mantissa: faster, not equal to the CPU's"
    )
    cuda_graphs: bool = option("cuda.graphs", False, "launch minibatches on GPUs as CUDA graphs")
    cleanup: bool = option("cleanup", True, "remove models that are no longer needed")
    remove_egs: bool = option("cleanup.remove-egs", True, "remove the examples in the end")
    preserve_model_interval: int = option(
        "cleanup.preserve-model-interval", 100, "models of iterations divisible by this stay"
    )
    email: str | None = option("reporting.email", None, "address that gets accuracy.report by mail(1)")
    reporting_interval: float = option(
        "reporting.interval", 0.1, "mails per run as a fraction of the iterations; 0 = only at the end"
    )
    max_local_jobs: int = option(
        "local.max-jobs", 0, "jobs at a time with --cmd=local; 0 = one per core, or per GPU"
    )
    threads_per_job: int = option("local.threads-per-job", 1, "BLAS threads of a job with --cmd=local")
    job_retries: int = option("retries", 2, "how often a failed job is started again")
    restart: bool = option(
        "restart", False, "discard what an earlier run left from --stage on, instead of continuing it"
    )
    allow_pipes: bool = option("allow-pipes-in-scp", False, "run commands that stand inside script files")

    def __post_init__(self) -> None:
        check_training(self)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(CommonOptions):
    """What a training is made from, and how its examples are read."""

    input_model: str | None = option(
        "trainer.input-model", None, "model to start from instead of DIR/configs"
    )
    feat_dir: str | None = option("feat-dir", None, "data directory with feats.scp, utt2spk, cmvn.scp")
    dir: str = required("dir", "experiment directory, with configs/ unless --trainer.input-model is given")

    @property
    def widths(self) -> str:
        """Labelled frames per example: the principal number, then alternatives."""
        raise NotImplementedError

    @property
    def minibatch(self) -> str:
        """The rule for the size of minibatches."""
        raise NotImplementedError

    @property
    def picks(self) -> int:
        """Passes over the archives per epoch."""
        return 1

    @property
    def archive_size(self) -> str:
        """The option that says how large archives are."""
        return "trainer.samples-per-iter"


@dataclass(frozen=True, kw_only=True)
class FrameLevelOptions(TrainingOptions):
    """Options of all four scripts with frame-level objectives."""

    prior_subset_size: int = option("trainer.prior-subset-size", 20000, "examples per job for the priors")
    num_jobs_compute_prior: int = option("trainer.num-jobs-compute-prior", 10, "jobs for the priors")


@dataclass(frozen=True, kw_only=True)
class SingleFrameOptions(FrameLevelOptions):
    """Options of training on one labelled frame of each example at a time."""

    frames_per_eg: int = option("egs.frames-per-eg", 8, "labelled frames per example")
    minibatch_size: str = option(
        _OPT + "minibatch-size", "512", "sequences per minibatch, or a rule of nnet3-merge-egs"
    )

    @property
    def widths(self) -> str:
        return str(self.frames_per_eg)

    @property
    def minibatch(self) -> str:
        return self.minibatch_size

    @property
    def picks(self) -> int:
        return self.frames_per_eg


@dataclass(frozen=True, kw_only=True)
class ChunkOptions(FrameLevelOptions):
    """Options of training on whole chunks, as recurrent networks need it."""

    chunk_width: str = option(
        "egs.chunk-width", "20", "labelled frames per example: the principal number, then alternatives"
    )
    chunk_left_context: int = option(
        "egs.chunk-left-context", 40, "input frames left of a chunk beyond the model's context"
    )
    samples_per_iter: int = option("trainer.samples-per-iter", 20000, "examples per archive, about")
    num_chunk_per_minibatch: str = option(
        "trainer.rnn.num-chunk-per-minibatch", "100", "sequences per minibatch, or a rule of nnet3-merge-egs"
    )
    momentum: float = option(_OPT + "momentum", 0.5, "momentum; the effective learning rate stays")
    shrink_value: float = option(
        _OPT + "shrink-value", 0.99, "parameters are scaled by this before iterations that start saturated"
    )
    shrink_saturation_threshold: float = option(
        _OPT + "shrink-saturation-threshold", 0.4, "saturation of sigmoids and tanhs from which they are"
    )
    deriv_truncate_margin: int = option(
        "trainer.deriv-truncate-margin", 8, "frames around the frames that a chunk needs with derivatives"
    )

    @property
    def widths(self) -> str:
        return self.chunk_width

    @property
    def minibatch(self) -> str:
        return self.num_chunk_per_minibatch


@dataclass(frozen=True, kw_only=True)
class AcousticOptions(FrameLevelOptions):
    """Options of training acoustic models, whose labels are alignments."""

    lang: str | None = option("lang", None, "language directory; accepted, not needed")
    ali_dir: str = required("ali-dir", "directory with ali.*.gz, final.mdl, tree and phones.txt")


@dataclass(frozen=True, kw_only=True)
class RawOptions(FrameLevelOptions):
    """Options of training bare networks, whose targets are given by utterance."""

    suffix: ClassVar[str] = "raw"

    compute_average_posteriors: bool = option(
        "compute-average-posteriors", False, "write the sum of the final outputs to post.final.vec"
    )
    nj: int = option("nj", 4, "accepted, not needed; --egs.opts='--nj N' sets the jobs that make examples")
    use_dense_targets: bool = option(
        "use-dense-targets", True, "targets are matrices; false: a class number for every frame"
    )
    targets_scp: str | None = option("targets-scp", None, "targets by utterance, one row a frame")


@dataclass(frozen=True, kw_only=True)
class DnnOptions(SingleFrameOptions, AcousticOptions):
    """Options of train_dnn.py."""


@dataclass(frozen=True, kw_only=True)
class RnnOptions(ChunkOptions, AcousticOptions):
    """Options of train_rnn.py."""


@dataclass(frozen=True, kw_only=True)
class RawDnnOptions(SingleFrameOptions, RawOptions):
    """Options of train_raw_dnn.py."""

    image_augmentation_opts: str | None = option(
        "image.augmentation-opts", None, "options of nnet3-egs-augment-image, which then changes the images"
    )


@dataclass(frozen=True, kw_only=True)
class RawRnnOptions(ChunkOptions, RawOptions):
    """Options of train_raw_rnn.py."""
