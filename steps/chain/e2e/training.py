"""Flat-start chain training: what steps/chain/e2e/train_e2e.py does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnet.files import atomic_copy
from nnet.formats.basic import open_output
from nnet.formats.transitions import read_transition_model, write_transitions
from steps.chain.e2e.graph_dir import GraphDir
from steps.chain.e2e.options import E2eOptions
from steps.chain.training import ChainTraining
from steps.make_egs import Request
from steps.run import Run
from steps.texts import write_number


def train(run: Run) -> None:
    """Train from the first stage that is not done to the last."""
    options = run.options
    assert isinstance(options, E2eOptions)
    E2eTraining(run, options, GraphDir(Path(options.tree_dir))).train()


@dataclass
class E2eTraining(ChainTraining):
    """One run of steps/chain/e2e/train_e2e.py."""

    options: E2eOptions
    graphs: GraphDir

    def check(self) -> None:
        super().check()
        self.graphs.check()
        path = self.options.lengths_file
        if self.options.egs_dir is None and path is not None and not path.is_file():
            raise ValueError(
                f"--feat-dir={self.options.feat_dir}: there is no {path}; steps.chain.e2e.perturb makes a "
                "data directory of a few allowed lengths"
            )

    def input_files(self) -> list[Path]:
        return self.graphs.input_files()

    def labels(self) -> GraphDir:
        return self.graphs

    def graph(self) -> None:
        d, tree = self.run.exp.dir, self.graphs.path
        for name in ("tree", "phones.txt", "phone_lm.fst"):
            if (tree / name).is_file():
                atomic_copy(tree / name, d / name)
        with open_output(str(d / "0.trans_mdl")) as out:
            write_transitions(out, read_transition_model(str(tree / "final.mdl")))
        write_number(d / "num_jobs", len(self.graphs.scripts()))

    def request(self, contexts: dict[str, Any]) -> Request:
        request = super().request(contexts)
        return replace(request, more={**request.more, "source": "steps.chain.e2e.egs_source"})
