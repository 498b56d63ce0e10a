"""Phone language models: Kaldi's file byte for byte, probabilities that sum to one, fewer states."""

from pathlib import Path

import numpy as np
import pytest

from nnet.chain.normalization import normalization_fst
from nnet.chain.phone_lm import PhoneLmOptions, estimate_phone_lm
from nnet.formats.fst import read_fst_file, write_fst_file
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.tables import TableWriter
from nnet.fst.arrays import Fst
from nnet.programs import chain_est_phone_lm

GOLDEN = Path(__file__).parents[2] / "golden" / "chain"


def sequences(rng, count=300):
    """Phone sequences with habits: each phone has two likely followers."""
    followers = rng.integers(1, 9, (9, 2))
    found = []
    for _ in range(count):
        phone, row = int(rng.integers(1, 9)), []
        for _ in range(int(rng.integers(1, 8))):
            row.append(phone)
            phone = int(followers[phone, rng.integers(2)]) if rng.random() < 0.9 else int(rng.integers(1, 9))
        found.append(row)
    return found


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--num-extra-lm-states=10",
        "--num-extra-lm-states=30 --ngram-order=5",
        "--no-prune-ngram-order=2 --num-extra-lm-states=5",
        "--ngram-order=2 --no-prune-ngram-order=1 --num-extra-lm-states=3",
    ],
)
def test_the_file_is_kaldis_byte_for_byte(options, rng, tmp_path, kaldi):
    with TableWriter(f"ark:{tmp_path}/phones", INT_VECTOR) as table:
        for i, row in enumerate(sequences(rng)):
            table.write(f"u{i}", np.array(row, np.int32))
    words = [*options.split(), f"ark:{tmp_path}/phones"]
    kaldi("chain-est-phone-lm", *words, f"{tmp_path}/theirs")
    assert chain_est_phone_lm.main([*words, f"{tmp_path}/ours"]) == 0
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("extra", [0, 5, 1000])
def test_every_state_sums_to_one_and_no_label_occurs_twice(rng, extra):
    fst = estimate_phone_lm(sequences(rng), PhoneLmOptions(4, extra, 3))
    total = np.exp(-fst.finals.astype(float))
    total += np.bincount(fst.sources, np.exp(-fst.weights.astype(float)), minlength=fst.num_states)
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    assert (fst.ilabels > 0).all()
    assert all(len({a[0] for a in row}) == len(row) for row in fst.lists())


def test_without_merging_it_gives_relative_frequencies():
    fst = estimate_phone_lm([[1, 2], [1, 2], [1, 1]], PhoneLmOptions(2, 1000, 2))
    after_one = fst.lists()[fst.lists()[fst.start][0][3]]
    assert {a[0]: round(float(np.exp(-a[2])), 4) for a in after_one} == {1: 0.25, 2: 0.5}


def test_fewer_states_remain_when_fewer_are_wanted(rng):
    data = sequences(rng)
    sizes = [estimate_phone_lm(data, PhoneLmOptions(4, n, 3)).num_states for n in (1000, 20, 0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="no phone sequences"):
        estimate_phone_lm([], PhoneLmOptions())
    with pytest.raises(ValueError, match="contains 0"):
        estimate_phone_lm([[1, 0]], PhoneLmOptions())
    with pytest.raises(ValueError, match="--ngram-order=2"):
        PhoneLmOptions(ngram_order=2)


def test_the_normalization_fst_has_kaldis_arcs():
    ours, theirs = (
        normalization_fst(read_fst_file(str(GOLDEN / "den.fst"))),
        read_fst_file(str(GOLDEN / "normalization.fst")),
    )
    assert (ours.start, ours.num_states, ours.properties) == (
        theirs.start,
        theirs.num_states,
        theirs.properties,
    )
    assert np.array_equal(ours.finals, theirs.finals)
    a, b = (
        sorted(zip(f.sources.tolist(), f.ilabels.tolist(), f.targets.tolist(), f.weights.tolist()))
        for f in (ours, theirs)
    )
    assert [row[:3] for row in a] == [row[:3] for row in b]
    np.testing.assert_allclose([row[3] for row in a], [row[3] for row in b], atol=1e-6)


def test_a_denominator_with_a_state_out_of_reach_has_no_normalization():
    fst = Fst.from_arcs([(0, 1, 1, 0.0, 0), (1, 1, 1, 0.0, 0)], [0.0, 0.0])
    with pytest.raises(ValueError, match="state 1 of the denominator FST cannot be reached"):
        normalization_fst(fst)


@pytest.mark.parametrize(
    ("phones", "properties"),
    [
        ([[]], "0300955a6a850000"),
        ([[1]], "0300815a6a050000"),
        ([[], [1, 2, 3]], "0300815a68050000"),
        ([[1, 2, 3], [1, 2], [2, 2, 2]], "0300815a68050000"),
    ],
)
def test_small_models_say_of_themselves_what_kaldis_say(tmp_path, phones, properties):
    """Bytes 34 to 42 of what Kaldi's chain-est-phone-lm writes: what OpenFst knows of the FST."""
    write_fst_file(str(tmp_path / "lm"), estimate_phone_lm(phones, PhoneLmOptions()))
    assert (tmp_path / "lm").read_bytes()[34:42].hex() == properties
