"""A job of the final combination: objectives of running averages, or batch-norm statistics, on a share
of the examples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from nnet import tree
from nnet.combination import add_net, check_finite, check_same_structure, scale_net, set_test_modes
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.kernels.cblas import share_products
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate
from nnet.score import Scorer, score
from steps.experiment import write_json
from steps.scoring import Scoring, scoring

BATCH_NORM = "BatchNormComponent"


@dataclass(frozen=True)
class Share:
    """Minibatches number `part`, `part` + `of`, ... of the examples `egs`, merged by the rule `size`."""

    how: Scoring
    part: int
    of: int
    size: str
    egs: str

    def batches(self, nnet: Nnet) -> Iterator[tuple[int, Minibatch]]:
        """(number, minibatch) for networks like `nnet`."""
        batches = self.how.minibatches(self.egs, nnet, self.size, self.part, self.of)
        return zip(count(self.part, self.of), batches)


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.combine_job SCORING PART OF MINIBATCH_SIZE EXAMPLES OUTPUT (objectives EVALUATIONS | stats)
    MODEL...`.
    """
    word, part, of, size, egs, output, what, *words = list(sys.argv[1:] if argv is None else argv)
    share_products()
    try:
        share = Share(scoring(word), int(part), int(of), size, egs)
        if what == "objectives":
            objectives(share, int(words[0]), Path(output), models=words[1:])
        else:
            statistics(share, Path(output), model=words[0])
    except (ValueError, OSError) as error:
        print(f"ERROR (nnet3-combine) {error}", file=sys.stderr)
        return 1
    return 0


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


def objectives(share: Share, evaluations: int, output: Path, models: Sequence[str]) -> None:
    """Write {number of models: {minibatch: [objective, weight]}}; batch-norm uses the minibatch, dropout
    is off.
    """
    batches, evaluate, found = None, None, {}
    for n, average in enumerate(running_averages(models)):
        if batches is None:
            batches, evaluate = list(share.batches(average)), share.how.choose(average)
        if is_evaluated(n, len(models), evaluations):
            nnet = set_test_modes(average.copy(), None, True)
            found[n + 1] = {number: _totals(nnet, batch, evaluate) for number, batch in batches}
    write_json(output, found)


def _totals(nnet: Nnet, batch: Minibatch, evaluate: Evaluate | None) -> list[float]:
    scores = score(nnet, [batch], compute_accuracy=False, evaluate=evaluate).values()
    return [sum(s.total + s.extra for s in scores), sum(s.weight for s in scores)]


def statistics(share: Share, output: Path, model: str) -> None:
    """Write the network with its statistics replaced by those of this share (Kaldi's RecomputeStats)."""
    nnet = read_nnet(model)
    for c in nnet.components.values():
        tree.scale(c, 0.0, "stat")
    scorer = Scorer(nnet, compute_accuracy=False, store_stats=True, evaluate=share.how.visit(nnet))
    for _, batch in share.batches(nnet):
        scorer.add(batch)
    write_nnet(nnet, str(output))


if __name__ == "__main__":
    sys.exit(main())
