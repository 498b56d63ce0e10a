"""Streams of minibatches: the fast way through packed archives makes exactly what the general way makes."""

import gzip

import numpy as np
import pytest

from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.packed import open_packed, take_apart
from nnet.examples.split import ChunkOptions
from nnet.examples.stream import StreamOptions, read_minibatches, stream_minibatches
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.tables import TableWriter, read_table
from nnet.minibatch import DenseTarget, SparseTarget
from tests.networks import network

NETWORK = """
input-node name=input dim=6
input-node name=ivector dim=3
component name=a type=AffineComponent input-dim=15 output-dim=5
component-node name=a component=a input=Append(Offset(input,-2), Offset(input,2), ReplaceIndex(ivector,t,0))
output-node name=output input=a objective=linear
"""


def write_archive(path, *, compress=True, num_frames="4", ivectors=True, dense=False, seed=0):
    rng = np.random.default_rng(seed)
    lengths = {f"utt{i}": int(n) for i, n in enumerate(rng.integers(9, 40, 12))}
    feats = ((u, (10 * rng.standard_normal((n, 6))).astype(np.float32)) for u, n in lengths.items())
    targets = {
        u: rng.random((n, 5)).astype(np.float32) if dense else rng.integers(0, 5, n).astype(np.int32)
        for u, n in lengths.items()
    }
    vectors = (
        {u: rng.standard_normal((n, 3)).astype(np.float32) for u, n in lengths.items()} if ivectors else None
    )
    chunks = ChunkOptions(left_context=2, right_context=2, num_frames=num_frames)
    maker = ExampleMaker(MakeOptions(chunks=chunks, dim=5, compress=compress), np.random.default_rng(1))
    with TableWriter(f"ark:{path}", EXAMPLE) as out:
        for key, eg in maker.stream(feats, targets, vectors):
            out.write(key, eg)
    return path


def assert_equal(a, b):
    assert a.n == b.n and set(a.inputs) == set(b.inputs) and set(a.outputs) == set(b.outputs)
    for name, (frames, x) in a.inputs.items():
        assert frames == b.inputs[name][0]
        assert np.array_equal(x, b.inputs[name][1]) and x.dtype == np.float32
    for name, target in a.outputs.items():
        other = b.outputs[name]
        assert target.frames == other.frames
        if isinstance(target, DenseTarget):
            assert np.array_equal(target.values, other.values)
        else:
            assert isinstance(other, SparseTarget) and target.dim == other.dim
            assert entries(target) == entries(other)


def entries(target):
    return sorted(zip(target.t.tolist(), target.n.tolist(), target.column.tolist(), target.weight.tolist()))


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("num_frames", ["4", "8,4", "1"])
@pytest.mark.parametrize("frame", [-1, 0, 3])
@pytest.mark.parametrize("buffer", [-1, 0, 7])
def test_packed_and_general_ways_make_the_same_minibatches(tmp_path, compress, num_frames, frame, buffer):
    path = write_archive(tmp_path / "egs.ark", compress=compress, num_frames=num_frames)
    nnet = network(NETWORK)
    options = StreamOptions("8,3", frame=frame, shuffle_buffer_size=buffer, srand=5)
    assert open_packed(f"ark:{path}") is not None
    logs: list[list[str]] = [[], []]
    fast = list(stream_minibatches(f"ark:{path}", nnet, options, logs[0].append))
    slow = list(stream_minibatches(f"ark:cat {path} |", nnet, options, logs[1].append))
    assert len(fast) == len(slow) and (fast or frame == 3)
    for a, b in zip(fast, slow):
        assert_equal(a, b)
    assert logs[0][-1] == logs[1][-1]


@pytest.mark.parametrize("size", [0, 3, 1000])
def test_a_random_subset_is_the_same_both_ways_and_keeps_so_many(tmp_path, size):
    path = write_archive(tmp_path / "egs.ark")
    options, nnet = StreamOptions("1", srand=2, subset=size), network(NETWORK)
    fast = list(stream_minibatches(f"ark:{path}", nnet, options))
    slow = list(stream_minibatches(f"ark:cat {path} |", nnet, options))
    everything = list(stream_minibatches(f"ark:{path}", nnet, StreamOptions("1")))
    assert len(fast) == len(slow) == min(size, len(everything)) and len(everything) > 3
    for a, b in zip(fast, slow):
        assert_equal(a, b)


def test_dense_targets_are_packed_too(tmp_path):
    path = write_archive(tmp_path / "egs.ark", dense=True)
    options = StreamOptions("4")
    fast = list(stream_minibatches(f"ark:{path}", network(NETWORK), options))
    slow = list(stream_minibatches(f"ark:cat {path} |", network(NETWORK), options))
    for a, b in zip(fast, slow):
        assert_equal(a, b)


def test_what_is_no_plain_archive_is_left_to_the_general_reader(tmp_path):
    path = write_archive(tmp_path / "egs.ark")
    zipped = tmp_path / "egs.ark.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    text = tmp_path / "text.ark"
    with TableWriter(f"ark,t:{text}", EXAMPLE) as out:
        for key, eg in read_table(f"ark:{path}", EXAMPLE):
            out.write(key, eg)
    empty = tmp_path / "empty.ark"
    empty.touch()
    for rspecifier in (
        f"ark:{zipped}",
        f"ark:{text}",
        f"ark:{empty}",
        f"scp:{path}",
        f"ark:cat {path}|",
        "ark:none",
    ):
        assert open_packed(rspecifier) is None
    nnet, options = network(NETWORK), StreamOptions("4")
    reference = list(stream_minibatches(f"ark:{path}", nnet, options))
    for a, b in zip(reference, stream_minibatches(f"ark:{zipped}", nnet, options)):
        assert_equal(a, b)


def test_supervision_with_several_entries_in_a_row_is_left_to_the_general_reader(tmp_path):
    path = tmp_path / "egs.ark"
    maker = ExampleMaker(
        MakeOptions(chunks=ChunkOptions(left_context=2, right_context=2, num_frames="4"), dim=5),
        np.random.default_rng(0),
    )
    feats = [("a", np.ones((9, 6), np.float32))]
    posterior = {"a": [[(0, 0.5), (2, 0.5)]] * 9}
    with TableWriter(f"ark:{path}", EXAMPLE) as out:
        for key, eg in maker.stream(feats, posterior, {"a": np.ones((9, 3), np.float32)}):
            out.write(key, eg)
    assert open_packed(f"ark:{path}") is None
    assert list(stream_minibatches(f"ark:{path}", network(NETWORK), StreamOptions("1:4")))


@pytest.mark.parametrize("at", [1, 20, 80, -40, -3])
def test_a_damaged_archive_is_an_error_with_its_name(tmp_path, at):
    path = write_archive(tmp_path / "egs.ark")
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(data[:at]))
    with pytest.raises(ValueError, match=r"egs\.ark"):
        list(stream_minibatches(f"ark:{path}", network(NETWORK), StreamOptions("4")))


def test_a_label_beyond_the_classes_is_an_error(tmp_path):
    write_archive(tmp_path / "egs.ark")
    packed = open_packed(f"ark:{tmp_path}/egs.ark")
    layout = max(packed.layouts, key=lambda layout: len(layout.starts))
    io = next(io for io in layout.ios if io.name == "output")
    at = layout.starts[-1] + io.offset + 14  # of the class of the first row of the last example
    damaged = bytearray((tmp_path / "egs.ark").read_bytes())
    assert int.from_bytes(damaged[at : at + 4], "little") < io.cols
    damaged[at : at + 4] = (io.cols).to_bytes(4, "little")
    (tmp_path / "egs.ark").write_bytes(damaged)
    with pytest.raises(ValueError, match=f"corrupt: 'output' has a label of class {io.cols}, there are"):
        open_packed(f"ark:{tmp_path}/egs.ark").labels(layout, io, np.arange(len(layout.starts)))


def test_an_example_for_another_network_is_an_error(tmp_path):
    path = write_archive(tmp_path / "egs.ark")
    with pytest.raises(ValueError, match="ivector"):
        list(stream_minibatches(f"ark:{path}", network(), StreamOptions("4")))


def test_taking_apart_rubbish_gives_nothing():
    for data in (
        b"",
        b"<Nnet3Eg> ",
        b"<Nnet3Eg> <NumIo> \x04\x01\x00\x00\x00<NnetIo> input <I1V> \x04\xff\xff\xff\xff",
    ):
        assert take_apart(data, 0) is None


def test_merged_examples_are_read_as_they_are(tmp_path):
    path = tmp_path / "merged.ark"
    indexes = np.array([(n, t, 0) for n in range(2) for t in range(-2, 3)], np.int32)
    feats = np.arange(60, dtype=np.float32).reshape(10, 6)
    out_indexes = np.array([(0, 0, 0), (1, 0, 0)], np.int32)
    ivectors = NnetIo("ivector", out_indexes, np.ones((2, 3), np.float32))
    eg = NnetExample(
        [
            NnetIo("input", indexes, feats),
            ivectors,
            NnetIo("output", out_indexes, np.eye(2, 5, dtype=np.float32)),
        ]
    )
    with TableWriter(f"ark:{path}", EXAMPLE) as out:
        out.write("m", eg)
    batch = next(read_minibatches(f"ark:{path}", network(NETWORK)))
    assert batch.n == 2 and batch.inputs["input"][1].shape == (5, 2, 6)
    assert np.array_equal(batch.inputs["input"][1][:, 1], feats[5:])
