"""Edit directives: changes to a model that --edits and --edits-config ask for (Kaldi's ReadEditConfig)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from nnet.component import Component, Updatable
from nnet.components.linear import Affine, FixedAffine
from nnet.config_line import ConfigLine
from nnet.graph.descriptor import NAME
from nnet.graph.network import Nnet, nearest
from nnet.graph.node import InputNode
from nnet.renaming import renamed
from nnet.svd import Bottleneck, Report, apply_svd, reduce_rank

__all__ = ["Report", "edit", "matches", "split_edits"]

DROPOUT_TYPES = ("DropoutComponent", "DropoutMaskComponent", "GeneralDropoutComponent")


def split_edits(text: str) -> list[str]:
    """The directives of an --edits option, which are separated by semicolons or line ends."""
    return re.split("[;\n]", text)


def edit(nnet: Nnet, lines: Iterable[str], report: Report, where: str = "edits") -> Nnet:
    """The network after the directives of `lines`, one per line; components are changed in place.

    `#` starts a comment. Raises ValueError naming line and directive for unknown directives, keys and names.
    """
    for number, text in enumerate(lines, 1):
        bare = text.partition("#")[0].strip()
        if bare:
            nnet = _apply(nnet, ConfigLine(bare, f"{where}:{number}"), report)
            nnet.check(f"{where}:{number}: after {bare}")
    return nnet


def _apply(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    directives: dict[str, Callable[[Nnet, ConfigLine, Report], Nnet]] = {
        "convert-to-fixed-affine": _convert_to_fixed_affine,
        "remove-orphan-nodes": _remove_orphan_nodes,
        "remove-orphan-components": _remove_orphan_components,
        "remove-orphans": _remove_orphans,
        "set-learning-rate": _set_learning_rate,
        "set-learning-rate-factor": _set_learning_rate_factor,
        "set-l2-regularize": _set_l2_regularize,
        "rename-node": _rename_node,
        "remove-output-nodes": _remove_output_nodes,
        "set-dropout-proportion": _set_dropout_proportion,
        "apply-svd": _apply_svd,
        "reduce-rank": _reduce_rank,
    }
    if line.first_token not in directives:
        hint = nearest(line.first_token, directives) or f"; there are {', '.join(directives)}"
        raise ValueError(f"{line.where}: there is no edit directive {line.first_token}{hint}")
    return directives[line.first_token](nnet, line, report)


def matches(name: str, pattern: str) -> bool:
    """Whether `name` fits `pattern`, in which `*` stands for any characters (Kaldi's NameMatchesPattern)."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name) is not None


def matching(nnet: Nnet, pattern: str) -> Iterator[tuple[str, Component]]:
    """The components whose names fit `pattern`."""
    return ((name, c) for name, c in nnet.components.items() if matches(name, pattern))


# -- directives on components


def _float32(x: float) -> float:
    """`x` rounded as Kaldi stores it, so that products with it come out in the same bits."""
    return float(np.float32(x))


def _convert_to_fixed_affine(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    pattern = line.str("name", "*")
    line.finish()
    fixed = {n: FixedAffine(W=c.W, b=c.b) for n, c in matching(nnet, pattern) if isinstance(c, Affine)}
    report.log(f"Converted {len(fixed)} components to FixedAffineComponent.")
    return Nnet(nnet.nodes, {**nnet.components, **fixed})


def _updatable(nnet: Nnet, line: ConfigLine) -> list[Updatable]:
    pattern = line.str("name", "*")
    line.finish()
    return [c for _, c in matching(nnet, pattern) if isinstance(c, Updatable)]


def _set_learning_rate(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    rate = _float32(line.float("learning-rate"))
    components = _updatable(nnet, line)
    for c in components:
        c.set_learning_rate(rate)
    report.log(f"Set learning rates for {len(components)} components.")
    return nnet


def _set_learning_rate_factor(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    """Only the factor: the learning rate in force changes when it is next set."""
    factor = _float32(line.float("learning-rate-factor"))
    components = _updatable(nnet, line)
    for c in components:
        c.learning_rate_factor = factor
    report.log(f"Set learning rate factors for {len(components)} components.")
    return nnet


def _set_l2_regularize(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    """Not in Kaldi, whose models keep the l2-regularize of their config."""
    l2 = _float32(line.float("l2-regularize"))
    if not l2 >= 0:
        raise ValueError(f"{line.where}: l2-regularize={l2} must not be negative")
    components = _updatable(nnet, line)
    for c in components:
        c.l2_regularize = l2
    report.log(f"Set l2-regularize for {len(components)} components.")
    return nnet


def _set_dropout_proportion(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    pattern, proportion = line.str("name", "*"), _float32(line.float("proportion"))
    line.finish()
    if not 0 <= proportion <= 1:
        raise ValueError(f"{line.where}: proportion={proportion} must lie between 0 and 1")
    components = [c for _, c in matching(nnet, pattern) if c.TYPE in DROPOUT_TYPES]
    for c in components:
        c.dropout_proportion = proportion  # type: ignore[attr-defined]
    report.log(f"Set dropout proportions for {len(components)} components.")
    return nnet


def _apply_svd(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    pattern = line.str("name")
    bottleneck, energy = line.int("bottleneck-dim", -1), line.float("energy-threshold", -1.0)
    shrinkage = line.float("shrinkage-threshold", 1.0)
    line.finish()
    if bottleneck <= 0 and not 0 < energy < 1:
        raise ValueError(
            f"{line.where}: apply-svd needs bottleneck-dim above 0, or energy-threshold between 0 and 1; "
            f"found {bottleneck} and {energy}"
        )
    chosen = [name for name, _ in matching(nnet, pattern)]
    nnet = apply_svd(nnet, chosen, Bottleneck(bottleneck, energy, shrinkage), report)
    return _without_orphan_components(_without_orphan_nodes(nnet, False, report), report)


def _reduce_rank(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    pattern, rank = line.str("name"), line.int("rank")
    line.finish()
    if rank <= 0:
        raise ValueError(f"{line.where}: rank={rank} must be above 0")
    reduce_rank(nnet, [name for name, _ in matching(nnet, pattern)], rank, report)
    return nnet


# -- directives on nodes


def _remove_orphans(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    return _without_orphan_components(_remove_orphan_nodes(nnet, line, report), report)


def _remove_orphan_nodes(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    inputs = line.bool("remove-orphan-inputs", False)
    line.finish()
    return _without_orphan_nodes(nnet, inputs, report)


def _remove_orphan_components(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    line.finish()
    return _without_orphan_components(nnet, report)


def _without_orphan_nodes(nnet: Nnet, inputs: bool, report: Report) -> Nnet:
    orphans = {n for n in nnet.orphan_nodes() if inputs or not isinstance(nnet.nodes[n], InputNode)}
    report.log(f"Removed {len(orphans)} orphan nodes.")
    return Nnet({n: node for n, node in nnet.nodes.items() if n not in orphans}, nnet.components)


def _without_orphan_components(nnet: Nnet, report: Report) -> Nnet:
    orphans = set(nnet.orphan_components())
    report.log(f"Removing {len(orphans)} orphan components.")
    return Nnet(nnet.nodes, {n: c for n, c in nnet.components.items() if n not in orphans})


def _remove_output_nodes(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    pattern = line.str("name")
    line.finish()
    removed = {n for n in nnet.output_names() if matches(n, pattern)}
    report.log(f"Removing {len(removed)} output nodes.")
    if removed == set(nnet.output_names()):
        raise ValueError(f"{line.where}: name={pattern} would remove all outputs")
    return Nnet({n: node for n, node in nnet.nodes.items() if n not in removed}, nnet.components)


def _rename_node(nnet: Nnet, line: ConfigLine, report: Report) -> Nnet:
    old, new = line.str("old-name"), line.str("new-name")
    line.finish()
    if old not in nnet.nodes:
        raise ValueError(f"{line.where}: there is no node {old}{nearest(old, nnet.nodes)}")
    if new in nnet.nodes or not NAME.fullmatch(new):
        why = "another node has this name" if new in nnet.nodes else "this is no valid name"
        raise ValueError(f"{line.where}: node {old} cannot be renamed to {new}: {why}")
    nodes = {(new if n == old else n): renamed(node, {old: new}) for n, node in nnet.nodes.items()}
    return Nnet(nodes, nnet.components)
