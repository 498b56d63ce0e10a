"""Tables read in order and written: all forms, Kaldi's bytes, ranges, hostile script files, failing pipes."""

from __future__ import annotations

import gzip
import logging
import os
import threading

import numpy as np
import pytest

from nnet.formats.basic import FormatError
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

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 4
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


def write(wspecifier: str, kind: Kind, values: list) -> None:
    with TableWriter(wspecifier, kind) as table:
        for n, value in enumerate(values):
            table.write(f"key{n}", value)


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


# -- ranges


@pytest.fixture
def ten(tmp_path):
    x = np.arange(30, dtype=np.float32).reshape(10, 3)
    write(f"ark,scp:{tmp_path}/a,{tmp_path}/a.scp", MATRIX, [x])
    write(f"ark,scp:{tmp_path}/v,{tmp_path}/v.scp", VECTOR, [x[:, 0]])
    return tmp_path, x


@pytest.mark.parametrize(
    ("text", "rows", "cols"),
    [
        ("2:6", slice(2, 7), slice(None)),
        ("2:6,0:1", slice(2, 7), slice(0, 2)),
        (":,1:2", slice(None), slice(1, 3)),
        (":", slice(None), slice(None)),
        ("9:12", slice(9, 10), slice(None)),
        ("0:0,:", slice(0, 1), slice(None)),
    ],
)
def test_ranges_include_their_end_and_may_exceed_it_by_three(ten, text, rows, cols):
    folder, x = ten
    (folder / "r.scp").write_text(f"k {folder}/a:5[{text}]\n")
    ((_, part),) = read_table(f"scp:{folder}/r.scp", MATRIX)
    assert np.array_equal(part, x[rows, cols])


@pytest.mark.parametrize(
    "text",
    [
        "9:13",
        "10:11",
        "3:2",
        "-1:2",
        "0:1,0:3",
        "1",
        "a:b",
        "",
        "0:1[0:1",
        "0:1,0:1,0:1",
        "0:",
        ",",
        ",:",
        ":,",
    ],
)
def test_ranges_outside_the_matrix_are_errors(ten, text):
    folder, _ = ten
    (folder / "r.scp").write_text(f"k {folder}/a:5[{text}]\n")
    with pytest.raises(ValueError, match="range"):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))


def test_ranges_of_vectors_and_of_compressed_matrices(ten):
    folder, x = ten
    (folder / "r.scp").write_text(f"k {folder}/v:5[3:11]\n")
    assert np.array_equal(next(read_table(f"scp:{folder}/r.scp", VECTOR))[1], x[3:, 0])
    write(f"ark,scp:{folder}/c,{folder}/c.scp", GENERAL_MATRIX, [compress(x)])
    (folder / "r.scp").write_text(f"a {folder}/c:5[3:4]\nb {folder}/c:5[5:6]\n")
    parts = dict(read_table(f"scp:{folder}/r.scp", GENERAL_MATRIX))
    assert np.array_equal(parts["b"], compress(x).dense()[5:7])


def test_what_has_no_parts_refuses_a_range(ten):
    folder, _ = ten
    write(f"ark:{folder}/i", INT_VECTOR, [[1, 2]])
    (folder / "r.scp").write_text(f"k {folder}/i:5[0:1]\n")
    with pytest.raises(ValueError, match="a vector of integers has no ranges"):
        list(read_table(f"scp:{folder}/r.scp", INT_VECTOR))


# -- hostile and damaged files


@pytest.mark.parametrize(
    "place", ["touch {0}/pwned; cat {0}/a |", "touch {0}/pwned|", "cat {0}/a | tee {0}/pwned |[0:1]"]
)
def test_a_command_inside_a_script_file_does_not_run(ten, place):
    folder, _ = ten
    (folder / "r.scp").write_text(f"k {place.format(folder)}\n")
    with pytest.raises(ValueError, match=r"wants to run the command.*--allow-pipes-in-scp=true.*scp,pipes:"):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))
    assert not (folder / "pwned").exists()


def test_a_command_inside_a_script_file_runs_with_consent(ten):
    folder, x = ten
    (folder / "r.scp").write_text(f"k tail -c +6 {folder}/a | cat |\n")
    assert np.array_equal(next(read_table(f"scp,pipes:{folder}/r.scp", MATRIX))[1], x)
    assert np.array_equal(next(read_table(f"scp:{folder}/r.scp", MATRIX, allow_pipes=True))[1], x)


def test_a_position_inside_a_compressed_file_is_refused(ten):
    folder, _ = ten
    write(f"ark:{folder}/a.gz", MATRIX, [X])
    (folder / "r.scp").write_text(f"k {folder}/a.gz:5\n")
    with pytest.raises(ValueError, match="inside a compressed file"):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))


def test_a_named_pipe_may_stand_in_a_script_file(ten):
    folder, x = ten
    os.mkfifo(folder / "pipe")
    (folder / "r.scp").write_text(f"k {folder}/pipe\n")
    data = (folder / "a").read_bytes()[5:]
    threading.Thread(target=lambda: (folder / "pipe").write_bytes(data)).start()
    assert np.array_equal(next(read_table(f"scp:{folder}/r.scp", MATRIX))[1], x)


@pytest.mark.parametrize(
    ("kind", "token"), [(MATRIX, b"FM"), (DOUBLE_MATRIX, b"DM"), (VECTOR, b"FV"), (DOUBLE_VECTOR, b"DV")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_precision_is_that_of_the_table_not_of_the_value(kind, token, dtype, tmp_path):
    value = np.ones((2, 2) if token[1:] == b"M" else 2, dtype)
    write(f"ark:{tmp_path}/a", kind, [value])
    assert (tmp_path / "a").read_bytes()[7:9] == token


def test_a_plain_gunzip_inside_a_script_file_needs_no_consent(ten):
    folder, x = ten
    with gzip.open(folder / "m.gz", "wb") as stream:
        stream.write((folder / "a").read_bytes()[5:])
    (folder / "r.scp").write_text(f"a gunzip -c {folder}/m.gz |\nb {folder}/m.gz\n")
    assert all(np.array_equal(v, x) for _, v in read_table(f"scp:{folder}/r.scp", MATRIX))


def test_a_writing_command_inside_a_script_file_does_not_run(tmp_path):
    (tmp_path / "a.scp").write_text(f"key0 | cat > {tmp_path}/pwned\n")
    with pytest.raises(ValueError, match="wants to run"):
        write(f"scp:{tmp_path}/a.scp", MATRIX, [X])
    assert not (tmp_path / "pwned").exists()
    write(f"scp,pipes:{tmp_path}/a.scp", MATRIX, [X])
    assert (tmp_path / "pwned").exists()


def test_a_pickle_is_not_loaded(tmp_path):
    (tmp_path / "a").write_bytes(b"k PKL\x80\x04\x95cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(FormatError):
        list(read_table(f"ark:{tmp_path}/a", MATRIX))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"key", r"a, byte 0: expected a space after the key b'key', found the end of the file"),
        (b"key\0BFM ", r"byte 0: the key .* contains a zero byte"),
        (b"key \0X", r"binary object starts with"),
        (b"k \0BFM \4\1\0\0\0\4\1\0\0\0" + bytes(4) + b"garbage", r"byte 21: expected a space after the key"),
        (b"k \0BFM \4\1\0\0\0\4\2\0\0\0" + bytes(4), r"needs 8 bytes, the file has 4 left.*\(value of k\)"),
    ],
)
def test_damage_is_reported_with_file_place_and_key(data, message, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        list(read_table(f"ark:{tmp_path}/a", MATRIX))


@pytest.mark.parametrize("line", ["", "key", "key  "])
def test_a_bad_line_of_a_script_file_is_named(line, tmp_path):
    (tmp_path / "a.scp").write_text(f"k /dev/null\n{line}\nk /dev/null\n")
    with pytest.raises(ValueError, match="line 2: expected a key and a file"):
        list(read_table(f"scp:{tmp_path}/a.scp", MATRIX))


def test_permissive_reading_skips_with_a_warning(ten, caplog):
    folder, _ = ten
    (folder / "r.scp").write_text(f"a {folder}/missing\nb {folder}/a:5\n")
    with pytest.raises(FileNotFoundError):
        list(read_table(f"scp:{folder}/r.scp", MATRIX))
    with caplog.at_level(logging.WARNING):
        assert [k for k, _ in read_table(f"scp,p:{folder}/r.scp", MATRIX)] == ["b"]
        (folder / "cut").write_bytes((folder / "a").read_bytes() + b"next \0BFM ")
        assert [k for k, _ in read_table(f"ark,p:{folder}/cut", MATRIX)] == ["key0"]
    assert [r.message.count("option p") for r in caplog.records] == [1, 1]


def test_reading_in_the_background_reports_errors_and_stops(ten):
    folder, _ = ten
    with pytest.raises(OSError, match="ended with status 3"):
        list(read_table(f"ark,bg:cat {folder}/a; exit 3 |", MATRIX))
    write(f"ark:{folder}/many", INT, list(range(100)))
    table = read_table(f"ark,bg:{folder}/many", INT)
    assert next(table) == ("key0", 0)
    table.close()
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (INT, "k 1 2\n"), (INT, "k 1"), (INT, "k \n"), (INT, "k 1x\n"), (FLOAT, "k x\n"), (BOOL, "k maybe\n"),
        (TOKEN, "k a b\n"), (TOKEN, "k\n"), (TOKEN, "k a"), (INT_VECTOR, "k 1 x\n"),
        (INT_VECTOR, "k 99999999999\n"),
        (INT_VECTOR, "k 1_0\n"), (INT_VECTOR_VECTOR, "k 1 2 ; 3\n"), (POSTERIOR, "k 1 0.5\n"),
        (POSTERIOR, "k [ 1 ]\n"),
        (POSTERIOR, "k [ 1 x ]\n"), (POSTERIOR, "k [ x 1 ]\n"), (POSTERIOR, "k [ 1 0.5 ] 3\n"),
    ],
)  # fmt: skip
def test_text_that_is_not_of_the_kind_is_refused(kind, text, tmp_path):
    (tmp_path / "a").write_text(text)
    with pytest.raises(FormatError, match=r"a, byte \d+: expected|must end with a semicolon"):
        list(read_table(f"ark:{tmp_path}/a", kind))


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (
            INT_VECTOR,
            b"\4\2\0\0\0\4\1\0\0\0\5\1\0\0\0",
            "element 1 of a vector: expected the size byte 4, found 5",
        ),
        (INT_VECTOR, b"\4\xff\xff\xff\xff", "has the size -1"),
        (INT_VECTOR, b"\4\xff\xff\xff\x7f", "the file has 0 left"),
        (POSTERIOR, b"\4\1\0\0\0\4\1\0\0\0\4\0\0\0\0\5" + bytes(4), "pairs of integer and float"),
        (POSTERIOR, b"\4\xff\xff\xff\x7f", "the file has 0 left"),
    ],
)
def test_binary_values_that_are_not_of_the_kind_are_refused(kind, data, message, tmp_path):
    (tmp_path / "a").write_bytes(b"k \0B" + data)
    with pytest.raises(FormatError, match=message):
        list(read_table(f"ark:{tmp_path}/a", kind))


def test_integer_vectors_must_have_one_axis(tmp_path):
    with pytest.raises(ValueError, match="one axis"):
        write(f"ark:{tmp_path}/a", INT_VECTOR, [np.ones((2, 2), int)])


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
