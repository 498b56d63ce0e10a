"""Tables read in order and written: all forms, Kaldi's bytes, failing pipes."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from nnet.formats.matrix import compress, from_pairs
from nnet.formats.tables import (
    BOOL,
    DOUBLE,
    DOUBLE_MATRIX,
    DOUBLE_VECTOR,
    FLOAT,
    GENERAL_MATRIX,
    INT,
    INT_VECTOR,
    INT_VECTOR_VECTOR,
    MATRIX,
    POSTERIOR,
    TOKEN,
    TOKEN_VECTOR,
    VECTOR,
    Kind,
    TableWriter,
    read_table,
)
from tests.nnet.formats.tables import X, write

VALUES = {
    "matrix": (MATRIX, [X, X[:1] - 1, np.zeros((0, 0), np.float32)]),
    "double matrix": (DOUBLE_MATRIX, [X.astype(np.float64)]),
    "general matrix": (GENERAL_MATRIX, [X, from_pairs([[(1, 2.0)], []], 4).dense()]),
    "vector": (VECTOR, [X[0], X[0, :0]]),
    "double vector": (DOUBLE_VECTOR, [X[0].astype(np.float64)]),
    "int vector": (INT_VECTOR, [np.array([1, -2, 3]), np.array([], int)]),
    "int lists": (INT_VECTOR_VECTOR, [[np.array([1, 2]), np.array([], int), np.array([3])], []]),
    "posterior": (POSTERIOR, [[[(3, 0.5), (4, 0.25)], [], [(7, 1.0)]], [[(1, 1.0)], [(2, 0.5)]], []]),
    "int": (INT, [5, -7]),
    "float": (FLOAT, [0.5, -2.0]),
    "double": (DOUBLE, [0.125]),
    "bool": (BOOL, [True, False]),
    "token": (TOKEN, ["speaker1", "é"]),
    "token vector": (TOKEN_VECTOR, [["a", "b"], []]),
}


def same(a: object, b: object) -> bool:
    if isinstance(b, list) and b and isinstance(b[0], np.ndarray):
        return len(a) == len(b) and all(np.array_equal(p, q) for p, q in zip(a, b))
    return np.array_equal(a, b) if isinstance(b, np.ndarray) else a == b


def check(rspecifier: str, kind: Kind, values: list) -> None:
    items = list(read_table(rspecifier, kind))
    assert [k for k, _ in items] == [f"key{n}" for n in range(len(values))]
    assert all(same(v, expected) for (_, v), expected in zip(items, values))


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("form", ["ark", "ark,t", "ark,b,f"])
def test_archives_are_read_as_they_were_written(name, form, tmp_path):
    kind, values = VALUES[name]
    write(f"{form}:{tmp_path}/a", kind, values)
    check(f"ark:{tmp_path}/a", kind, values)
    check(f"ark,bg:{tmp_path}/a", kind, values)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("form", ["ark,scp", "ark,scp,t"])
def test_script_files_point_at_the_values(name, form, tmp_path):
    kind, values = VALUES[name]
    write(f"{form}:{tmp_path}/a.ark,{tmp_path}/a.scp", kind, values)
    check(f"scp:{tmp_path}/a.scp", kind, values)
    check(f"scp,bg:{tmp_path}/a.scp", kind, values)


WRITERS = {
    "matrix": "FloatMatrixWriter",
    "double matrix": "DoubleMatrixWriter",
    "vector": "FloatVectorWriter",
    "double vector": "DoubleVectorWriter",
    "int vector": "Int32VectorWriter",
    "int lists": "Int32VectorVectorWriter",
    "posterior": "PosteriorWriter",
    "int": "Int32Writer",
    "float": "FloatWriter",
    "double": "DoubleWriter",
    "bool": "BoolWriter",
    "token": "TokenWriter",
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("form", ["ark,scp", "ark,scp,t"])
def test_bytes_are_those_of_kaldi(name, form, tmp_path):
    native = pytest.importorskip("kaldi_native_io")
    kind, values = VALUES[name]
    write(f"{form}:{tmp_path}/a,{tmp_path}/a.scp", kind, values)
    ours = (tmp_path / "a").read_bytes(), (tmp_path / "a.scp").read_bytes()
    with getattr(native, WRITERS[name])(f"{form}:{tmp_path}/a,{tmp_path}/a.scp") as table:
        for n, value in enumerate(values):
            plain = [v.tolist() for v in value] if name == "int lists" else value
            table.write(f"key{n}", plain.tolist() if name == "int vector" else plain)
    assert ours == ((tmp_path / "a").read_bytes(), (tmp_path / "a.scp").read_bytes())


def test_compressed_values_keep_their_form(tmp_path):
    m = compress(np.random.default_rng(0).standard_normal((20, 3)))
    write(f"ark:{tmp_path}/a", GENERAL_MATRIX, [m])
    ((_, back),) = read_table(f"ark:{tmp_path}/a", GENERAL_MATRIX)
    assert np.array_equal(back.codes, m.codes)


def test_gzip_pipes_and_many_readers(tmp_path):
    kind, values = VALUES["matrix"]
    write(f"ark:{tmp_path}/a.gz", kind, values)
    write(f"ark:| gzip -c > {tmp_path}/b.gz", kind, values)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == gzip.decompress(
        (tmp_path / "b.gz").read_bytes()
    )
    check(f"ark:{tmp_path}/a.gz", kind, values)
    check(f"ark:gunzip -c {tmp_path}/b.gz |", kind, values)
    check(f"ark:cat {tmp_path}/b.gz | gunzip -c |", kind, values)
    pairs = zip(read_table(f"ark:{tmp_path}/a.gz", kind), read_table(f"ark:{tmp_path}/a.gz", kind))
    assert all(same(a[1], b[1]) for a, b in pairs)


def test_a_failing_pipe_is_an_error_even_after_good_values(tmp_path):
    write(f"ark:{tmp_path}/a", *VALUES["matrix"])
    with pytest.raises(OSError, match="ended with status 3"):
        list(read_table(f"ark:cat {tmp_path}/a; exit 3 |", MATRIX))


def test_stopping_early_ends_the_command(tmp_path):
    write(f"ark,t:{tmp_path}/a", TOKEN, ["x"] * 3)
    table = read_table(f"ark:while cat {tmp_path}/a; do :; done |", TOKEN)
    assert next(table) == ("key0", "x")
    table.close()


def test_script_file_of_the_writer_names_the_files(tmp_path):
    (tmp_path / "a.scp").write_text(f"key0 {tmp_path}/x\nkey1 {tmp_path}/y\n")
    write(f"scp:{tmp_path}/a.scp", MATRIX, [X, X + 1])
    assert (tmp_path / "x").read_bytes().startswith(b"\0BFM ")
    check(f"scp:{tmp_path}/a.scp", MATRIX, [X, X + 1])


def test_a_key_without_a_file_is_an_error_unless_permissive(tmp_path):
    (tmp_path / "a.scp").write_text(f"key0 {tmp_path}/x\n")
    with pytest.raises(ValueError, match="names no file for key1"):
        write(f"scp:{tmp_path}/a.scp", MATRIX, [X, X])
    write(f"scp,p:{tmp_path}/a.scp", MATRIX, [X, X])


@pytest.mark.parametrize("archive", ["-", "| cat > /dev/null", "a.gz"])
def test_a_script_file_cannot_point_into_what_has_no_positions(archive, tmp_path):
    with pytest.raises(ValueError, match="can point only into a plain file"):
        TableWriter(f"ark,scp:{archive},{tmp_path}/a.scp", MATRIX)


def test_an_exception_leaves_no_files(tmp_path):
    with (
        pytest.raises(ValueError, match="white space"),
        TableWriter(f"ark,scp:{tmp_path}/a,{tmp_path}/a.scp", MATRIX) as table,
    ):
        table.write("good", X)
        table.write("not good", X)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "token"), [(MATRIX, b"FM"), (DOUBLE_MATRIX, b"DM"), (VECTOR, b"FV"), (DOUBLE_VECTOR, b"DV")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_precision_is_that_of_the_table_not_of_the_value(kind, token, dtype, tmp_path):
    value = np.ones((2, 2) if token[1:] == b"M" else 2, dtype)
    write(f"ark:{tmp_path}/a", kind, [value])
    assert (tmp_path / "a").read_bytes()[7:9] == token


def test_keys_may_be_followed_by_a_tab_or_stand_alone(tmp_path):
    (tmp_path / "a").write_text("a\t1 2\nb\nc  3\n")
    assert [(k, v.tolist()) for k, v in read_table(f"ark:{tmp_path}/a", INT_VECTOR)] == [
        ("a", [1, 2]),
        ("b", []),
        ("c", [3]),
    ]


def test_alignments_of_the_shared_data_are_read_as_by_kaldi(shared):
    native = pytest.importorskip("kaldi_native_io")
    path = shared / "fsdd/chain/tree/ali.1.gz"
    with native.SequentialInt32VectorReader(f"ark:gunzip -c {path}|") as table:
        theirs = {key: list(value) for key, value in table}
    ours = {key: value.tolist() for key, value in read_table(f"ark:{path}", INT_VECTOR)}
    assert len(ours) > 10
    assert ours == theirs
