"""What commands share that apply a trained model to a data directory."""

from __future__ import annotations

from dataclasses import dataclass

from steps.options import option, required


@dataclass(frozen=True, kw_only=True)
class AppliedOptions:
    """The model, the data, and where to put what comes out."""

    model: str = required(
        "model", "DIR/final.mdl, with priors or of chain training; what DIR says of features and tree counts"
    )
    data: str = required("data", "data directory with feats.scp and text")
    dir: str = required("dir", "where results go")
    acoustic_scale: float | None = option(
        "acoustic-scale",
        None,
        "scale of log-likelihoods; unset: 0.1 for models with priors, 1.0 for chain models",
        kind="float",
    )
