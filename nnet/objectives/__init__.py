"""Objectives at output nodes, by the name that the output node carries."""

from __future__ import annotations

from nnet.objectives.evaluate import OBJECTIVES, Evaluate, PerOutput
from nnet.objectives.frame import Value, linear, quadratic

__all__ = ["OBJECTIVES", "Evaluate", "PerOutput", "Value", "linear", "quadratic"]
