"""Training with the chain objective: denominator graph, examples, a model without priors. Where the
supervision comes from, lattices or transcripts, is left to subclasses.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from nnet.formats.tree import read_tree
from nnet.graph.network import Nnet
from steps.chain.denominator import make_den_fst
from steps.chain.first_model import check_outputs_early, first_model
from steps.chain.method import Sequences
from steps.chain.options import ChainOptions
from steps.checks import check_chunks
from steps.egs_dir import CHAIN, EgsInfo, Examples, find_examples
from steps.egs_options import ChainEgsOptions, parse_egs_options
from steps.experiment import Stage
from steps.input_dims import check_inputs, data_dir
from steps.labels import Labels
from steps.make_egs import Request
from steps.texts import write_number
from steps.training import Numbers, TrainingRun

EGS_OPTIONS = (
    "feat.online-ivector-dir",
    "feat.cmvn-opts",
    "egs.opts",
    "trainer.frames-per-iter",
    "trainer.srand",
    "chain.frame-subsampling-factor",
    "chain.alignment-subsampling-factor",
)


@dataclass
class ChainTraining(TrainingRun):
    """One run of training with the chain objective."""

    options: ChainOptions
    numbers = Numbers(init=-4, examples=-3, transform=-2)
    lda_program = "nnet.programs.nnet3_chain_acc_lda_stats"

    @abstractmethod
    def labels(self) -> Labels:
        """Where the supervision of utterances comes from."""

    @abstractmethod
    def graph(self) -> None:
        """Put phone_lm.fst, tree, 0.trans_mdl and phones.txt into the run's directory."""

    @property
    def more(self) -> str:
        """Further options of nnet3-chain-train and nnet3-chain-compute-prob."""
        return ""

    @property
    def tree(self) -> Path:
        """The directory of the tree."""
        return Path(self.options.tree_dir)

    def check(self) -> None:
        self.egs_options()
        check_chunks(self.options, "--trainer.num-chunk-per-minibatch")
        super().check()
        for name in ("tree", "final.mdl"):
            if not (self.tree / name).is_file():
                raise ValueError(f"--tree-dir={self.tree}: there is no {self.tree / name}")

    def input_files(self) -> list[Path]:
        return [self.tree / "tree", self.tree / "final.mdl"]

    def begin(self) -> None:
        o, d = self.options, self.run.exp.dir
        check_inputs(o)
        num_pdfs = read_tree(str(self.tree / "tree")).num_pdfs
        check_outputs_early(self.run, o.input_model, num_pdfs, o.xent_regularize != 0.0)
        for name, number in (("srand", o.srand), ("frame_subsampling_factor", o.frame_subsampling_factor)):
            write_number(d / name, number)
        self.graph()
        make_den_fst(self.run, self.tree / "tree", self.tree / "final.mdl")

    def further_context(self) -> int:
        """Frames for the shifts of the input."""
        return self.options.frame_subsampling_factor // 2

    def egs_options(self) -> ChainEgsOptions:
        """What --egs.opts says. Raises ValueError."""
        return parse_egs_options(ChainEgsOptions, self.options.egs_opts)

    def request(self, contexts: dict[str, Any]) -> Request:
        o = self.options
        return Request(
            data_dir(o),
            self.labels(),
            self.egs,
            self.egs_options(),
            o.widths,
            o.frames_per_iter,
            o.srand,
            **contexts,
            ivector_dir=Path(o.online_ivector_dir) if o.online_ivector_dir else None,
            cmvn_opts=o.cmvn_opts or "",
            sort=CHAIN,
            more={"chain_dir": str(self.run.exp.dir), "frame_subsampling_factor": o.frame_subsampling_factor},
        )

    def egs_about(self, request: Request) -> dict[str, Any]:
        return self.run.about(*EGS_OPTIONS)

    def examples(self) -> Examples:
        return find_examples(self.egs, CHAIN) if self.options.egs_dir else Examples(self.egs, sort=CHAIN)

    def verify(self, examples: Examples, info: EgsInfo, wanted: EgsInfo) -> None:
        """Raise ValueError also for examples of another frame rate or tree, as the first one shows."""
        super().verify(examples, info, wanted)
        factor, pdfs = self.options.frame_subsampling_factor, read_tree(str(self.tree / "tree")).num_pdfs
        for key, eg in read_table(examples.subset("valid_diagnostic"), CHAIN_EXAMPLE):
            t, dim = eg.outputs[0].indexes[:, 1], eg.outputs[0].supervision.label_dim
            step = int(t[1] - t[0]) if len(t) > 1 else factor
            if step != factor:
                raise ValueError(
                    f"the examples in {self.egs} have an output every {step} frames ({key}), but "
                    f"--chain.frame-subsampling-factor={factor}"
                )
            if dim != pdfs:
                raise ValueError(
                    f"the examples in {self.egs} are for {dim} pdfs ({key}), "
                    f"the tree in {self.tree} has {pdfs}"
                )
            return

    def method(self, examples: Examples, context: tuple[int, int]) -> Sequences:
        return Sequences(examples, self.options, self.run.exp.dir / "den.fst", *context, self.more)

    def first_model(self, examples: Any) -> Nnet:
        o, exp = self.options, self.run.exp
        first_model(self.run, o.input_model, o.xent_regularize != 0.0, {"examples": examples})
        return read_nnet(str(exp.model(exp.last_model() or 0)))

    def finals(self) -> tuple[Path, ...]:
        return (self.run.exp.model("final"),)

    def finish(self, last: Path, archives: list[str], final: Stage) -> None:
        """Make final.mdl, a copy of the combined or last model, and score it."""
        self.run.do(final, lambda: self.copy_final(last))
        self.run.exp.model("combined").unlink(missing_ok=True)
        self.diagnostics.add("final")
