"""The toolkit's face for Python: what most programs need, imported when first asked for.

No name here may be that of a module of the package, which would hide it when it is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_EXPORTS = {
    "Nnet": "nnet.graph.network:Nnet",
    "OnlineNaturalGradient": "nnet.natural_gradient:OnlineNaturalGradient",
    "Trainer": "nnet.trainer:Trainer",
    "apply_l2_regularization": "nnet.updates:apply_l2_regularization",
    "average": "nnet.combination:average",
    "combine": "nnet.combination:combine",
    "constrain_orthonormal": "nnet.updates:constrain_orthonormal",
    "read_nnet": "nnet.formats.model:read_nnet",
    "write_nnet": "nnet.formats.model:write_nnet",
}
__all__ = list(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
