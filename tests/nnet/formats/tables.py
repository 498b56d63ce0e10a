"""Small tables for tests."""

from __future__ import annotations

import numpy as np

from nnet.formats.tables import Kind, TableWriter

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 4


def write(wspecifier: str, kind: Kind, values: list) -> None:
    with TableWriter(wspecifier, kind) as table:
        for n, value in enumerate(values):
            table.write(f"key{n}", value)
