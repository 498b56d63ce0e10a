"""The average posterior of the final network over training examples, which becomes its priors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnet.combination import set_test_modes
from nnet.examples.stream import StreamOptions, stream_minibatches
from nnet.files import atomic_write
from nnet.formats.basic import open_output
from nnet.formats.matrix import write_vector
from nnet.formats.model import read_am, read_nnet, write_am
from nnet.graph.plan import PlanCache
from nnet.kernels.cblas import share_products
from nnet.score import compute
from steps.run import Run, python_job

MINIBATCH_SIZE = "1:128"


def posterior_total(
    run: Run, model: Path, archives: Sequence[str], subset_size: int, num_jobs: int, name: str
) -> np.ndarray:
    """(num_pdfs,) float64, the sum of posteriors over some examples, also written to post.NAME.vec.

    Job j reads archive j (an rspecifier); where Kaldi has more jobs than archives all read the first.
    """
    used = archives[:num_jobs]
    sums = [run.exp.dir / f".post.{n}.npy" for n in range(1, len(used) + 1)]
    jobs = []
    for n, (archive, out) in enumerate(zip(used, sums), 1):
        title = f"get_post.{name}.{n}"
        arguments = [str(model), archive, str(subset_size), str(n), str(out)]
        jobs.append(python_job(title, "steps.priors", arguments, run.exp.log(title), outputs=[out]))
    run.jobs(jobs)
    total = np.sum([np.load(p) for p in sums], axis=0)
    for path in sums:
        path.unlink()
    with open_output(str(run.exp.dir / f"post.{name}.vec"), True) as out_vec:
        write_vector(out_vec, total.astype(np.float32))
    return total


def adjust_priors(run: Run, model: Path, total: np.ndarray, output: Path) -> None:
    """Write `model` to `output` with priors in proportion to `total`."""
    am = read_am(str(model))
    new = (total / total.sum()).astype(np.float32)
    run.say(
        f"priors from {total.sum():.0f} frames; K-L divergence from the old ones "
        f"{divergence(am.priors, new):.4g}"
    )
    write_am(am.with_priors(new), str(output))


def divergence(old: np.ndarray, new: np.ndarray) -> float:
    """Kullback-Leibler divergence from `old` to `new` (natural log); NaN if there were no old priors."""
    if old.size != new.size:
        return float("nan")
    p, q = old.astype(np.float64), np.maximum(new.astype(np.float64), 1e-30)
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.priors MODEL RSPECIFIER EXAMPLES SEED OUTPUT`: the sum of posteriors over a random subset, as
    .npy.
    """
    model, examples, count, seed, output = list(sys.argv[1:] if argv is None else argv)
    share_products()
    try:
        total = posterior_sum(model, examples, int(count), int(seed))
        with atomic_write(output) as stream:
            np.save(stream, total)
    except (ValueError, OSError) as error:
        print(f"ERROR (nnet3-compute-from-egs) {error}", file=sys.stderr)
        return 1
    return 0


def posterior_sum(model: str, rspecifier: str, count: int, seed: int) -> np.ndarray:
    """(num_pdfs,) float64: exp of the output summed over frames of `count` random examples; test modes
    are on.
    """
    nnet = set_test_modes(read_nnet(model))
    plans, total = PlanCache(nnet), np.zeros(nnet.output_dim("output"))
    how = StreamOptions(MINIBATCH_SIZE, srand=seed, subset=count)
    for batch in stream_minibatches(rspecifier, nnet, how):
        y = compute(nnet, plans, batch).output("output")
        total += np.exp(y).sum(axis=(0, 1), dtype=np.float64)
    return total


if __name__ == "__main__":
    sys.exit(main())
