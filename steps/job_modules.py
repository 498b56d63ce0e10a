"""What jobs of every training need, imported before the first one, so that a job starts in milliseconds."""

from __future__ import annotations

FAMILIES = ("linear", "tdnn", "activations", "normalize", "recurrent")  # of components; others when wanted

ENGINE_MODULES = (
    "numpy",
    "numpy.random",
    *(f"nnet.components.{family}" for family in FAMILIES),
    "steps.diagnose",
    "steps.combine_job",
    "steps.egs_job",
)
