"""Smaller affine components by their singular values: two factors with a bottleneck, or a lower rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.backend import like, to_host
from nnet.component import Component
from nnet.components.linear import Affine, Linear, NaturalGradientAffine
from nnet.graph.descriptor import NodeRef
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, Node
from nnet.renaming import renamed
from nnet.singular import svd


@dataclass(frozen=True)
class Report:
    """Where the messages of an edit go: what was done, and what was asked for but could not be done."""

    log: Callable[[str], None]
    warn: Callable[[str], None]


@dataclass(frozen=True)
class Bottleneck:
    """How far to shrink: to `dim`, or if `energy` is above 0 so far that this part of the squares is kept.

    A component stays as it is if the factors would have more than `shrinkage` times its parameters.
    """

    dim: int
    energy: float
    shrinkage: float


def apply_svd(nnet: Nnet, names: Iterable[str], bottleneck: Bottleneck, report: Report) -> Nnet:
    """Replace affine components NAME by Linear NAME_a and NaturalGradientAffine NAME_b (Kaldi's SvdApplier).

    Their nodes become two as well. The old components stay, unused. With an energy threshold, the dimension
    found for one component is what later ones must exceed, as in Kaldi.
    """
    pairs: dict[str, tuple[Component, Component]] = {}
    dim = bottleneck.dim
    for name in names:
        c = nnet.components[name]
        if _can_shrink(name, c, dim, "decomposing", report):
            assert isinstance(c, Affine)
            u, s, vt = svd(to_host(c.W), f"the matrix of component {name}")
            dim = _kept(s, bottleneck.energy) if bottleneck.energy > 0 else dim
            if _worthwhile(name, c, s, dim, bottleneck, report):
                root = np.sqrt(s[:dim])
                pairs[name] = _factors(c, root[:, None] * vt[:dim], u[:, :dim] * root)
    report.log(f"Decomposed {len(pairs)} components with SVD dimension {dim}")
    return _with_factors(nnet, pairs)


def _can_shrink(name: str, c: Component, dim: int, doing: str, report: Report) -> bool:
    if not isinstance(c, Affine):
        report.warn(f"Not {doing} component {name} as it is not an AffineComponent.")
        return False
    if min(c.W.shape) <= dim:
        report.warn(
            f"Not {doing} component {name} with SVD to rank {dim} because its dimension is "
            f"{c.input_dim} -> {c.output_dim}"
        )
        return False
    return True


def _kept(s: np.ndarray, energy: float) -> int:
    """How many of the singular values `s` make up the part `energy` of their squares."""
    squares = np.cumsum(s.astype(np.float64) ** 2)
    return min(int(np.searchsorted(squares, energy * squares[-1])) + 1, len(s))


def _worthwhile(
    name: str, c: Affine, s: np.ndarray, dim: int, bottleneck: Bottleneck, report: Report
) -> bool:
    ratio = dim * (c.input_dim + c.output_dim) / (c.input_dim * c.output_dim)
    if ratio > bottleneck.shrinkage:
        report.log(
            f"Shrinkage ratio {ratio:.4g} greater than threshold : {bottleneck.shrinkage:g} "
            "Skipping SVD for this layer."
        )
        return False
    before, after = float((s**2).sum()), float((s[:dim] ** 2).sum())
    report.log(
        f"For component {name} singular value squared sum changed by {before - after:.4g} "
        f"(from {before:.4g} to {after:.4g})"
    )
    report.log(
        f"For component {name} dimension reduced from ({c.input_dim},{c.output_dim}) to "
        f"[({c.input_dim},{dim}), ({dim},{c.output_dim})], shrinkage ratio {ratio:.4g}"
    )
    return True


def _factors(c: Affine, a: np.ndarray, b: np.ndarray) -> tuple[Linear, NaturalGradientAffine]:
    """Components for W = b a, with the training options of `c` and Kaldi's natural-gradient ranks."""
    options: dict[str, Any] = {
        "learning_rate": c.learning_rate,
        "learning_rate_factor": c.learning_rate_factor,
        "max_change": c.max_change,
        "l2_regularize": c.l2_regularize,
        "is_gradient": c.is_gradient,
        "rank_out": 80,
        "update_period": 4,
    }
    first = Linear(W=like(a, c.W), rank_in=40, **options)
    return first, NaturalGradientAffine(W=like(b, c.W), b=c.b.copy(), rank_in=20, **options)


def _with_factors(nnet: Nnet, pairs: dict[str, tuple[Component, Component]]) -> Nnet:
    components = dict(nnet.components)
    for name, factors in pairs.items():
        for suffix, factor in zip(("_a", "_b"), factors):
            if name + suffix in components:
                raise ValueError(
                    f"the network already has a component {name}{suffix}, so {name} cannot be split"
                )
            components[name + suffix] = factor
    split = [
        n for n, node in nnet.nodes.items() if isinstance(node, ComponentNode) and node.component in pairs
    ]
    names = {n: f"{n}_b" for n in split}
    nodes: dict[str, Node] = {}
    for n, node in nnet.nodes.items():
        new = renamed(node, names)
        if n in names and isinstance(new, ComponentNode):
            nodes[f"{n}_a"] = ComponentNode(f"{new.component}_a", new.input)
            nodes[f"{n}_b"] = ComponentNode(f"{new.component}_b", NodeRef(f"{n}_a"))
        else:
            nodes[n] = new
    if len(nodes) != len(nnet.nodes) + len(split):
        raise ValueError("nodes cannot be split into _a and _b: the network already has nodes of these names")
    return Nnet(nodes, components)


def reduce_rank(nnet: Nnet, names: Iterable[str], rank: int, report: Report) -> None:
    """Keep only the `rank` largest singular values of affine components (ReduceRankOfComponents)."""
    changed = 0
    for name in names:
        c = nnet.components[name]
        if _can_shrink(name, c, rank, "reducing rank of", report):
            assert isinstance(c, Affine)
            u, s, vt = svd(to_host(c.W), f"the matrix of component {name}")
            c.W = like((u[:, :rank] * s[:rank]) @ vt[:rank], c.W)
            before, after = float(s.sum()), float(s[:rank].sum())
            report.log(
                f"For component {name} singular value sum changed by reduce-rank command "
                f"{before - after:.4g} (from {before:.4g} to {after:.4g})"
            )
            changed += 1
    report.log(f"Reduced rank of parameters of {changed} components.")
