"""Which states of an FST lie on common cycles, can be reached, and can reach an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nnet.fst.arrays import Fst

Following = Sequence[Sequence[int]]  # the targets of every state's arcs


def reached(following: Following, roots: Iterable[int]) -> list[bool]:
    """States on a path from any of `roots`."""
    seen = [False] * len(following)
    waiting = list(roots)
    for s in waiting:
        seen[s] = True
    while waiting:
        for t in following[waiting.pop()]:
            if not seen[t]:
                seen[t] = True
                waiting.append(t)
    return seen


def backwards(following: Following) -> list[list[int]]:
    """The states from which arcs lead to every state."""
    before: list[list[int]] = [[] for _ in following]
    for s, targets in enumerate(following):
        for t in targets:
            before[t].append(s)
    return before


def on_paths(following: Following, ends: Sequence[int], start: int) -> list[bool]:
    """States on a path from the start (-1: there is none) to one of `ends`."""
    if _rises(following, ends, start):
        return [True] * len(following)
    there = reached(following, [start] if start >= 0 else [])
    back = reached(backwards(following), ends)
    return [a and b for a, b in zip(there, back)]


def _rises(following: Following, ends: Sequence[int], start: int) -> bool:
    """Whether all states are on paths, as is plain where an arc leads up from each but the ends, and to each
    but the start, state 0.
    """
    there = {t for s, targets in enumerate(following) for t in targets if t > s}
    on = {s for s, targets in enumerate(following) if targets and max(targets) > s}
    return start == 0 and len(there) == len(following) - 1 and len(on.union(ends)) == len(following)


def accessible(fst: Fst) -> np.ndarray:
    """(S,) bool: states that can be reached from the start."""
    return np.array(reached(fst.following(), [fst.start] if fst.start >= 0 else []), bool)


def coaccessible(fst: Fst) -> np.ndarray:
    """(S,) bool: states from which a final state can be reached."""
    ends = np.flatnonzero(np.isfinite(fst.finals)).tolist()
    return np.array(reached(backwards(fst.following()), ends), bool)


def strong_components(fst: Fst) -> np.ndarray:
    """(S,) numbers, equal for states that lie on a common cycle (Tarjan, without recursion)."""
    arcs = fst.following()
    index = [-1] * fst.num_states  # order of discovery
    low = [0] * fst.num_states
    component = [-1] * fst.num_states
    path: list[int] = []
    count = found = 0
    for root in range(fst.num_states):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            s, k = work.pop()
            if k == 0:
                index[s] = low[s] = count
                count += 1
                path.append(s)
            else:
                low[s] = min(low[s], low[arcs[s][k - 1]]) if component[arcs[s][k - 1]] < 0 else low[s]
            while k < len(arcs[s]) and index[arcs[s][k]] >= 0:
                if component[arcs[s][k]] < 0:
                    low[s] = min(low[s], index[arcs[s][k]])
                k += 1
            if k < len(arcs[s]):
                work += [(s, k + 1), (arcs[s][k], 0)]
            elif low[s] == index[s]:
                while component[s] < 0:
                    component[path.pop()] = found
                found += 1
    return np.array(component, np.int64)
