"""The model before the first iteration: first layers, LDA-like input transform, class prior scales, 0.mdl."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnet.examples.lda import feature_transform, sum_stats
from nnet.files import atomic_copy
from nnet.formats.basic import open_output
from nnet.formats.matrix import write_matrix, write_vector
from nnet.formats.model import AmNnet, am_nnet, read_nnet, write_am, write_nnet
from nnet.formats.transition_update import priors, update
from nnet.graph.context import left_context, right_context
from steps.ali_dir import AliDir
from steps.experiment import Experiment, Stage, identity
from steps.run import Run, python_job
from steps.texts import write_lines

INIT_SEED, FINAL_SEED = -2, -3  # Kaldi's
SMOOTHING = 0.01  # of the mean count, added to every class


def model_context(directory: Path, input_model: str | None) -> tuple[int, int]:
    """Frames of context left and right that the network needs, from configs/vars or the given model."""
    if input_model is not None:
        nnet = read_nnet(input_model)
        return left_context(nnet), right_context(nnet)
    values = config_vars(directory)
    try:
        return int(values["left_context"]), int(values["right_context"])
    except (KeyError, ValueError):
        raise ValueError(
            f"{directory / 'configs/vars'} must hold model_left_context=N and model_right_context=N, as "
            "xconfig-to-configs writes it"
        ) from None


def config_vars(directory: Path) -> dict[str, str]:
    """The variables in configs/vars, names without `model_`; none if there is no such file."""
    path = directory / "configs" / "vars"
    values = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        key, _, value = line.partition("=")
        values[key.strip().removeprefix("model_")] = value.strip()
    return values


def make_init(run: Run, number: int) -> None:
    """Stage `number`: init.raw, the layers up to the input transform."""
    config = run.exp.dir / "configs" / "init.config"
    stage = Stage("init.raw", number, (run.exp.dir / "init.raw",), {"inputs": identity([config])})
    run.do(stage, lambda: _nnet_init(run, "nnet_init", INIT_SEED, [config], run.exp.dir / "init.raw"))


def make_transform(run: Run, egs: Sequence[str], egs_about: object, number: int, program: str) -> None:
    """Stage `number`: lda.mat from the statistics of init.raw's output on some archives (rspecifiers), which
    `program` gathers.
    """
    target = run.exp.dir / "lda.mat"
    about = run.about("trainer.lda.rand-prune", "trainer.lda.max-lda-jobs", "trainer.srand")
    about |= {"examples": egs_about, "inputs": identity([run.exp.dir / "configs" / "init.config"])}
    stage = Stage("lda.mat", number, (target,), about)
    if run.do(stage, lambda: _estimate_transform(run, egs, target, program)):
        run.say(f"input transform: {target}")
    link(run.exp.dir, "lda.mat")


def _estimate_transform(run: Run, egs: Sequence[str], target: Path, program: str) -> None:
    used = egs[: run.options.max_lda_jobs]
    parts = [run.exp.dir / f"{n}.lda_stats" for n in range(1, len(used) + 1)]
    jobs = []
    for n, (archive, part) in enumerate(zip(used, parts), 1):
        options = [f"--rand-prune={run.options.rand_prune}", f"--srand={run.options.srand + n}"]
        arguments = [*options, str(run.exp.dir / "init.raw"), archive, str(part)]
        log = run.exp.log(f"get_lda_stats.{n}")
        jobs.append(python_job(f"get_lda_stats.{n}", program, arguments, log, outputs=[part]))
    run.jobs(jobs)
    lines: list[str] = []
    matrix = feature_transform(sum_stats(map(str, parts)), log=lines.append)
    write_lines(run.exp.log("get_transform"), lines)
    with open_output(str(target), True) as out:
        write_matrix(out, matrix)
    for part in parts:
        part.unlink()


def make_prior_scales(run: Run, ali: AliDir) -> None:
    """Stage -2: presoftmax_prior_scale.vec, which configs with a FixedScaleComponent read."""
    target = run.exp.dir / "presoftmax_prior_scale.vec"
    about = run.about("trainer.presoftmax-prior-scale-power") | {"inputs": identity(ali.input_files())}

    def work() -> None:
        scales = prior_scales(ali.pdf_counts(), run.options.presoftmax_prior_scale_power)
        with open_output(str(target), False) as out:
            write_vector(out, scales)

    run.do(Stage("presoftmax_prior_scale.vec", -2, (target,), about), work)
    link(run.exp.dir, target.name)


def prior_scales(counts: np.ndarray, power: float) -> np.ndarray:
    """(count + 0.01 mean count) ** power for every class, float32, scaled to mean 1."""
    scales = (counts + SMOOTHING * counts.mean()) ** power
    return (scales / scales.mean()).astype(np.float32)


def make_first_model(run: Run, ali: AliDir, input_model: str | None, earlier: object) -> None:
    """Stage -1: 0.mdl, the whole network with the transition model of the alignments."""
    configs = run.exp.dir / "configs"
    inputs = [Path(input_model)] if input_model else sorted(configs.glob("*.config"))
    about = {"inputs": identity([*inputs, *ali.input_files()]), "earlier stages": earlier}
    stage = Stage("0.mdl", -1, (run.exp.model(0),), about)
    run.do(stage, lambda: write_am(_first_model(run, ali, input_model), str(run.exp.model(0))))


def _first_model(run: Run, ali: AliDir, input_model: str | None) -> AmNnet:
    raw = run.exp.dir / "0.raw"
    if input_model is None:
        whole_network(run, FINAL_SEED, raw)
    nnet = read_nnet(input_model or str(raw))
    dim = nnet.output_dim("output")
    if dim != ali.num_pdfs:
        raise ValueError(
            f"the network's output has dim {dim}, the tree in {ali.path} has {ali.num_pdfs} leaves: "
            f"give the output layer dim={ali.num_pdfs}"
        )
    transitions, report = update(ali.transitions, ali.id_counts)
    if report.count == 0:
        raise ValueError(f"{ali.path}: the alignments hold no frame")
    raw.unlink(missing_ok=True)
    return am_nnet(transitions, nnet).with_priors(priors(ali.transitions, ali.id_counts))


def make_first_raw(run: Run, input_model: str | None, earlier: object) -> None:
    """Stage -1: 0.raw, the whole network, by the seed of the run; or a copy of the given one."""
    target, configs = run.exp.model(0), run.exp.dir / "configs"
    inputs = [Path(input_model)] if input_model else sorted(configs.glob("*.config"))
    about = run.about("trainer.srand") | {"inputs": identity(inputs), "earlier stages": earlier}

    def work() -> None:
        if input_model is None:
            whole_network(run, run.options.srand, target)
        else:
            write_nnet(read_nnet(input_model), str(target))

    run.do(Stage(target.name, -1, (target,), about), work)


def whole_network(run: Run, seed: int, output: Path) -> None:
    """Make the network of the configs, on top of init.raw where there is one."""
    configs = run.exp.dir / "configs"
    base = [run.exp.dir / "init.raw"] if (configs / "init.config").exists() else []
    _nnet_init(run, "add_first_layer", seed, [*base, configs / "final.config"], output)


def _nnet_init(run: Run, name: str, seed: int, inputs: Sequence[Path], output: Path) -> None:
    arguments = [f"--srand={seed}", *map(str, inputs), str(output)]
    program = "nnet.programs.nnet3_init"
    run.jobs([python_job(name, program, arguments, run.exp.log(name), outputs=[output])])


def copy_decoding_files(ali: AliDir, exp: Experiment) -> None:
    """Copy what decoding needs from the alignments: tree, and phones.txt where there is one."""
    atomic_copy(ali.path / "tree", exp.dir / "tree")
    if (ali.path / "phones.txt").is_file():
        atomic_copy(ali.path / "phones.txt", exp.dir / "phones.txt")


def link(directory: Path, name: str) -> None:
    """Make configs/NAME point to NAME, where configs read it."""
    if (directory / "configs").is_dir() and (directory / name).exists():
        place = directory / "configs" / name
        place.unlink(missing_ok=True)
        os.symlink(f"../{name}", place)
