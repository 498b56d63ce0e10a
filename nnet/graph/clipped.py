"""Where an affine node, a ReLU and a normalisation follow each other so that they can be computed as one.

The bias is then added, the ReLU taken and the sums of the normalisation made in one pass over the product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nnet.graph.network import Nnet
from nnet.graph.steps import Apply, Output, Recurrence, Step


def clipped(nnet: Nnet, steps: Sequence[Step]) -> dict[str, tuple[Apply, Apply]]:
    """Nodes whose output is read once, whole, by a node that CLIPS; that one's step, and the step of a node
    that reads what is clipped, whole, and takes it before it is. Others may read what is clipped.
    """
    applied = {step.node: step for step in steps if isinstance(step, Apply)}
    readers: Counter[str] = Counter()
    for step in steps:
        gathers = step.gathers.values() if isinstance(step, Recurrence) else (step.gather,)
        readers.update(c.source for g in gathers for c in g.copies)
        if isinstance(step, Recurrence):
            readers.update(c.source for c in step.views.values())
    found: dict[str, tuple[Apply, Apply]] = {}
    for norm in applied.values():
        relu = _only_source(norm, applied)
        first = None if relu is None else _only_source(relu, applied)
        if relu is None or first is None or readers[first.node] != 1:
            continue
        a, r, n = (nnet.component_of(step.node) for step in (first, relu, norm))
        if r.CLIPS and n.takes_clipped and "y" not in a.NEEDS and "x" not in r.NEEDS:
            found.setdefault(first.node, (relu, norm))
    return found


def _only_source(step: Apply | Output, applied: Mapping[str, Apply]) -> Apply | None:
    """The step whose whole output is the input of `step`, and nothing else."""
    g = step.gather
    return applied.get(g.copies[0].source) if g.alias and g.copies[0].whole else None
