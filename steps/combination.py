"""The final combination: the average of the last models, of as many as the examples like best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from nnet import tree
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from steps import minibatch_size
from steps.combine_job import BATCH_NORM, running_averages
from steps.executor import Job
from steps.experiment import Stage, read_json
from steps.method import Method
from steps.model_file import read_model, write_model
from steps.run import Run, python_job
from steps.texts import write_lines

PARTS = 4  # shares of the examples; fixed, so that the result does not depend on the number of cores


def combine_models(
    run: Run, iterations: Sequence[int], method: Method, size: str, stage: int, earlier: object
) -> None:
    """Make combined.mdl (or .raw) from the models of `iterations`."""
    about = run.about("trainer.optimization.max-objective-evaluations") | {"iterations": list(iterations)}
    target = run.exp.model("combined")
    models = [str(run.exp.model(n)) for n in sorted(iterations, reverse=True)]

    def work() -> None:
        missing = [m for m in models if not Path(m).exists()]
        if missing:
            raise ValueError(
                f"the final combination needs {missing[0]}, which does not exist; --restart=true trains "
                "again, --trainer.optimization.do-final-combination=false does without"
            )
        combined = _combine(run, models, method, minibatch_size.at_most(size))
        write_model(read_model(Path(models[0])).with_nnet(combined), target)

    run.do(Stage(target.name, stage, (target,), about | {"earlier stages": earlier}), work)


def _combine(run: Run, models: list[str], method: Method, size: str) -> Nnet:
    evaluations = str(run.options.max_objective_evaluations)
    parts = [run.exp.dir / f".combine.{part}.json" for part in range(PARTS)]
    what = ["objectives", evaluations]
    run.jobs([_job(run, what, n, size, method, p, models) for n, p in enumerate(parts)])
    values = objectives([read_json(p) for p in parts])
    count = best_count(values)
    lines = [f"Combining last {n} models, objective function is {value:.6g}" for n, value in values.items()]
    lines.append(
        f"Combining {count} nnets, objective function changed from {values[1]:.6g} to {values[count]:.6g}"
    )
    write_lines(run.exp.log("combine"), [f"LOG (nnet3-combine) {line}" for line in lines])
    run.say(
        f"combining the last {count} of {len(models)} models: objective {values[1]:.4g} -> "
        f"{values[count]:.4g}"
    )
    *_, average = running_averages(models[:count])
    if any(c.TYPE == BATCH_NORM for c in average.components.values()):
        average = _with_statistics(run, average, method, size)
    for path in parts:
        path.unlink()
    return average


def _with_statistics(run: Run, nnet: Nnet, method: Method, size: str) -> Nnet:
    """The network with statistics of a pass over the examples."""
    whole, parts = run.exp.dir / ".combined.raw", [run.exp.dir / f".combined.{n}.raw" for n in range(PARTS)]
    write_nnet(nnet, str(whole))
    run.jobs([_job(run, ["stats"], n, size, method, p, [str(whole)]) for n, p in enumerate(parts)])
    result = read_nnet(str(parts[0]))
    for path in parts[1:]:
        for name, c in read_nnet(str(path)).components.items():
            tree.add(result.components[name], c, 1.0, "stat")
    for path in (whole, *parts):
        path.unlink()
    return result


def _job(
    run: Run, what: list[str], part: int, size: str, method: Method, output: Path, models: list[str]
) -> Job:
    share = [method.scoring.word, str(part), str(PARTS), size, method.subset("combine")]
    name = f"combine_{what[0]}.{part}"
    arguments = [*share, str(output), *what, *models]
    return python_job(name, "steps.combine_job", arguments, run.exp.log(name), outputs=[output])


def objectives(parts: Sequence[dict[str, dict[str, list[float]]]]) -> dict[int, float]:
    """Objective per frame by number of models averaged; exact sums, so that the order of parts is
    without effect.
    """
    values = {}
    for count in sorted({int(n) for part in parts for n in part}):
        pairs = [pair for part in parts for pair in part.get(str(count), {}).values()]
        weight = math.fsum(w for _, w in pairs)
        if not weight:
            raise ValueError(
                "no examples to choose the combination with: combine.egs holds no labelled frame"
            )
        value = math.fsum(t for t, _ in pairs) / weight
        values[count] = value if math.isfinite(value) else -math.inf
    return values


def best_count(values: dict[int, float]) -> int:
    """The number of models with the best objective, the smallest of equals."""
    return max(values, key=lambda n: (values[n], -n))
