"""The model before the first iteration of chain training: 0.mdl, a network with a transition model."""

from __future__ import annotations

from pathlib import Path

from nnet.formats.model import AmNnet, am_nnet, read_nnet, write_am
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from nnet.graph.network import Nnet
from steps.experiment import Stage, identity
from steps.initial_model import whole_network
from steps.run import Run

SEED = -1  # Kaldi's


def first_model(run: Run, input_model: str | None, with_xent: bool, earlier: object) -> None:
    """Stage -1: 0.mdl, from the configs or the given model, and DIR/0.trans_mdl."""
    d = run.exp.dir
    inputs = [Path(input_model)] if input_model else sorted((d / "configs").glob("*.config"))
    about = {"inputs": identity([*inputs, d / "0.trans_mdl", d / "tree"]), "earlier stages": earlier}

    def work() -> None:
        write_am(_first_model(run, input_model, with_xent), str(run.exp.model(0)))

    run.do(Stage("0.mdl", -1, (run.exp.model(0),), about), work)


def _first_model(run: Run, input_model: str | None, with_xent: bool) -> AmNnet:
    d = run.exp.dir
    raw = d / "0.raw"
    if input_model is None:
        whole_network(run, SEED, raw)
    nnet = read_nnet(input_model or str(raw))
    check_outputs(nnet, read_tree(str(d / "tree")).num_pdfs, with_xent)
    raw.unlink(missing_ok=True)
    return am_nnet(read_transition_model(str(d / "0.trans_mdl")), nnet)


def check_outputs_early(run: Run, input_model: str | None, num_pdfs: int, with_xent: bool) -> None:
    """check_outputs before examples are made, if the network is known by then: a given model, or the ref.raw
    that xconfig-to-configs leaves, unless final.config was changed after it.
    """
    configs = run.exp.dir / "configs"
    known, final = Path(input_model or configs / "ref.raw"), configs / "final.config"
    if not known.is_file():
        return
    if input_model or (final.is_file() and final.stat().st_mtime <= known.stat().st_mtime):
        check_outputs(read_nnet(str(known)), num_pdfs, with_xent)


def check_outputs(nnet: Nnet, num_pdfs: int, with_xent: bool) -> None:
    """Raise ValueError unless the network has the outputs that training needs, one dimension for each pdf."""
    for name in ("output", "output-xent") if with_xent else ("output",):
        if name not in nnet.output_names():
            why = " for --chain.xent-regularize; give 0 to train without it" if name != "output" else ""
            raise ValueError(f"the network has no output '{name}', which is needed{why}")
        dim = nnet.output_dim(name)
        if dim != num_pdfs:
            raise ValueError(
                f"the network's '{name}' has dim {dim}, the tree has {num_pdfs} leaves: "
                f"give the output layer dim={num_pdfs}"
            )
