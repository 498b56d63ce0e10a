"""Making the training examples of a run: plan, jobs, and the layout of Kaldi's steps/nnet3/get_egs.sh."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from nnet.files import atomic_write
from steps.data_dir import DataDir
from steps.egs_dir import COPIED, EgsInfo, archives, read_info
from steps.egs_scripts import write_scripts
from steps.executor import Executor, Job, run_all
from steps.experiment import write_json
from steps.labels import Labels
from steps.options import option, parse
from steps.ranges import AT_LEAST_ONE, NOT_NEGATIVE, Range, check_ranges
from steps.run import python_job
from steps.texts import first_word, read_int, read_lines

WORK = ".work"
RANGES: dict[str, Range] = {
    "num-utts-subset": AT_LEAST_ONE,
    "num-utts-subset-valid": AT_LEAST_ONE,
    "num-utts-subset-train": AT_LEAST_ONE,
    "num-valid-frames-combine": NOT_NEGATIVE,
    "num-train-frames-combine": NOT_NEGATIVE,
    "num-frames-diagnostic": AT_LEAST_ONE,
    "nj": AT_LEAST_ONE,
    "frame-subsampling-factor": AT_LEAST_ONE,
    "length-tolerance": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class EgsOptions:
    """Options of get_egs.sh and get_egs_targets.sh that --egs.opts may hold."""

    num_utts_subset: int = option(
        "num-utts-subset", 300, "utterances held out, and of training data in diagnostics"
    )
    num_utts_subset_valid: int | None = option(
        "num-utts-subset-valid", None, "utterances held out, if not that many", kind="int"
    )
    num_utts_subset_train: int | None = option(
        "num-utts-subset-train", None, "training utterances in diagnostics, if not that many", kind="int"
    )
    num_valid_frames_combine: int = option("num-valid-frames-combine", 0, "held-out frames in combine.egs")
    num_train_frames_combine: int = option(
        "num-train-frames-combine", 60000, "training frames in combine.egs"
    )
    num_frames_diagnostic: int = option("num-frames-diagnostic", 10000, "frames in each set of diagnostics")
    nj: int = option("nj", 6, "jobs that make examples")
    compress: bool = option("compress", True, "store features in compressed form")
    frame_subsampling_factor: int = option("frame-subsampling-factor", 1, "frames of features per target")
    length_tolerance: int = option(
        "length-tolerance", 2, "frames by which features and targets may differ in length"
    )
    generate_egs_scp: bool = option(
        "generate-egs-scp", False, "also write egs.scp and the scp of each subset, for multilingual training"
    )

    def __post_init__(self) -> None:
        check_ranges(self, RANGES)

    @property
    def num_held_out(self) -> int:
        """Utterances held out."""
        return self.num_utts_subset if self.num_utts_subset_valid is None else self.num_utts_subset_valid

    @property
    def num_diagnostic(self) -> int:
        """Training utterances in diagnostics."""
        return self.num_utts_subset if self.num_utts_subset_train is None else self.num_utts_subset_train


def egs_options(text: str | None) -> EgsOptions:
    """The options in a string such as '--num-utts-subset 100'. Raises ValueError for others."""
    try:
        return parse(EgsOptions, shlex.split(text or ""))
    except ValueError as error:
        raise ValueError(f"--egs.opts={text!r}: {error}") from error


@dataclass(frozen=True)
class Request:
    """What examples are wanted; contexts in frames (-1: utterance ends are not special)."""

    data: DataDir
    labels: Labels
    directory: Path
    options: EgsOptions
    frames_per_eg: str
    samples_per_iter: int
    srand: int
    left_context: int
    right_context: int
    left_context_initial: int = -1
    right_context_final: int = -1
    ivector_dir: Path | None = None
    cmvn_opts: str = ""

    @property
    def principal(self) -> int:
        """Labelled frames per example, as far as counting goes."""
        return int(self.frames_per_eg.split(",")[0])

    @property
    def work(self) -> Path:
        return self.directory / WORK


def make_egs(request: Request, executor: Executor, say: Any) -> None:
    """Make all examples, going on where an interrupted run stopped."""
    request.work.mkdir(parents=True, exist_ok=True)
    utterances, num_frames = _prepare_labels(request, say)
    valid, train, subset = choose_utterances(request, utterances)
    info = describe(request, num_frames)
    _write_lists(request, info, valid, train, subset)
    say(
        f"examples: {info.num_archives} archives of about {info.egs_per_archive} from {len(train)} "
        "utterances, "
        f"{len(valid)} held out"
    )
    jobs = max(1, min(request.options.nj, len(train)))
    todo = [n for n in range(1, jobs + 1) if not _split_done(request, n)]
    run_all(executor, [_job(request, f"get_egs.{n}", "split", n) for n in todo])
    todo = [
        n for n, path in enumerate(archives(request.directory, info.num_archives), 1) if not path.exists()
    ]
    subsets = [] if _subsets_done(request) else [_job(request, "create_subsets", "subsets", 0)]
    run_all(executor, [*subsets, *(_job(request, f"shuffle.{n}", "shuffle", n) for n in todo)])
    info = replace(
        info, feat_dim=read_dim(request.work / "feat_dim"), ivector_dim=read_dim(request.work / "ivector_dim")
    )
    if request.options.generate_egs_scp:
        write_scripts(request.directory, info.num_archives)
    info.write(request.directory)
    shutil.rmtree(request.work)


def choose_utterances(request: Request, utterances: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Held-out utterances, training utterances, and those of the latter used in diagnostics; by
    --trainer.srand.

    Where Kaldi refuses corpora of less than four times --num-utts-subset, a fifth of the utterances is held
    out.
    """
    if len(utterances) < 2:
        raise ValueError(f"{len(utterances)} utterances are too few: one must be held out and one trained on")
    share = max(1, len(utterances) // 5)
    count = min(request.options.num_held_out, share)
    rng = Random(request.srand)
    held_out = set(request.data.same_source(rng.sample(sorted(utterances), count)))
    valid = [u for u in utterances if u in held_out]
    train = [u for u in utterances if u not in held_out]
    if not train:
        raise ValueError(
            f"all {len(utterances)} utterances are versions of the held-out ones (utt2uniq): none to train on"
        )
    subset = set(rng.sample(train, min(request.options.num_diagnostic, share, len(train))))
    return valid, train, [u for u in train if u in subset]


def describe(request: Request, num_frames: int) -> EgsInfo:
    """What info/ will say; dimensions are filled in when the features have been seen.

    ValueError for examples of whole utterances, which cannot be counted beforehand.
    """
    if request.principal < 1:
        raise ValueError(
            f"examples of {request.frames_per_eg} labelled frames cannot be shared out to archives here; "
            "make examples of whole utterances with nnet3-get-egs and give them by --egs.dir"
        )
    per_archive = request.principal * request.samples_per_iter
    count = num_frames // per_archive + 1
    return EgsInfo(
        num_archives=count,
        frames_per_eg=request.frames_per_eg,
        feat_dim=0,
        ivector_dim=0,
        left_context=request.left_context,
        right_context=request.right_context,
        left_context_initial=request.left_context_initial,
        right_context_final=request.right_context_final,
        num_frames=num_frames,
        egs_per_archive=num_frames // (request.principal * count),
    )


def copy_properties(egs: Path, directory: Path) -> None:
    """Copy what decoding needs to know of the features."""
    for name in COPIED:
        if (egs / name).is_file():
            shutil.copy(egs / name, directory / Path(name).name)


def read_dim(path: Path) -> int:
    """The integer in a file."""
    return read_int(path)


def outputs(directory: Path) -> tuple[Path, ...]:
    """The files that exist when the examples are complete, as far as info/ can tell now."""
    try:
        count = read_info(directory).num_archives
    except ValueError:
        return (directory / "info/num_archives",)
    return (
        *archives(directory, count),
        *(directory / n for n in ("combine.egs", "train_diagnostic.egs", "valid_diagnostic.egs")),
    )


def discard(directory: Path) -> None:
    """Remove all examples and what an interrupted run left of making them."""
    shutil.rmtree(directory / WORK, ignore_errors=True)
    for path in (
        *directory.glob("*.egs"),
        *directory.glob("egs.*.ark"),
        *directory.glob("*.scp"),
        *directory.glob("info/*"),
    ):
        path.unlink()


def _prepare_labels(request: Request, say: Any) -> tuple[list[str], int]:
    """The utterances with features and labels, and their frames; an interrupted run's are taken over."""
    done = request.work / "utterances"
    if not done.exists():
        lengths = request.labels.prepare(request.data, request.work, say)
        with atomic_write(done, text=True) as stream:
            stream.writelines(f"{u} {n}\n" for u, n in lengths)
    pairs = [first_word(line) for line in read_lines(done)]
    return [u for u, _ in pairs], sum(int(n) for _, n in pairs)


def _write_lists(
    request: Request, info: EgsInfo, valid: list[str], train: list[str], subset: list[str]
) -> None:
    for name, utterances in (
        ("valid_uttlist", valid),
        ("train_subset_uttlist", subset),
        (f"{WORK}/train_uttlist", train),
    ):
        with atomic_write(request.directory / name, text=True) as stream:
            stream.writelines(u + "\n" for u in utterances)
    with atomic_write(request.directory / "cmvn_opts", text=True) as stream:
        stream.write(f"{request.cmvn_opts}\n")
    for path in request.labels.copied():
        shutil.copy(path, request.directory / path.name)
    write_json(request.work / "spec.json", _spec(request, info))


def _spec(request: Request, info: EgsInfo) -> dict[str, Any]:
    """All that a job must know, as plain data."""
    return {
        "feat_dir": str(request.data.path),
        "cmvn_opts": request.cmvn_opts,
        "allow_pipes": request.data.allow_pipes,
        "ivector_dir": str(request.ivector_dir) if request.ivector_dir else None,
        "labels": request.labels.kind,
        "dim": request.labels.dim,
        "srand": request.srand,
        "principal": request.principal,
        "options": asdict(request.options),
        "info": asdict(info),
    }


def _job(request: Request, name: str, what: str, number: int) -> Job:
    log = request.directory / "log" / f"{name}.log"
    outputs = {
        "split": (request.work / f"{number}.done",),
        "shuffle": (request.directory / f"egs.{number}.ark",),
        "subsets": _subsets(request),
    }
    arguments = [str(request.directory), what, str(number)]
    return python_job(f"egs {name}", "steps.egs_job", arguments, log, outputs=outputs[what])


def _split_done(request: Request, number: int) -> bool:
    return (request.work / f"{number}.done").exists()


def _subsets_done(request: Request) -> bool:
    return all(path.exists() for path in _subsets(request))


def _subsets(request: Request) -> tuple[Path, ...]:
    """What the job of the subsets makes."""
    names = ("combine.egs", "train_diagnostic.egs", "valid_diagnostic.egs")
    return tuple(request.directory / name for name in names)
