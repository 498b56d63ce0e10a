"""Making the training examples of a run: plan, jobs, and the layout of Kaldi's steps/nnet3/get_egs.sh."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from nnet.files import atomic_copy, atomic_write
from steps.data_dir import DataDir
from steps.egs_dir import COPIED, FRAMES, SORTS, EgsInfo, Sort, read_info
from steps.egs_job import SETS, join_combine, set_outputs
from steps.egs_options import Options
from steps.egs_scripts import write_scripts
from steps.executor import Executor, Job, run_all
from steps.experiment import write_json
from steps.labels import Labels
from steps.run import python_job
from steps.texts import first_word, read_int, read_lines

WORK = ".work"


@dataclass(frozen=True)
class Request:
    """What examples are wanted; contexts in frames (-1: utterance ends are not special).

    `frames_per_archive`: frames of the data, of all their utterances, that make an archive. `more`: what the
    jobs must know beyond that, as plain data.
    """

    data: DataDir
    labels: Labels
    directory: Path
    options: Options
    frames_per_eg: str
    frames_per_archive: int
    srand: int
    left_context: int
    right_context: int
    left_context_initial: int = -1
    right_context_final: int = -1
    ivector_dir: Path | None = None
    cmvn_opts: str = ""
    sort: Sort = FRAMES
    more: Mapping[str, Any] = field(default_factory=dict)

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
    utterances, num_frames = _prepare_labels(request, executor, say)
    valid, train, subset = choose_utterances(request, utterances)
    info = describe(request, num_frames)
    _write_lists(request, info, valid, train, subset)
    say(
        f"examples: {info.num_archives} archives of about {info.egs_per_archive} from {len(train)} "
        "utterances, "
        f"{len(valid)} held out"
    )
    jobs = max(1, min(request.options.nj, len(train)))
    splits = [_job(request, f"get_egs.{n}", "split", n) for n in range(1, jobs + 1)]
    subsets = [_job(request, f"create_{which}_subset", "subset", n) for n, which in enumerate(SETS)]
    _run(executor, [*splits, *subsets])
    join_combine(request.directory, request.sort)
    _run(executor, [_job(request, f"shuffle.{n}", "shuffle", n) for n in range(1, info.num_archives + 1)])
    info = replace(
        info, feat_dim=read_dim(request.work / "feat_dim"), ivector_dim=read_dim(request.work / "ivector_dim")
    )
    if request.options.generate_egs_scp:
        write_scripts(request.directory, info.num_archives, request.sort)
    info.write(request.directory)
    shutil.rmtree(request.work)


def choose_utterances(request: Request, utterances: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Held-out utterances, training utterances, and those of the latter used in diagnostics.

    They do not depend on --trainer.srand, so that runs which differ in it are scored on the same utterances
    (Kaldi: shuffle_list.pl has a seed of its own). Where Kaldi refuses corpora of less than four times
    --num-utts-subset, a fifth of the utterances is held out.
    """
    if len(utterances) < 2:
        raise ValueError(f"{len(utterances)} utterances are too few: one must be held out and one trained on")
    share = max(1, len(utterances) // 5)
    count = min(request.options.num_held_out, share)
    rng = Random(0)
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
    count = num_frames // request.frames_per_archive + 1
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
            atomic_copy(egs / name, directory / Path(name).name)


def read_dim(path: Path) -> int:
    """The integer in a file."""
    return read_int(path)


def outputs(directory: Path, sort: Sort = FRAMES) -> tuple[Path, ...]:
    """The files that exist when the examples are complete, as far as info/ can tell now."""
    try:
        count = read_info(directory).num_archives
    except ValueError:
        return (directory / "info/num_archives",)
    return (*sort.archives(directory, count), *sort.subsets(directory))


def discard(directory: Path) -> None:
    """Remove all examples and what an interrupted run left of making them."""
    shutil.rmtree(directory / WORK, ignore_errors=True)
    for word in SORTS:
        for pattern in (f"*.{word}", f"{word}.*.ark"):
            for path in directory.glob(pattern):
                path.unlink()
    for path in (*directory.glob("*.scp"), *directory.glob("info/*")):
        path.unlink()


def _prepare_labels(request: Request, executor: Executor, say: Any) -> tuple[list[str], int]:
    """The utterances with features and labels, and their frames; an interrupted run's are taken over."""
    done = request.work / "utterances"
    if not done.exists():
        lengths = request.labels.prepare(request.data, request.work, executor, say)
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
        atomic_copy(path, request.directory / path.name)
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
        "sort": request.sort.word,
        "counts": request.options.counts(request.principal),
        "options": asdict(request.options),
        "info": asdict(info),
        **request.more,
    }


def _job(request: Request, name: str, what: str, number: int) -> Job:
    log = request.directory / "log" / f"{name}.log"
    outputs: tuple[Path, ...] = (request.work / f"{number}.done",)
    if what == "shuffle":
        outputs = (request.sort.archive(request.directory, number),)
    elif what == "subset":
        outputs = set_outputs(request.directory, number, request.sort)
    arguments = [str(request.directory), what, str(number)]
    return python_job(f"egs {name}", "steps.egs_job", arguments, log, outputs=outputs)


def _run(executor: Executor, jobs: Sequence[Job]) -> None:
    """Run those jobs whose files are not there yet."""
    run_all(executor, [job for job in jobs if not all(path.exists() for path in job.outputs)])
