"""All component types by Kaldi's name; a new family is a module here and a line in the table."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any

from nnet.component import Component

_FAMILIES = {
    "activations": "Sigmoid Tanh RectifiedLinear Softmax LogSoftmax",
    "attention": "RestrictedAttention",
    "block": "RepeatedAffine NaturalGradientRepeatedAffine BlockAffine",
    "composite": "Composite",
    "constant": "Constant ConstantFunction",
    "convolution": "TimeHeightConvolution",
    "convolution_old": "Convolution Maxpooling",
    "dropout": "Dropout GeneralDropout SpecAugmentTimeMask DropoutMask",
    "elementwise": "FixedScale FixedBias PerElementScale NaturalGradientPerElementScale PerElementOffset "
    "ScaleAndOffset",
    "gru": "GruNonlinearity OutputGruNonlinearity",
    "linear": "Affine NaturalGradientAffine Linear FixedAffine",
    "normalize": "Normalize BatchNorm",
    "pooling": "StatisticsExtraction StatisticsPooling",
    "recurrent": "LstmNonlinearity",
    "shape": "NoOp Permute SumBlock ElementwiseProduct Pnorm SumGroup",
    "tdnn": "Tdnn",
    "truncation": "BackpropTruncation ClipGradient",
}  # module -> its classes; the type in Kaldi's files is the class's name with Component behind it


class _Types(UserDict[str, Any]):
    """TYPE -> class. A family is imported when a type of it is first asked for: start-up pays for what a
    model has.
    """

    def __getitem__(self, type_name: str) -> type[Component]:
        found = self.data[type_name]
        if isinstance(found, str):
            module = import_module(f"{__name__}.{found}")
            found = self.data[type_name] = getattr(module, type_name.removesuffix("Component"))
        return found  # type: ignore[no-any-return]


TYPES = _Types({f"{name}Component": module for module, names in _FAMILIES.items() for name in names.split()})

REFUSED = {
    "DistributeComponent": "it spreads a row over the indexes x, and x is always 0 here (no recipe uses it)",
}  # Kaldi's types without a class, and why
