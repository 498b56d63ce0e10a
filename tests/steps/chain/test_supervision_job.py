"""Jobs that make supervision of lattices: pruning, and lattices that are no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnet.fst.lattice import ONE, ZERO, Lattice, Weight
from steps.chain.supervision_job import Maker
from tests.steps.chain.corpus import make_chain_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chain_corpus(tmp_path_factory.mktemp("chain"))


def maker(corpus: Path, prune_beam: float | None, acoustic_scale: float = 0.1) -> Maker:
    return Maker(
        {
            "lattice_model": str(corpus / "lats/final.mdl"),
            "tree": str(corpus / "tree/tree"),
            "transitions": str(corpus / "tree/final.mdl"),
            "left_tolerance": 1,
            "right_tolerance": 1,
            "alignment_subsampling_factor": 3,
            "lm_scale": 0.0,
            "convert_to_pdfs": True,
            "prune_beam": prune_beam,
            "acoustic_scale": acoustic_scale,
        }
    )


def two_ways() -> Lattice:
    """Phone 1 or phone 2 for nine frames; the second costs 2 + 0.1 x 10 more."""

    def ids(out: int) -> tuple[int, ...]:
        return (out, *[out - 1] * 8)  # a loop comes before the way out

    arcs = [(1, 1, Weight(0.0, 0.0, ids(2)), 1), (2, 2, Weight(2.0, 10.0, ids(4)), 1)]
    return Lattice(0, [arcs, []], [ZERO, ONE])


@pytest.mark.parametrize(
    ("beam", "acoustic_scale", "both"),
    [(None, 0.1, True), (3.5, 0.1, True), (2.5, 0.1, False), (0.0, 0.1, False), (2.5, 0.01, True)],
)
def test_a_beam_decides_which_paths_become_supervision(
    corpus: Path, beam: float | None, acoustic_scale: float, both: bool
) -> None:
    found = maker(corpus, beam, acoustic_scale).make(two_ways())
    pdfs = {int(label) for fst in found.fsts for label in fst.ilabels}
    assert pdfs == ({1, 2, 3, 4} if both else {1, 2})


@pytest.mark.parametrize("beam", [None, 0.0, 4.0])
def test_a_lattice_without_a_path_is_told(corpus: Path, beam: float | None) -> None:
    with pytest.raises(ValueError, match="the lattice has no path"):
        maker(corpus, beam).make(Lattice(0, [[], []], [ZERO, ZERO]))
