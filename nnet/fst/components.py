"""Which states of an FST lie on common cycles, can be reached, and can reach an end."""

from __future__ import annotations

import numpy as np

from nnet.fst.arrays import Fst


def reachable(fst: Fst, from_states: np.ndarray, backwards: bool = False) -> np.ndarray:
    """(S,) bool: states on a path from (backwards: to) any of `from_states`."""
    heads, tails = (fst.targets, fst.sources) if backwards else (fst.sources, fst.targets)
    order = np.argsort(heads, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=fst.num_states))]).tolist()
    following = tails[order].tolist()
    seen = np.zeros(fst.num_states, bool)
    seen[from_states] = True
    waiting = np.flatnonzero(seen).tolist()
    while waiting:
        s = waiting.pop()
        for t in following[ends[s] : ends[s + 1]]:
            if not seen[t]:
                seen[t] = True
                waiting.append(t)
    return seen


def accessible(fst: Fst) -> np.ndarray:
    """(S,) bool: states that can be reached from the start."""
    return reachable(fst, np.arange(fst.start, fst.start + 1) if fst.start >= 0 else np.zeros(0, int))


def coaccessible(fst: Fst) -> np.ndarray:
    """(S,) bool: states from which a final state can be reached."""
    return reachable(fst, np.flatnonzero(np.isfinite(fst.finals)), backwards=True)


def strong_components(fst: Fst) -> np.ndarray:
    """(S,) numbers, equal for states that lie on a common cycle (Tarjan, without recursion)."""
    arcs = [row.tolist() for row in fst.successors()]
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
