"""Training with frame-level objectives: which examples are made, and how jobs read them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import make_egs
from steps.checks import check_frames
from steps.egs_dir import Examples
from steps.egs_options import egs_options
from steps.input_dims import data_dir
from steps.labels import Labels
from steps.method import Chunks, FrameByFrame, Method
from steps.train_options import ChunkOptions, FrameLevelOptions, SingleFrameOptions
from steps.training import TrainingRun

EGS_OPTIONS = (
    "feat.online-ivector-dir",
    "feat.cmvn-opts",
    "egs.opts",
    "trainer.samples-per-iter",
    "trainer.srand",
)


@dataclass
class FrameTraining(TrainingRun):
    """One run of a training script with frame-level objectives."""

    options: FrameLevelOptions

    @abstractmethod
    def labels(self) -> Labels:
        """What examples are to be labelled with."""

    def check(self) -> None:
        check_frames(self.options)

    def request(self, contexts: dict[str, Any]) -> make_egs.Request:
        o = self.options
        return make_egs.Request(
            data_dir(o),
            self.labels(),
            self.egs,
            egs_options(o.egs_opts),
            o.widths,
            int(o.widths.split(",")[0]) * o.samples_per_iter,
            o.srand,
            **contexts,
            ivector_dir=Path(o.online_ivector_dir) if o.online_ivector_dir else None,
            cmvn_opts=o.cmvn_opts or "",
        )

    def egs_about(self, request: make_egs.Request) -> dict[str, Any]:
        return self.run.about(*EGS_OPTIONS)

    def method(self, examples: Examples, context: tuple[int, int]) -> Method:
        if isinstance(self.options, ChunkOptions):
            return Chunks(examples, self.options, *context)
        assert isinstance(self.options, SingleFrameOptions)
        return FrameByFrame(examples, self.options)
