"""Images changed inside nnet3-train are those that nnet3-egs-augment-image makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.examples.stream import StreamOptions, stream_minibatches
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.matrix import from_pairs
from nnet.formats.tables import TableWriter
from nnet.programs.nnet3_egs_augment_image import image_changer, main
from tests.networks import network

OPTIONS = ["--srand=5", "--horizontal-shift=0.3", "--horizontal-flip-prob=0.5", "--fill-mode=reflect"]
CONFIG = """
input-node name=input dim=5
component name=a type=AffineComponent input-dim=5 output-dim=2
component-node name=a component=a input=input
output-node name=output input=a
"""


def test_the_stream_holds_what_the_program_writes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.array([(0, t, 0) for t in range(6)], np.int32)
    with TableWriter(f"ark:{tmp_path}/egs", EXAMPLE) as writer:
        for key in "abcd":
            image = NnetIo("input", rows, rng.standard_normal((6, 5)).astype(np.float32))
            label = NnetIo("output", rows[:1], from_pairs([[(1, 1.0)]], 2))
            writer.write(key, NnetExample([image, label]))
    assert main([*OPTIONS, f"ark:{tmp_path}/egs", f"ark:{tmp_path}/changed"]) == 0
    plain, change = StreamOptions("2"), StreamOptions("2", change=image_changer(" ".join(OPTIONS)))
    nnet = network(CONFIG)
    mine = list(stream_minibatches(f"ark:{tmp_path}/egs", nnet, change))
    theirs = list(stream_minibatches(f"ark:{tmp_path}/changed", nnet, plain))
    same = list(stream_minibatches(f"ark:{tmp_path}/egs", nnet, plain))
    assert len(mine) == len(theirs) == 2
    for a, b, c in zip(mine, theirs, same, strict=True):
        np.testing.assert_array_equal(a.inputs["input"][1], b.inputs["input"][1])
        assert (a.inputs["input"][1] != c.inputs["input"][1]).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [("--rotation-prob=2", "not in"), ("--flip=1", "no option --flip"), ("ark:-", "unexpected 'ark:-'")],
)
def test_wrong_options_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"images cannot be changed by .*{message}"):
        image_changer(text)
