"""A file of one object ends where the object ends; standard input and a place in a file may go on."""

from __future__ import annotations

import gzip
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from nnet.examples.lda import LdaStats, read_stats, write_stats
from nnet.formats.basic import FormatError, open_output
from nnet.formats.config import load_array
from nnet.formats.model import am_nnet, read_am, read_nnet, write_am, write_nnet
from nnet.formats.topology import HmmState, read_topology_file, topology, write_topology
from nnet.formats.transitions import read_transition_model, transition_model
from nnet.formats.tree import monophone_tree, read_tree, write_tree
from tests.networks import network

STATES = (HmmState(0, 0, ((0, 0.5), (1, 0.5))), HmmState(-1, -1, ()))
READERS = {
    "raw": read_nnet, "mdl": read_am, "mdl as raw": read_nnet, "tree": read_tree, "topo": read_topology_file,
    "matrix": load_array, "lda stats": read_stats,
}  # fmt: skip


def write(name, path, binary):
    topo = topology(STATES, [1, 2, 3, 4])
    tree = monophone_tree(dict.fromkeys([1, 2, 3, 4], 1))
    if name == "raw":
        write_nnet(network(), path, binary)
    elif name.startswith("mdl"):
        write_am(am_nnet(transition_model(tree, topo), network()), path, binary)
    elif name == "tree":
        write_tree(tree, path, binary)
    elif name == "lda stats":
        write_stats(LdaStats(np.ones(2), np.ones((2, 3)), np.eye(3)), path, binary)
    else:
        with open_output(path, binary) as out:
            write_topology(out, topo) if name == "topo" else out.matrix(np.eye(2, dtype=np.float32))


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
@pytest.mark.parametrize("name", READERS)
def test_bytes_behind_the_object_are_refused_with_file_and_place(name, binary, tmp_path):
    path = tmp_path / "x"
    write(name, str(path), binary)
    data = path.read_bytes()
    READERS[name](str(path))
    path.write_bytes(data + b"junk\n")
    found = rf"x, byte {len(data)}: expected the end of the file, found b'junk"
    with pytest.raises(FormatError, match=found):
        READERS[name](str(path))


def test_text_may_end_in_white_space_but_a_binary_file_may_not(tmp_path):
    path = tmp_path / "x"
    for binary in (False, True):
        write("mdl", str(path), binary)
        path.write_bytes(path.read_bytes() + b"\n \t\n")
        if not binary:
            assert read_am(str(path)).nnet.dim("output") == 4
    with pytest.raises(FormatError, match="expected the end of the file"):
        read_am(str(path))


@pytest.mark.parametrize("name", ["x.gz", "cat x |", "cat x | cat |"])
def test_packed_files_and_commands_end_with_the_object_too(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("raw", "x", True)
    data = (tmp_path / "x").read_bytes() + b"!"
    (tmp_path / "x").write_bytes(data)
    (tmp_path / "x.gz").write_bytes(gzip.compress(data))
    with pytest.raises(FormatError, match="expected the end of the file, found b'!'"):
        read_nnet(name)


def test_standard_input_and_a_place_in_a_file_may_go_on(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write("raw", str(path), True)
    data = path.read_bytes() + b"more"
    path.write_bytes(b"key " + data)
    assert read_nnet(f"{path}:4").dim("output") == 4
    stream = io.BytesIO(data)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    assert read_nnet("-").dim("output") == 4


def test_a_file_whose_own_name_ends_like_a_place_is_a_plain_file(tmp_path):
    path = tmp_path / "x:0"
    write("raw", str(path), True)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(FormatError, match="expected the end of the file"):
        read_nnet(str(path))


def test_the_transition_model_is_what_a_model_file_begins_with(tmp_path):
    path = str(tmp_path / "x")
    write("mdl", path, True)
    assert read_transition_model(path).num_pdfs == 4
