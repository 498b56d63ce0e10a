"""What nnet3-copy and nnet3-am-copy do to a network between reading and writing, step by step.

Numbers from the command line are rounded to float32 first, as in Kaldi.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nnet import edits
from nnet.formats.config import config_text, read_config
from nnet.graph.network import Nnet
from nnet.programs.program import log, warn
from nnet.tree import scale, updatable


def configured(nnet: Nnet, config: str, prog: str) -> Nnet:
    """With the nodes and components of the file `config` added, if one is given (--nnet-config)."""
    return read_config(config, nnet, warn=partial(warn, prog)) if config else nnet


def set_learning_rate(nnet: Nnet, rate: float) -> None:
    """Set all learning rates, times each component's factor, unless `rate` is negative (--learning-rate)."""
    if rate >= 0:
        for _, c in updatable(nnet.components):
            c.set_learning_rate(float(np.float32(rate)))


def scaled(nnet: Nnet, alpha: float) -> None:
    """Multiply parameters and statistics, unless `alpha` is 1 (--scale)."""
    if alpha != 1.0:
        for c in nnet.components.values():
            scale(c, float(np.float32(alpha)))


def edited(nnet: Nnet, config: str, text: str, prog: str) -> Nnet:
    """After the edits of a file and of an option, in this order (--edits-config, --edits)."""
    report = edits.Report(partial(log, prog), partial(warn, prog))
    if config:
        nnet = edits.edit(nnet, config_text(config), report, config)
    return edits.edit(nnet, edits.split_edits(text), report, "--edits") if text else nnet
