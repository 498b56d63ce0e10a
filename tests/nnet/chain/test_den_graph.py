"""Denominator graphs: Kaldi's files byte for byte, the language they have, and what does not fit together."""

import numpy as np
import pytest

from nnet.chain.den_graph import DELTA, PASSES, make_den_fst, to_pdfs
from nnet.chain.hmm_graph import phones_to_transition_ids
from nnet.chain.normalization import normalization_fst
from nnet.formats.basic import KaldiOutput, open_output
from nnet.formats.fst import read_fst_file, write_fst_file
from nnet.formats.topology import topology
from nnet.formats.transitions import transition_model, write_transitions
from nnet.formats.tree import monophone_tree, write_tree
from nnet.fst.arrays import Fst
from nnet.programs import chain_make_den_fst
from tests.nnet.chain.graphs import CHAIN, PHONES, TOPOLOGIES, model_for, phone_lm, tree_for
from tests.nnet.fst.paths import INF, best

WINDOWS = [(1, 0), (2, 1), (3, 1)]


def test_kaldis_own_graph_of_digits_comes_out_byte_for_byte(shared, tmp_path):
    folder = shared / "fsdd" / "chain"
    arguments = [str(folder / name) for name in ("tree/tree", "0.trans_mdl", "phone_lm.fst")]
    ours = [str(tmp_path / name) for name in ("den.fst", "normalization.fst")]
    assert chain_make_den_fst.main([*arguments, *ours]) == 0
    for name in ("den.fst", "normalization.fst"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize(("width", "central"), WINDOWS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_other_graphs_are_kaldis_byte_for_byte(name, width, central, kaldi, tmp_path, rng):
    tree = tree_for(TOPOLOGIES[name], width, central, rng)
    model = model_for(TOPOLOGIES[name], tree)
    write_tree(tree, str(tmp_path / "tree"))
    with open_output(str(tmp_path / "mdl"), True) as out:
        write_transitions(out, model)
    write_fst_file(str(tmp_path / "lm"), phone_lm(rng, 400, 60))
    arguments = [str(tmp_path / n) for n in ("tree", "mdl", "lm")]
    kaldi("chain-make-den-fst", *arguments, tmp_path / "den", tmp_path / "norm")
    assert chain_make_den_fst.main([*arguments, str(tmp_path / "our_den"), str(tmp_path / "our_norm")]) == 0
    assert (tmp_path / "our_den").read_bytes() == (tmp_path / "den").read_bytes()
    assert (tmp_path / "our_norm").read_bytes() == (tmp_path / "norm").read_bytes()


def walk(fst: Fst, rng: np.random.Generator) -> list[int]:
    """The labels of a path from the start to an end."""
    rows, s, labels = fst.lists(), fst.start, []
    while not (np.isfinite(fst.finals[s]) and (len(labels) > 8 or not rows[s])):
        i, _, _, s = rows[s][int(rng.integers(len(rows[s])))]
        labels += [i] if i else []
        if len(labels) > 60:
            return walk(fst, rng)
    return labels


@pytest.mark.parametrize(("width", "central"), WINDOWS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_sequence_of_pdfs_costs_what_its_phones_cost(name, width, central, rng):
    tree = tree_for(TOPOLOGIES[name], width, central, rng)
    model = model_for(TOPOLOGIES[name], tree)
    lm = phone_lm(rng, 30, 2)
    den = make_den_fst(tree, model, lm)
    plain = to_pdfs(phones_to_transition_ids(lm, tree, model, True), model)
    error = 2 * PASSES * DELTA * 10 / 2  # of one arc
    assert (den.ilabels > 0).all()
    for _ in range(4):
        labels = walk(plain, rng)
        assert best(den, labels) == pytest.approx(best(plain, labels), abs=error * (len(labels) + 1))
        assert best(den, [*labels, model.num_pdfs + 1]) == INF


def test_the_cost_of_a_phone_sequence_is_that_of_the_phone_lm_and_its_transitions():
    """By hand: phone 2 for three frames, the first forward, then two self-loops, then leaving it."""
    tree = monophone_tree({p: 2 for p in PHONES})
    model = model_for(CHAIN, tree)
    lm = Fst.from_arcs([(0, 2, 2, 1.0, 1)], [INF, 0.5])
    forward, stay = (int(tree.pdf((2,), c)) + 1 for c in (0, 1))
    plain = to_pdfs(phones_to_transition_ids(lm, tree, model, True), model)
    assert best(plain, [forward, stay, stay]) == pytest.approx(1.5 + 3 * np.log(2))
    free = to_pdfs(phones_to_transition_ids(lm, tree, model, False), model)
    assert best(free, [forward, stay, stay]) == pytest.approx(1.5)


def test_sequences_may_start_anywhere_in_the_normalization_fst(rng):
    tree = tree_for(CHAIN, 2, 1, rng)
    den = make_den_fst(tree, model_for(CHAIN, tree), phone_lm(rng))
    normal = normalization_fst(den)
    labels = walk(den, rng)
    assert best(normal, labels[2:5]) < INF


def test_what_does_not_fit_together_is_refused():
    tree = monophone_tree({p: 2 for p in PHONES})
    model = model_for(CHAIN, tree)
    with pytest.raises(ValueError, match="is empty"):
        make_den_fst(tree, model, Fst.from_arcs([], [], -1))
    with pytest.raises(ValueError, match="phone 9"):
        make_den_fst(tree, model, Fst.linear([9]))
    with pytest.raises(ValueError, match="belong together"):
        make_den_fst(monophone_tree({1: 2, 2: 4, 3: 2, 4: 2}), model, Fst.linear([3]))
    with pytest.raises(ValueError, match="no sequence of phones"):
        make_den_fst(tree, model, Fst.from_arcs([(0, 1, 1, 0.0, 0)], [INF]))
    three = transition_model(monophone_tree({1: 2}), topology(CHAIN, [1]))
    with pytest.raises(ValueError, match="phone 2"):
        make_den_fst(tree, three, Fst.linear([2]))


def test_the_log_names_sizes_and_pdfs_that_never_occur(capsys, tmp_path):
    tree = monophone_tree({p: 2 for p in PHONES})
    write_tree(tree, str(tmp_path / "tree"))
    with open(tmp_path / "mdl", "wb") as stream:
        stream.write(b"\0B")
        write_transitions(KaldiOutput(stream, True), model_for(CHAIN, tree))
    write_fst_file(str(tmp_path / "lm"), Fst.linear([1, 2]))
    names = [str(tmp_path / n) for n in ("tree", "mdl", "lm", "den", "norm")]
    assert chain_make_den_fst.main(names) == 0
    lines = capsys.readouterr().err
    assert "Number of states and arcs in phone-LM FST is 3 and 2" in lines
    assert "Pdf-id 4 is not seen in denominator graph." in lines
    assert read_fst_file(names[3]).num_states == 3
