"""Topologies of chain models, as Kaldi's gen_topo.py and gen_topo_orig.py print them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnet.formats.topology import read_topology_file
from steps.chain.gen_topo import main

ONE = """<Topology>
<TopologyEntry>
<ForPhones>
1 2 3 4 5
</ForPhones>
<State> 0 <ForwardPdfClass> 0 <SelfLoopPdfClass> 1 <Transition> 0 0.5 <Transition> 1 0.5 </State>
<State> 1 </State>
</TopologyEntry>
</Topology>
"""
TWO = """<Topology>
<TopologyEntry>
<ForPhones>
1 2 3 4 5
</ForPhones>
<State> 0 <PdfClass> 0 <Transition> 1 0.5 <Transition> 2 0.5 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2 0.5 </State>
<State> 2 </State>
</TopologyEntry>
</Topology>
"""


@pytest.mark.parametrize(
    ("options", "text"), [([], ONE), (["--num-states=1"], ONE), (["--num-states", "2"], TWO)]
)
def test_the_text_is_kaldis_and_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], text: str
) -> None:
    assert main([*options, "4:5", "1:2:3"]) == 0
    assert capsys.readouterr().out == text
    (tmp_path / "topo").write_text(text)
    topology = read_topology_file(str(tmp_path / "topo"))
    assert topology.phones == (1, 2, 3, 4, 5)
    assert topology.is_hmm == (text == TWO)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1"], "needs non-silence phones and silence phones, but got 1 arguments"),
        (["1:x", "2"], "'1:x' is no list of phones"),
        (["0:1", "2"], "'0:1' is no list of phones"),
        (["1:2", "2"], "phone 2 is given twice"),
        (["--num-states=3", "1", "2"], "--num-states=3: expected 1 or 2"),
        (["1", "2", "--num-states"], "--num-states=: expected 1 or 2"),
        (["--states=1", "1", "2"], "unknown option --states: there is only --num-states, 1 or 2"),
    ],
)
def test_mistakes_end_in_one_line(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(words) == 1
    said = capsys.readouterr()
    assert message in said.err and not said.out
    assert said.err.count("\n") == 1


def test_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--help"]), main([])) == (0, 1)
    assert "--num-states 1|2" in capsys.readouterr().err
