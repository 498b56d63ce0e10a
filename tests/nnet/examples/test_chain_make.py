"""Chain examples from features and supervision: Kaldi's numerators, lengths that do not fit, weights."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.chain.normalization import normalization_fst
from nnet.chain.supervision import SupervisionMaker, SupervisionOptions, proto_from_alignment
from nnet.chain.supervision_parts import SupervisionSplitter
from nnet.chain.unconstrained import unconstrained
from nnet.examples.chain_make import ChainExampleMaker, Normalization, normalized
from nnet.examples.make import MakeOptions
from nnet.examples.split import ChunkOptions
from nnet.formats.chain_examples import CHAIN_EXAMPLE, SUPERVISION, ChainExample
from nnet.formats.fst import read_fst_file, write_fst_file
from nnet.formats.kinds import INT_PAIR_VECTOR, MATRIX, VECTOR
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from nnet.fst.arrays import Fst, same
from nnet.programs import nnet3_chain_get_egs, nnet3_chain_normalize_egs
from nnet.supervision import Supervision
from tests.nnet.chain.test_den_graph import walk

FREE = Fst.from_arcs([(0, x, x, 0.5, 0) for x in range(1, 5)], [0.0])


def supervision(frames: int) -> Supervision:
    """One path of labels 1, 2, 3, 4, 1, ..."""
    return Supervision(1.0, 1, frames, 4, False, (Fst.linear([1 + t % 4 for t in range(frames)]),))


def maker(rng, normalization=None, lines=None, **chunks) -> ChainExampleMaker:
    options = MakeOptions(
        chunks=ChunkOptions(frame_subsampling_factor=3, **chunks), dim=None, targets_length_tolerance=1
    )
    return ChainExampleMaker(options, rng, normalization, warn=(lines if lines is not None else []).append)


def test_examples_have_contexts_weights_and_their_part_of_the_path(rng):
    cutter = maker(rng, Normalization(FREE), num_frames="12", left_context=2, right_context=1)
    made = cutter.make_chain("u", np.arange(60.0).reshape(30, 2), supervision(10), deriv_weights=np.ones(10))
    assert len(made) == 3
    for key, example in made:
        first = int(key.partition("-")[2])
        output = example.outputs[0]
        assert example.inputs[0].features.shape == (15, 2)
        labels = [1 + t % 4 for t in range(first // 3, first // 3 + 4)]
        assert output.supervision.fsts[0].ilabels.tolist() == labels
        assert output.supervision.fsts[0].weights.sum() == pytest.approx(2.0)
        assert output.indexes[:, 1].tolist() == [0, 3, 6, 9]
    assert sum(e.outputs[0].deriv_weights.sum() for _, e in made) == pytest.approx(10)


def test_without_normalization_parts_wait_for_it(rng):
    (_, example), *_ = maker(rng, num_frames="12").make_chain("u", np.zeros((12, 2)), supervision(4))
    assert example.outputs[0].supervision.fsts[0].ilabels[0] == 0
    ready = normalized(example, Normalization(FREE))
    assert ready.outputs[0].supervision.fsts[0].weights.sum() == pytest.approx(2.0)
    assert normalized(example, Normalization(Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0]))) is None
    with pytest.raises(ValueError, match="2 outputs"):
        normalized(ChainExample(example.inputs, example.outputs * 2), Normalization(FREE))


def test_an_impossible_chunk_is_left_out_and_told(rng):
    lines: list[str] = []
    cutter = maker(rng, Normalization(Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0])), lines, num_frames="12")
    assert cutter.make_chain("u", np.zeros((12, 2)), supervision(4)) == []
    assert (cutter.impossible, cutter.counts.examples) == (1, 0)
    assert "FST was empty" in lines[0]


@pytest.mark.parametrize(
    ("frames", "more", "message"),
    [
        (60, {}, "expected length"),
        (0, {}, "No features"),
        (30, {"deriv_weights": np.ones(3)}, "deriv-weights dim"),
        (30, {"ivectors": np.ones((300, 2))}, "iVectors"),
        (9, {}, "too short"),
    ],
)
def test_lengths_that_do_not_fit_are_told(frames, more, message, rng):
    lines: list[str] = []
    cutter = maker(rng, lines=lines, num_frames="12")
    have = 3 if frames == 9 else 10
    assert cutter.make_chain("u", np.zeros((frames, 2)), supervision(have), **more) == []
    assert message in lines[0]


def test_a_normalization_fst_of_another_tree_is_refused(rng):
    other = Normalization(Fst.from_arcs([(0, 9, 9, 0.0, 0)], [0.0]))
    with pytest.raises(ValueError, match=r"utterance u: .* label 9, .* 4 pdfs"):
        maker(rng, other, num_frames="12").make_chain("u", np.zeros((12, 2)), supervision(4))
    with pytest.raises(ValueError, match="must be positive"):
        Normalization.scaled(FREE, 0.0)
    assert Normalization.scaled(FREE, 0.5).fst.weights.tolist() == [0.25] * 4


def test_utterances_without_a_part_are_counted(rng):
    cutter = maker(rng, num_frames="12")
    features = [(k, np.zeros((12, 2))) for k in "abcd"]
    numerators = {k: supervision(4) for k in "bcd"}
    ivectors, weights = {k: np.zeros((12, 3)) for k in "cd"}, {"d": np.ones(4)}
    made = list(cutter.chain_stream(features, numerators, ivectors, weights))
    assert [k for k, _ in made] == ["d-0"]
    assert [io.name for io in made[0][1].inputs] == ["input", "ivector"]
    counts = cutter.counts
    assert (counts.no_targets, counts.no_ivectors, cutter.no_weights, counts.utterances) == (1, 1, 1, 4)


@pytest.fixture
def digits(shared, tmp_path, rng):
    """Tables of features, weights and supervision for made-up utterances of digits' phones."""
    folder = shared / "fsdd" / "chain"
    tree, model = read_tree(str(folder / "tree/tree")), read_transition_model(str(folder / "0.trans_mdl"))
    with (
        TableWriter(f"ark:{tmp_path / 'feats'}", MATRIX) as feats,
        TableWriter(f"ark:{tmp_path / 'sup'}", SUPERVISION) as sup,
        TableWriter(f"ark:{tmp_path / 'ids'}", SUPERVISION) as ids,
        TableWriter(f"ark:{tmp_path / 'w'}", VECTOR) as weights,
    ):
        lm = read_fst_file(str(folder / "phone_lm.fst"))
        for k in range(12):
            phones = walk(lm, rng)
            durations = rng.integers(6, 20, len(phones)).tolist()
            options = SupervisionOptions(frame_subsampling_factor=3)
            proto = proto_from_alignment(phones, durations, options)
            made = SupervisionMaker(tree, model).make(proto)
            if made is not None:
                ids.write(f"u{k}", SupervisionMaker(tree, model, convert_to_pdfs=False).make(proto))
                sup.write(f"u{k}", made)
                feats.write(f"u{k}", rng.standard_normal((sum(durations), 3)).astype(np.float32))
                weights.write(f"u{k}", rng.random(made.frames_per_sequence).astype(np.float32))
    return folder


@pytest.mark.parametrize(
    "options",
    [
        "--num-frames=30,24,18",
        "--num-frames=15 --normalization-fst-scale=0.7",
        "--num-frames=30,12 --num-frames-overlap=6",
    ],
)
def test_numerators_of_chunks_are_kaldis(options, digits, kaldi, tmp_path):
    """Chunks lie where Kaldi's chance put them; what ours make of the same frames is the same FST."""
    norm = digits / "normalization.fst"
    arguments = [*options.split(), "--frame-subsampling-factor=3", "--long-key=true", str(norm)]
    tables = [f"ark:{tmp_path / name}" for name in ("feats", "sup", "egs")]
    kaldi("nnet3-chain-get-egs", *arguments, *tables)
    scale = 0.7 if "scale" in options else 1.0
    normalization = Normalization.scaled(read_fst_file(str(norm)), scale)
    numerators = dict(read_table(tables[1], SUPERVISION))
    theirs = list(read_table(tables[2], CHAIN_EXAMPLE))
    assert len(theirs) > 12
    for key, example in theirs:
        utterance, first, _, frames, _, _ = key.rsplit("-", 5)
        part = SupervisionSplitter(numerators[utterance]).part(int(first) // 3, int(frames) // 3)
        assert same(normalization.apply(part).fsts[0], example.outputs[0].supervision.fsts[0])


def test_unconstrained_numerators_are_kaldis(digits, kaldi, tmp_path, rng):
    model = read_transition_model(str(digits / "0.trans_mdl"))
    norm = str(digits / "normalization.fst")
    arguments = ["--num-frames=18", "--frame-subsampling-factor=3", "--long-key=true"]
    arguments += [f"--transition-model={digits / '0.trans_mdl'}", norm]
    tables = [f"ark:{tmp_path / name}" for name in ("feats", "ids", "egs")]
    kaldi("nnet3-chain-get-egs", *arguments, *tables)
    normalization, numerators = Normalization(read_fst_file(norm)), dict(read_table(tables[1], SUPERVISION))
    theirs = list(read_table(tables[2], CHAIN_EXAMPLE))
    assert len(theirs) > 12
    for key, example in theirs:
        utterance, first, _, frames, _, _ = key.rsplit("-", 5)
        part = SupervisionSplitter(numerators[utterance]).part(int(first) // 3, int(frames) // 3)
        ours = normalization.apply(unconstrained(part, model, rng))
        assert same(ours.fsts[0], example.outputs[0].supervision.fsts[0])
    assert nnet3_chain_get_egs.main([*arguments, *tables]) == 0
    made = [e.outputs[0].supervision for _, e in read_table(tables[2], CHAIN_EXAMPLE)]
    assert all(s.end_to_end and len(s.alignment_pdfs) == 6 for s in made)


def test_whole_utterances_are_kaldis_byte_for_byte(digits, kaldi, tmp_path):
    """One chunk for each utterance leaves nothing to chance."""
    arguments = ["--num-frames=-1", "--frame-subsampling-factor=3", "--left-context=2", "--right-context=3"]
    arguments += ["--long-key=true", f"--deriv-weights-rspecifier=ark:{tmp_path / 'w'}"]
    arguments += [f"ark:{tmp_path / 'feats'}", f"ark:{tmp_path / 'sup'}"]
    kaldi("nnet3-chain-get-egs", *arguments, f"ark:{tmp_path / 'theirs'}")
    assert nnet3_chain_get_egs.main([*arguments, f"ark:{tmp_path / 'ours'}"]) == 0
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    norm = str(digits / "normalization.fst")
    kaldi("nnet3-chain-normalize-egs", norm, f"ark:{tmp_path / 'ours'}", f"ark:{tmp_path / 'theirs2'}")
    names = [norm, f"ark:{tmp_path / 'ours'}", f"ark:{tmp_path / 'ours2'}"]
    assert nnet3_chain_normalize_egs.main(names) == 0
    assert (tmp_path / "ours2").read_bytes() == (tmp_path / "theirs2").read_bytes()


def test_programs_say_what_is_wrong(digits, tmp_path, capsys):
    write_fst_file(str(tmp_path / "n"), Fst.from_arcs([(0, 999, 999, 0.0, 0)], [0.0]))
    tables = [f"ark:{tmp_path / name}" for name in ("feats", "sup", "egs")]
    arguments = ["--num-frames=15", "--frame-subsampling-factor=3"]
    assert nnet3_chain_get_egs.main([*arguments, str(tmp_path / "n"), *tables]) == 1
    assert "label 999, but supervision is for 72 pdfs" in capsys.readouterr().err
    model = f"--transition-model={digits / '0.trans_mdl'}"
    assert nnet3_chain_get_egs.main([*arguments, model, *tables]) == 1
    assert "72 labels where the 76 transition-ids" in capsys.readouterr().err
    assert nnet3_chain_get_egs.main([*arguments[1:], "--num-frames=300", *tables]) == 1
    assert "had errors" in capsys.readouterr().err
    assert nnet3_chain_get_egs.main(["--num-frames=15", *tables]) == 1
    assert "Supervision does not have expected length" in capsys.readouterr().err
    assert nnet3_chain_get_egs.main([*arguments, *tables]) == 0
    names = [str(tmp_path / "n"), tables[2], f"ark:{tmp_path / 'ready'}"]
    assert nnet3_chain_normalize_egs.main(names) == 1
    assert "label 999" in capsys.readouterr().err
    write_fst_file(str(tmp_path / "n"), Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0]))
    assert nnet3_chain_get_egs.main([*arguments, str(tmp_path / "n"), *tables]) == 1
    assert "chunks were left out: the normalization FST has no path" in capsys.readouterr().err
    assert nnet3_chain_get_egs.main([*arguments, *tables]) == 0
    assert nnet3_chain_normalize_egs.main(names) == 1
    assert "Added normalization to 0 egs" in capsys.readouterr().err


def test_pairs_of_integers_are_read_in_both_forms(tmp_path):
    pairs = np.array([[1, 2], [3, 4]])
    for form in ("ark", "ark,t"):
        with TableWriter(f"{form}:{tmp_path / 'p'}", INT_PAIR_VECTOR) as out:
            out.write("a", pairs)
            out.write("b", [])
        (_, a), (_, b) = read_table(f"ark:{tmp_path / 'p'}", INT_PAIR_VECTOR)
        assert np.array_equal(a, pairs)
        assert b.shape == (0, 2)
    (tmp_path / "p").write_text("a 1 2 ; 3\n")
    with pytest.raises(ValueError, match="pairs of integers"):
        list(read_table(f"ark:{tmp_path / 'p'}", INT_PAIR_VECTOR))


def test_the_normalization_fst_of_a_denominator_fits(digits):
    den = read_fst_file(str(digits / "den.fst"))
    assert same(normalization_fst(den), read_fst_file(str(digits / "normalization.fst")))
