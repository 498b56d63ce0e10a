"""Objectives at output nodes, by the name that the output node carries."""

from __future__ import annotations

from nnet.objectives.evaluate import Evaluate, PerOutput
from nnet.objectives.frame import Value, linear, quadratic
from nnet.objectives.logits import before_log_softmax, store_label_stats

__all__ = ["Evaluate", "PerOutput", "Value", "before_log_softmax", "linear", "quadratic", "store_label_stats"]
