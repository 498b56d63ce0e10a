"""All component types by Kaldi's name; a new family of components is a module here and a name in the list."""

from __future__ import annotations

from importlib import import_module

from nnet.component import Component

_MODULES = (
    "activations",
    "attention",
    "block",
    "composite",
    "constant",
    "convolution",
    "convolution_old",
    "dropout",
    "elementwise",
    "gru",
    "linear",
    "normalize",
    "pooling",
    "recurrent",
    "shape",
    "tdnn",
    "truncation",
)


def _collect() -> dict[str, type[Component]]:
    """TYPE -> class over the family modules."""
    types: dict[str, type[Component]] = {}
    for name in _MODULES:
        module = import_module(f"{__name__}.{name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Component) and value.__dict__.get("TYPE"):
                types[value.TYPE] = value
    return types


TYPES = _collect()

REFUSED = {
    "DistributeComponent": "it spreads a row over the indexes x, and x is always 0 here (no recipe uses it)",
}  # Kaldi's types without a class, and why
