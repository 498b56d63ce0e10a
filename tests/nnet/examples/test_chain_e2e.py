"""End-to-end chain examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnet.chain.normalization import normalization_fst
from nnet.examples.chain_e2e import E2eMaker, E2eOptions
from nnet.examples.chain_merge import merge_chain_examples
from nnet.formats.basic import open_output
from nnet.formats.fst import FST, write_fst_file
from nnet.formats.kinds import MATRIX
from nnet.formats.matrix import dense
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.transitions import write_transitions
from nnet.fst.arrays import Fst
from nnet.programs import nnet3_chain_e2e_get_egs
from tests.nnet.chain.test_e2e import model, training_graph

TRANSITIONS = model()[1]
OPTIONS = E2eOptions(lengths=(9, 15), left_context=2, right_context=1)


def feats(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(count, 3)).astype(np.float32)


def made(features: dict[str, np.ndarray], graph: Fst, options: E2eOptions = OPTIONS, **more):
    told: list[str] = []
    maker = E2eMaker(TRANSITIONS, options, np.random.default_rng(0), warn=told.append)
    return dict(maker.stream(((u, graph) for u in ("a", *features)), features, **more)), maker.counts, told


def test_an_example_is_the_utterance_with_its_edges_repeated(rng: np.random.Generator) -> None:
    x = feats(9, rng)
    options = E2eOptions(lengths=(9, 15), left_context=2, right_context=1, compress=False)
    examples, counts, _ = made({"b": x}, training_graph([2, 3]), options)
    (eg,) = examples.values()
    np.testing.assert_array_equal(dense(eg.inputs[0].features), x[np.clip(np.arange(-2, 10), 0, 8)])
    assert eg.inputs[0].indexes[0].tolist() == [0, -2, 0]
    assert eg.outputs[0].indexes[:, 1].tolist() == [0, 3, 6]
    supervision = eg.outputs[0].supervision
    assert (supervision.end_to_end, supervision.frames_per_sequence, supervision.label_dim) == (True, 3, 6)
    assert (counts.examples, counts.no_features) == (1, 1)


def test_a_few_frames_more_or_less_are_mended(rng: np.random.Generator) -> None:
    examples, counts, told = made({"b": feats(13, rng), "c": feats(19, rng)}, training_graph([2, 3]))
    assert [e.inputs[0].features.shape[0] for e in examples.values()] == [18, 18]
    assert counts.wrong_length == 0
    assert told == ["No features for utterance a"]


@pytest.mark.parametrize(("frames", "phones"), [(25, [2]), (0, [2]), (9, [2, 3, 2, 3])])
def test_what_cannot_be_used_is_left_out_and_told(
    frames: int, phones: list[int], rng: np.random.Generator
) -> None:
    examples, counts, told = made({"b": feats(frames, rng)}, training_graph(phones))
    assert not examples
    assert (counts.wrong_length, counts.too_short) == ((1, 0) if len(phones) == 1 else (0, 1))
    assert "tterance b" in told[1]


def test_what_the_denominator_cannot_say_is_counted(rng: np.random.Generator) -> None:
    norm = normalization_fst(Fst.from_arcs([(0, 1, 1, 0.7, 0)], [0.7]))
    told: list[str] = []
    maker = E2eMaker(TRANSITIONS, OPTIONS, rng, norm, told.append)
    assert not list(maker.stream([("b", training_graph([2]))], {"b": feats(9, rng)}))
    assert (maker.counts.impossible, maker.counts.problems) == (1, 1)
    assert told == ["Utterance b cannot be said by the denominator graph"]


def test_features_that_are_not_finite_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="utterance b: its features"):
        made({"b": feats(9, rng) * np.float32(np.inf)}, training_graph([2]))


def test_ivectors_come_along(rng: np.random.Generator) -> None:
    table = {"b": rng.normal(size=(2, 4)).astype(np.float32), "c": np.zeros((90, 4), np.float32)}
    options = E2eOptions(lengths=(9,), ivector_period=5, compress=False, ivector_length_tolerance=10)
    examples, counts, _ = made(
        {u: feats(9, rng) for u in "bcd"}, training_graph([2]), options, ivectors=table
    )
    assert list(examples) == ["b"]
    assert examples["b"].inputs[1].features.shape == (1, 4)
    assert (counts.wrong_length, counts.no_ivectors, counts.no_features) == (1, 1, 1)


def test_examples_of_one_length_merge(rng: np.random.Generator) -> None:
    examples, _, _ = made({"b": feats(9, rng), "c": feats(9, rng)}, training_graph([2, 3]))
    merged = merge_chain_examples(list(examples.values()))
    assert merged.outputs[0].supervision.num_sequences == 2
    assert len(merged.outputs[0].supervision.fsts) == 2


def test_lengths_must_be_given() -> None:
    with pytest.raises(ValueError, match="allowed lengths"):
        E2eOptions(lengths=())


@pytest.fixture
def tables(tmp_path: Path, rng: np.random.Generator) -> list[str]:
    """Arguments of the program before the examples."""
    with (
        TableWriter(f"ark:{tmp_path}/feats", MATRIX) as features,
        TableWriter(f"ark:{tmp_path}/fsts", FST) as graphs,
        open_output(str(tmp_path / "mdl")) as out,
    ):
        write_transitions(out, TRANSITIONS)
        for k, (frames, phones) in enumerate([(9, [2, 3]), (17, [3, 2, 2]), (9, [3, 3, 3, 3]), (15, [2])]):
            features.write(f"u{k}", feats(frames, rng))
            graphs.write(f"u{k}", training_graph(phones))
    arcs = [(0, p, p, 0.1 * p, (p + 1) % 2) for p in range(1, 7)] + [
        (1, p, p, 1.5, 0) for p in range(6, 0, -1)
    ]
    write_fst_file(str(tmp_path / "norm"), normalization_fst(Fst.from_arcs(arcs, [0.7, 0.1])))
    return [f"ark:{tmp_path}/feats", f"ark:{tmp_path}/fsts", str(tmp_path / "mdl")]


def test_the_program_writes_what_can_be_used(tables: list[str], tmp_path: Path) -> None:
    options = ["--num-frames=9,15", "--frame-subsampling-factor=3"]
    assert nnet3_chain_e2e_get_egs.main([*options, *tables, f"ark:{tmp_path}/egs"]) == 0
    keys = [k for k, _ in read_table(f"ark:{tmp_path}/egs", nnet3_chain_e2e_get_egs.CHAIN_EXAMPLE)]
    assert keys == ["u0", "u1", "u3"]
    assert nnet3_chain_e2e_get_egs.main(["--num-frames=-1", *tables, f"ark:{tmp_path}/x"]) == 1


def test_kaldi_writes_the_same_bytes(tables: list[str], tmp_path: Path, kaldi: Callable[..., object]) -> None:
    options = ["--num-frames=9,15", "--frame-subsampling-factor=3", "--left-context=4", "--right-context=2"]
    for norm in ([], [str(tmp_path / "norm")]):
        kaldi("nnet3-chain-e2e-get-egs", *options, *norm, *tables, f"ark:{tmp_path}/theirs")
        assert nnet3_chain_e2e_get_egs.main([*options, *norm, *tables, f"ark:{tmp_path}/ours"]) == 0
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
