"""Tables that several tests read."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.formats.tables import MATRIX, VECTOR
from tests.nnet.formats.tables import write


@pytest.fixture
def ten(tmp_path):
    x = np.arange(30, dtype=np.float32).reshape(10, 3)
    write(f"ark,scp:{tmp_path}/a,{tmp_path}/a.scp", MATRIX, [x])
    write(f"ark,scp:{tmp_path}/v,{tmp_path}/v.scp", VECTOR, [x[:, 0]])
    return tmp_path, x
