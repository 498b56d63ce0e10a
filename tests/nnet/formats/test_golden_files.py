"""A few small files that Kaldi wrote, kept with the tests: read and written again, they must not change.

tdnn.raw is a network with statistics, and tdnn.txt what `nnet3-copy --binary=false` makes of it.
egs.ark came from `nnet3-copy-egs --frame=2 --left-context=1 --right-context=1`.
chain.tree and chain.trans_mdl belong to a chain system.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.basic import KaldiOutput
from nnet.formats.examples import EXAMPLE
from nnet.formats.model import read_nnet, write_nnet
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.transitions import read_transition_model, transition_model, write_transitions
from nnet.formats.tree import read_tree, write_tree

FILES = Path(__file__).parents[2] / "golden" / "formats"


def test_a_network_is_printed_as_kaldi_prints_it(tmp_path):
    write_nnet(read_nnet(str(FILES / "tdnn.raw")), str(tmp_path / "a"), binary=False)
    assert (tmp_path / "a").read_bytes() == (FILES / "tdnn.txt").read_bytes()


def test_text_and_binary_are_one_network():
    a, b = read_nnet(str(FILES / "tdnn.raw")), read_nnet(str(FILES / "tdnn.txt"))
    assert a.config_lines() == b.config_lines()
    np.testing.assert_allclose(
        a.components["output.affine"].W, b.components["output.affine"].W, rtol=1e-6, atol=1e-9
    )


def test_examples_keep_their_bytes(tmp_path):
    with TableWriter(f"ark:{tmp_path}/egs", EXAMPLE) as writer:
        for key, example in read_table(f"ark:{FILES}/egs.ark", EXAMPLE):
            writer.write(key, example)
    assert (tmp_path / "egs").read_bytes() == (FILES / "egs.ark").read_bytes()


def test_a_tree_keeps_its_bytes(tmp_path):
    write_tree(read_tree(str(FILES / "chain.tree")), str(tmp_path / "tree"))
    assert (tmp_path / "tree").read_bytes() == (FILES / "chain.tree").read_bytes()


def test_transitions_keep_their_text_and_come_from_tree_and_topology():
    model = read_transition_model(str(FILES / "chain.trans_mdl"))
    stream = io.BytesIO()
    write_transitions(KaldiOutput(stream, binary=False), model)
    assert stream.getvalue() == (FILES / "chain.trans_mdl").read_bytes()
    made = transition_model(read_tree(str(FILES / "chain.tree")), model.topology)
    np.testing.assert_array_equal(made.tuples, model.tuples)
    np.testing.assert_allclose(made.log_probs, model.log_probs, rtol=1e-6)


READERS = {
    "tdnn.raw": read_nnet,
    "egs.ark": lambda name: list(read_table(f"ark:{name}", EXAMPLE)),
    "chain.tree": read_tree,
    "chain.trans_mdl": read_transition_model,
}


@pytest.mark.parametrize(("file", "reader"), [(f, r) for f in READERS for r in READERS if f != r])
def test_files_of_another_kind_are_refused_in_one_line(file, reader):
    with pytest.raises(ValueError, match=re.escape(file)) as error:
        READERS[reader](str(FILES / file))
    assert "\n" not in str(error.value)
