"""A job of the final combination: objectives of running averages, or batch-norm statistics, on a share
of the examples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnet import tree
from nnet.combination import add_net, check_finite, check_same_structure, scale_net, set_test_modes
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.score import Scorer, score
from steps.experiment import write_json
from steps.parts import part_of

BATCH_NORM = "BatchNormComponent"


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.combine_job (objectives EVALUATIONS | stats) PART OF MINIBATCH_SIZE EXAMPLES OUTPUT
    MODEL...`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[0] == "objectives":
            objectives(int(words[1]), *_share(words[2:7]), models=words[7:])
        else:
            statistics(*_share(words[1:6]), model=words[6])
    except (ValueError, OSError) as error:
        print(f"ERROR (nnet3-combine) {error}", file=sys.stderr)
        return 1
    return 0


def _share(words: Sequence[str]) -> tuple[int, int, str, str, Path]:
    return int(words[0]), int(words[1]), words[2], words[3], Path(words[4])


def running_averages(models: Sequence[str]) -> Iterator[Nnet]:
    """The average of the first 1, 2, ... models, in one network that changes; the newest model comes
    first.
    """
    running: Nnet | None = None
    for n, name in enumerate(models):
        model = read_nnet(name)
        check_finite(model, name)
        if running is None:
            running = model
        else:
            check_same_structure(running, model, name)
            scale_net(running, n / (n + 1))
            add_net(running, model, 1.0 / (n + 1))
        yield running


def is_evaluated(n: int, count: int, evaluations: int) -> bool:
    """Whether the average of the first n + 1 of `count` models is evaluated (Kaldi's nnet3-combine)."""
    every = -(-count // evaluations)
    return n in (0, count - 1) or (n - 1) % every == every - 1


def objectives(
    evaluations: int, part: int, of: int, size: str, egs: str, output: Path, models: Sequence[str]
) -> None:
    """Write {number of models: {minibatch: [objective, weight]}}; batch-norm uses the minibatch, dropout
    is off.
    """
    batches, found = None, {}
    for n, average in enumerate(running_averages(models)):
        if batches is None:
            batches = list(part_of(egs, average, size, part, of))
        if is_evaluated(n, len(models), evaluations):
            nnet = set_test_modes(average.copy(), None, True)
            found[n + 1] = {number: _totals(nnet, batch) for number, batch in batches}
    write_json(output, found)


def _totals(nnet: Nnet, batch: object) -> list[float]:
    scores = score(nnet, [batch], compute_accuracy=False).values()  # type: ignore[list-item]
    return [sum(s.total for s in scores), sum(s.weight for s in scores)]


def statistics(part: int, of: int, size: str, egs: str, output: Path, model: str) -> None:
    """Write the network with its statistics replaced by those of this share (Kaldi's RecomputeStats)."""
    nnet = read_nnet(model)
    for c in nnet.components.values():
        tree.scale(c, 0.0, "stat")
    scorer = Scorer(nnet, compute_accuracy=False, store_stats=True)
    for _, batch in part_of(egs, nnet, size, part, of):
        scorer.add(batch)
    write_nnet(nnet, str(output))


if __name__ == "__main__":
    sys.exit(main())
