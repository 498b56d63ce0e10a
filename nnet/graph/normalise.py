"""The normal form of descriptors: one Append outside, then sums, then time, with scales at the nodes.

    descriptor = Append(sum, ..) | sum
    sum        = Sum(sum, sum) | Failover(sum, sum) | IfDefined(sum) | Const(v, dim) | forwarding
    forwarding = Offset(forwarding, k) | Round(..) | ReplaceIndex(..) | Switch(forwarding, ..)
               | Scale(s, name) | name

This is the form that Kaldi's parser brings descriptors into (GeneralDescriptor::GetNormalizedDescriptor) and
that its model files show.
"""

from __future__ import annotations

from nnet.graph.expression import (
    Append,
    Const,
    Descriptor,
    Failover,
    IfDefined,
    NodeRef,
    Offset,
    ReplaceIndex,
    Round,
    Scale,
    Sum,
    Switch,
    children,
    to_float32,
    with_children,
)


def normalise(d: Descriptor) -> Descriptor:
    """`d` in normal form. Raises ValueError for combinations that have none, as Kaldi does."""
    terms = [_settle(_append_term(d, i)) for i in range(_num_append_terms(d))]
    for term in terms:
        _check_sum(term, optional=False)
    return terms[0] if len(terms) == 1 else Append(tuple(terms))


def terms(d: Descriptor) -> tuple[Descriptor, ...]:
    """The parts that a normal form appends (one if it has no Append)."""
    return d.parts if isinstance(d, Append) else (d,)


def _num_append_terms(d: Descriptor) -> int:
    counts = [_num_append_terms(part) for part in children(d)] or [1]
    if isinstance(d, Append):
        return sum(counts)
    if any(count != counts[0] for count in counts):
        raise ValueError(f"{d}: its parts append different numbers of terms ({', '.join(map(str, counts))})")
    return counts[0]


def _append_term(d: Descriptor, i: int) -> Descriptor:
    if isinstance(d, Append):
        for part in d.parts:
            if i < (count := _num_append_terms(part)):
                return _append_term(part, i)
            i -= count
    return with_children(d, tuple(_append_term(part, i) for part in children(d)))


def _settle(d: Descriptor) -> Descriptor:
    """Rewrite from the inside out; one rewriting may ask for others below it."""
    return _rewrite(with_children(d, tuple(_settle(part) for part in children(d))))


def _rewrite(d: Descriptor) -> Descriptor:
    """The normal form of `d`, whose children are in normal form and free of Append."""
    if isinstance(d, Sum):
        return _binary_sum(d.parts)
    if isinstance(d, Scale):
        return _scaled(d.scale, d.part)
    if isinstance(d, Offset):
        return _shifted(d)
    if isinstance(d, (Round, ReplaceIndex, Switch)):
        return _pushed_into_sums(d)
    return d


def _binary_sum(parts: tuple[Descriptor, ...]) -> Descriptor:
    return parts[0] if len(parts) == 1 else Sum((parts[0], _binary_sum(parts[1:])))


def _scaled(scale: float, d: Descriptor) -> Descriptor:
    if isinstance(d, NodeRef):
        return Scale(scale, d) if scale != 1.0 else d
    if isinstance(d, Scale):
        return _scaled(to_float32(scale * d.scale), d.part)
    if isinstance(d, (Offset, Round, ReplaceIndex, Sum)):
        return with_children(d, tuple(_scaled(scale, part) for part in children(d)))
    raise ValueError(
        f"Scale({scale:g}, {d}): write the Scale inside the {type(d).__name__}, next to the nodes"
    )


def _shifted(d: Offset) -> Descriptor:
    if isinstance(d.part, Offset):
        return _shifted(Offset(d.part.part, d.part.offset + d.offset))
    return _pushed_into_sums(d) if d.offset != 0 else d.part


def _pushed_into_sums(d: Descriptor) -> Descriptor:
    """Offset(Sum(a, b), k) -> Sum(Offset(a, k), Offset(b, k)); so for all that only choose a frame."""
    child = children(d)[0]
    if any(isinstance(part, (Sum, Failover, IfDefined)) for part in children(d)):
        if len(children(d)) > 1:
            raise ValueError(f"{d}: Sum, Failover and IfDefined cannot stand inside Switch")
        return with_children(child, tuple(_rewrite(with_children(d, (part,))) for part in children(child)))
    return d


def _check_sum(d: Descriptor, optional: bool) -> None:
    if isinstance(d, Const):
        if optional:
            raise ValueError(f"{d} cannot stand inside IfDefined or Failover")
    elif isinstance(d, (Sum, Failover, IfDefined)):
        for part in children(d):
            _check_sum(part, optional or not isinstance(d, Sum))
    else:
        _check_forwarding(d)


def _check_forwarding(d: Descriptor) -> None:
    for part in children(d):
        if isinstance(part, Const):
            raise ValueError(f"{d}: Const can only stand in a sum or an Append, it has no time")
        _check_forwarding(part)
