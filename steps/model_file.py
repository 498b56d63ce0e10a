"""Models of a run as files: acoustic models (.mdl) with transitions and priors, or bare networks (.raw)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnet.formats.model import AmNnet, read_am, read_nnet, write_am, write_nnet
from nnet.graph.network import Nnet


@dataclass(frozen=True)
class RawNnet:
    """A network that is nothing more, with the face of an acoustic model."""

    nnet: Nnet

    def with_nnet(self, nnet: Nnet) -> RawNnet:
        """The same with another network."""
        return RawNnet(nnet)

    with_trained = with_nnet


Model = AmNnet | RawNnet


def read_model(path: Path) -> Model:
    """The model in a file; its suffix tells the kind."""
    return RawNnet(read_nnet(str(path))) if path.suffix == ".raw" else read_am(str(path))


def write_model(model: Model, path: Path) -> None:
    """Write a model of either kind."""
    if isinstance(model, RawNnet):
        write_nnet(model.nnet, str(path))
    else:
        write_am(model, str(path))
