"""Objectives at output nodes, by the name that the output node carries."""

from __future__ import annotations

from nnet.objectives.frame import Value, linear, quadratic

OBJECTIVES = {"linear": linear, "quadratic": quadratic}

__all__ = ["OBJECTIVES", "Value", "linear", "quadratic"]
