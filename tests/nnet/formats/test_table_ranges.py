"""Parts of matrices and vectors that script files name."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.formats.matrix import compress
from nnet.formats.tables import GENERAL_MATRIX, INT_VECTOR, MATRIX, VECTOR, read_table
from tests.nnet.formats.tables import write


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
