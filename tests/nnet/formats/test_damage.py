"""Files cut at every byte and files with changed bytes: only named errors, memory as large as the file."""

from __future__ import annotations

import resource

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnet.formats.compressed import Method, compress
from nnet.formats.matrix import from_pairs
from nnet.formats.tables import (
    FLOAT,
    GENERAL_MATRIX,
    INT,
    INT_VECTOR,
    INT_VECTOR_VECTOR,
    MATRIX,
    POSTERIOR,
    TOKEN,
    VECTOR,
    TableWriter,
    read_table,
)

X = np.linspace(-1, 1, 10, dtype=np.float32).reshape(5, 2)
CASES = {
    "matrix": (MATRIX, X[:3]),
    "double matrix": (MATRIX, X[:2].astype(np.float64)),
    "speech features": (GENERAL_MATRIX, compress(X, Method.SPEECH_FEATURE)),
    "two bytes": (GENERAL_MATRIX, compress(X, Method.TWO_BYTE_AUTO)),
    "one byte": (GENERAL_MATRIX, compress(X, Method.ONE_BYTE_AUTO)),
    "sparse": (GENERAL_MATRIX, from_pairs([[(0, 1.0), (2, 0.5)], [], [(1, 3.0)]], 3)),
    "sparse, one in each row": (GENERAL_MATRIX, from_pairs([[(0, 1.0)], [(1, 3.0)]], 3)),
    "vector": (VECTOR, X[:, 0]),
    "int vector": (INT_VECTOR, np.arange(5)),
    "int lists": (INT_VECTOR_VECTOR, [np.arange(3), np.arange(0), np.arange(2)]),
    "posterior": (POSTERIOR, [[(1, 0.5), (2, 0.5)], [], [(3, 1.0)]]),
    "posterior, one in each frame": (POSTERIOR, [[(1, 0.5)], [(3, 1.0)]]),
    "int": (INT, 12345),
    "float": (FLOAT, 0.25),
    "token": (TOKEN, "speaker"),
}
# Kaldi, too, takes a text vector of integers whose last line has no end.
OPEN_ENDED = ("int vector", "int lists", "posterior", "posterior, one in each frame")


def archive(folder, name, form):
    kind, value = CASES[name]
    with TableWriter(f"{form}:{folder}/whole", kind) as table:
        table.write("key0", value)
        table.write("key1", value)
    return (folder / "whole").read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_a_binary_archive_cut_anywhere_inside_a_value_is_an_error(name, tmp_path):
    data = archive(tmp_path, name, "ark")
    for size in range(len(data)):
        (tmp_path / "cut").write_bytes(data[:size])
        sound = size in (0, len(data) // 2)
        keys = []
        try:
            keys = [k for k, _ in read_table(f"ark:{tmp_path}/cut", CASES[name][0])]
            assert sound, f"{size} of {len(data)} bytes were taken for whole: {keys}"
        except ValueError as error:
            assert not sound
            assert f"{tmp_path}/cut, byte " in str(error)


@pytest.mark.parametrize("name", [n for n in CASES if n not in OPEN_ENDED])
def test_a_text_archive_cut_anywhere_inside_a_value_is_an_error(name, tmp_path):
    data = archive(tmp_path, name, "ark,t")
    ends = {0, len(data) // 2, len(data)}
    # a closing bracket ends a matrix or vector; only the line break after it may be missing
    ends |= {end - 1 for end in ends if data[end - 1 : end] == b"\n" and data[end - 2 : end - 1] in b"] "}
    for size in range(len(data)):
        (tmp_path / "cut").write_bytes(data[:size])
        if size in ends or (name.startswith("sparse") and data[:size].rstrip().endswith(b"]")):
            continue
        with pytest.raises(ValueError, match="cut, byte "):
            list(read_table(f"ark:{tmp_path}/cut", CASES[name][0]))


@pytest.mark.parametrize("name", CASES)
def test_a_script_file_pointing_to_a_wrong_place_is_an_error(name, tmp_path):
    data = archive(tmp_path, name, "ark")
    (tmp_path / "a.scp").write_text(f"k {tmp_path}/whole:{len(data) + 5}\n")
    with pytest.raises(ValueError, match="whole, byte "):
        list(read_table(f"scp:{tmp_path}/a.scp", CASES[name][0]))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", ["ark", "ark,t"])
@pytest.mark.parametrize("prefix", ["ark:", "ark:cat {}/x | cat |"])
def test_changed_bytes_give_values_or_named_errors(name, form, prefix, tmp_path, rng):
    data = archive(tmp_path, name, form)
    rounds = 150 if prefix == "ark:" else 3
    for _ in range(rounds):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(changed))] = rng.choice(
                [0, 1, 4, 8, 32, 10, 127, 255, rng.integers(256)]
            )
        (tmp_path / "x").write_bytes(
            changed[: rng.integers(len(changed) + 1)] if rng.random() < 0.3 else changed
        )
        specifier = prefix.format(tmp_path) if "{" in prefix else f"ark:{tmp_path}/x"
        try:
            for _, value in read_table(specifier, CASES[name][0]):
                if hasattr(value, "dense"):
                    value.dense()
        except (ValueError, OSError) as error:
            assert f"{specifier.removeprefix('ark:')}, byte " in str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=60),
    name=st.sampled_from(sorted(CASES)),
    header=st.sampled_from([b"k ", b"k \0B", b""]),
)
def test_any_bytes_give_values_or_named_errors(data, name, header, tmp_path):
    (tmp_path / "x").write_bytes(header + data)
    try:
        list(read_table(f"ark:{tmp_path}/x", CASES[name][0]))
    except ValueError as error:
        assert f"{tmp_path}/x, byte " in str(error)


HUGE = b"\xff\xff\xff\x7f"
PROMISES = {
    "FM": (MATRIX, b"FM \4" + HUGE + b"\4\1\0\0\0"),
    "DM": (MATRIX, b"DM \4\xff\xff\0\0\4\xff\xff\0\0"),
    "CM": (GENERAL_MATRIX, b"CM " + bytes(8) + b"\1\0\0\0" + HUGE),
    "CM2": (GENERAL_MATRIX, b"CM2 " + bytes(8) + HUGE + HUGE),
    "SM": (GENERAL_MATRIX, b"SM \4" + HUGE),
    "FV": (VECTOR, b"FV \4" + HUGE),
    "ints": (INT_VECTOR, b"\4" + HUGE),
    "int lists": (INT_VECTOR_VECTOR, b"\4" + HUGE),
    "posterior": (POSTERIOR, b"\4" + HUGE),
}


@pytest.mark.parametrize("name", PROMISES)
@pytest.mark.parametrize("pipe", [False, True])
def test_a_promise_of_much_data_takes_no_memory(name, pipe, tmp_path):
    kind, data = PROMISES[name]
    (tmp_path / "x").write_bytes(b"k \0B" + data + bytes(50))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="byte"):
        list(read_table(f"ark:cat {tmp_path}/x | cat |" if pipe else f"ark:{tmp_path}/x", kind))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB
