"""Examples turned into the arrays of a minibatch."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.examples.merge import merge_examples
from nnet.examples.minibatch import to_minibatch
from nnet.formats.examples import NnetExample, NnetIo
from nnet.formats.matrix import compress, dense, from_pairs
from nnet.minibatch import DenseTarget, SparseTarget
from tests.nnet.examples.toys import frame_example, indexes, values

INPUTS, OUTPUTS = ["input", "ivector"], ["output"]


def target_array(target, n):
    """The entries of a sparse target as (T, N, dim)."""
    y = np.zeros((len(target.frames), n, target.dim), np.float32)
    np.add.at(y, (target.t, target.n, target.column), target.weight)
    return y


def assert_equal_batches(a, b):
    assert a.n == b.n and a.inputs.keys() == b.inputs.keys() and a.outputs.keys() == b.outputs.keys()
    for name, (frames, x) in a.inputs.items():
        assert frames == b.inputs[name][0] and np.array_equal(x, b.inputs[name][1])
    for name, y in a.outputs.items():
        assert y.frames == b.outputs[name].frames
        assert np.array_equal(target_array(y, a.n), target_array(b.outputs[name], b.n))


def test_arrays_are_time_first_and_hold_each_examples_rows(rng):
    egs = [frame_example(rng, ivector=2, step=3) for _ in range(5)]
    batch = to_minibatch(egs, INPUTS, OUTPUTS)
    assert batch.n == 5
    frames, x = batch.inputs["input"]
    assert frames == tuple(range(-2, 11)) and x.shape == (13, 5, 3) and x.dtype == np.float32
    assert batch.inputs["ivector"][0] == (0,) and batch.inputs["ivector"][1].shape == (1, 5, 2)
    y = batch.outputs["output"]
    assert isinstance(y, SparseTarget) and y.frames == (0, 3, 6, 9) and y.dim == 5
    for n, eg in enumerate(egs):
        assert np.array_equal(x[:, n], eg.io[0].features)
        assert np.array_equal(target_array(y, 5)[:, n], dense(eg.io[2].features))


def test_merged_examples_give_the_same_minibatch(rng):
    egs = [frame_example(rng, ivector=2) for _ in range(6)]
    whole = to_minibatch(egs, INPUTS, OUTPUTS)
    assert_equal_batches(to_minibatch([merge_examples(egs)], INPUTS, OUTPUTS), whole)
    halves = [merge_examples(egs[:3]), merge_examples(egs[3:])]
    assert_equal_batches(to_minibatch(halves, INPUTS, OUTPUTS), whole)


def test_rows_may_come_in_any_order(rng):
    eg = merge_examples([frame_example(rng) for _ in range(3)])
    mixed = []
    for io in eg.io:
        order = rng.permutation(len(io.indexes))
        mixed.append(NnetIo(io.name, io.indexes[order], dense(io.features)[order]))
    a, b = to_minibatch([eg], INPUTS, OUTPUTS), to_minibatch([NnetExample(mixed)], INPUTS, OUTPUTS)
    assert np.array_equal(a.inputs["input"][1], b.inputs["input"][1])
    assert isinstance(b.outputs["output"], DenseTarget) and b.outputs["output"].dim == 5
    assert np.array_equal(b.outputs["output"].values, target_array(a.outputs["output"], 3))


@pytest.mark.parametrize("labels", [4, 12])
def test_compressed_features_are_decompressed_exactly(rng, labels):
    egs = [frame_example(rng, labels=labels) for _ in range(4)]
    for eg in egs:
        eg.io[0].features = compress(eg.io[0].features)
    x = to_minibatch(egs, INPUTS, OUTPUTS).inputs["input"][1]
    assert all(np.array_equal(x[:, n], eg.io[0].features.dense()) for n, eg in enumerate(egs))
    egs[1].io[0].features = egs[1].io[0].features.dense()
    assert np.array_equal(to_minibatch(egs, INPUTS, OUTPUTS).inputs["input"][1], x)


def test_several_entries_or_none_in_a_frame_are_kept(rng):
    eg = frame_example(rng, labels=3)
    eg.io[1].features = from_pairs([[(0, 0.25), (4, 0.75)], [], [(2, 1.0)]], 5)
    y = to_minibatch([frame_example(rng, labels=3), eg], INPUTS, OUTPUTS).outputs["output"]
    entries = sorted(zip(y.n.tolist(), y.t.tolist(), y.column.tolist(), y.weight.tolist()))
    assert entries[3:] == [(1, 0, 0, 0.25), (1, 0, 4, 0.75), (1, 2, 2, 1.0)]


def test_different_structures_are_refused_with_the_key_of_the_example(rng):
    keys = ["a-0", "b-8"]
    with pytest.raises(
        ValueError, match=r"example b-8: 'input' has \(8, 3\) values .* example a-0 with \(7, 3\)"
    ):
        to_minibatch([frame_example(rng), frame_example(rng, labels=5)], INPUTS, OUTPUTS, keys)
    with pytest.raises(ValueError, match="example b-8 has 3 inputs and outputs, example a-0 has 2"):
        to_minibatch([frame_example(rng), frame_example(rng, ivector=2)], INPUTS, OUTPUTS, keys)
    other = frame_example(rng)
    other.io[1].name = "output-1"
    with pytest.raises(ValueError, match="example 1 has 'output-1', example 0 does not"):
        to_minibatch([frame_example(rng), other], INPUTS, [*OUTPUTS, "output-1"])


def test_names_must_be_nodes_of_the_network(rng):
    with pytest.raises(ValueError, match="example utt-0 has an io 'output', but the network has no such"):
        to_minibatch([frame_example(rng)], INPUTS, ["output-xent"], ["utt-0"])
    eg = frame_example(rng)
    with pytest.raises(ValueError, match="has no output of the network, only input"):
        to_minibatch([NnetExample(eg.io[:1])], INPUTS, OUTPUTS)
    with pytest.raises(ValueError, match="has no input of the network, only output"):
        to_minibatch([NnetExample(eg.io[1:])], INPUTS, OUTPUTS)
    with pytest.raises(ValueError, match="at least one example"):
        to_minibatch([], INPUTS, OUTPUTS)


@pytest.mark.parametrize("rows, message", [
    ([(0, 0, 0), (0, 0, 0)], "do not hold each of 1 frames once"),
    ([(0, 0, 0), (0, 1, 0), (1, 0, 0)], "3 rows of 'input' do not hold each of 2 frames once for each of 2"),
    ([(0, 0, 0), (0, 1, 2)], "an index with x = 2, where only 0 is supported"),
    ([(-1, 0, 0), (0, 0, 0)], "do not hold each of"),
])  # fmt: skip
def test_rows_must_form_a_grid_of_frames_and_sequences(rng, rows, message):
    eg = frame_example(rng)
    eg.io[0] = NnetIo("input", np.array(rows, np.int32), values(rng, len(rows), 3))
    with pytest.raises(ValueError, match=message):
        to_minibatch([eg], INPUTS, OUTPUTS)


def test_all_ios_must_hold_the_same_sequences(rng):
    eg = merge_examples([frame_example(rng), frame_example(rng)])
    eg.io[1] = NnetIo("output", indexes(range(4)), values(rng, 4, 5))
    with pytest.raises(ValueError, match="'output' has 1 sequences, 'input' has 2"):
        to_minibatch([eg], INPUTS, OUTPUTS)
    eg.io[1] = NnetIo("output", indexes([]), np.zeros((0, 5), np.float32))
    with pytest.raises(ValueError, match="'output' has no rows"):
        to_minibatch([eg], INPUTS, OUTPUTS)
