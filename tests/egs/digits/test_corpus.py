"""The spoken corpus: the same seed says the same, noise is as loud as asked, phones are in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from egs.digits.corpus import (
    WORDS,
    CorpusOptions,
    Utterance,
    in_noise,
    pink_noise,
    pronunciations,
    sentences,
    speak,
    utterances,
    voices,
    with_silence,
    write_data,
)
from egs.digits.speech import Spoken, Synthesizer, Voice, plain
from steps.features import read_wavs

SMALL = CorpusOptions(utterances_per_voice=3, longest=2)


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    pytest.importorskip("espeakng_loader")
    return Synthesizer()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_samples(synthesizer: Synthesizer) -> None:
    once, again = (utterances(("m1", "f1"), SMALL, 5) for _ in range(2))
    assert [(u.key, u.words, u.phones) for u in once] == [(u.key, u.words, u.phones) for u in again]
    for a, b in zip(once, again):
        np.testing.assert_array_equal(a.samples, b.samples)


def test_every_voice_says_all_digits_alone_and_then_strings_that_depend_on_the_seed() -> None:
    options = CorpusOptions(utterances_per_voice=30, longest=4)
    one, two = (sentences(options, np.random.default_rng(seed)) for seed in (1, 2))
    assert one[:10] == two[:10] == [(word,) for word in WORDS]
    assert one[10:] != two[10:]
    assert len(one) == 30 and {len(words) for words in one} == {1, 2, 3, 4}


@pytest.mark.slow
def test_utterances_are_sorted_and_begin_with_their_speaker(synthesizer: Synthesizer) -> None:
    corpus = utterances(("m1", "f1"), SMALL, 1)
    assert [u.key for u in corpus] == sorted(u.key for u in corpus)
    assert all(u.key.startswith(u.speaker + "-") for u in corpus)
    assert len({u.speaker for u in corpus}) == 2 and len(corpus) == 6


def test_phones_begin_in_order_within_the_samples(synthesizer: Synthesizer) -> None:
    for u in speak(Voice(variant="m3"), SMALL, (3, 0)):
        starts = [start for _, start in u.phones]
        assert starts == sorted(starts) and starts[0] == 0 and starts[-1] < len(u.samples)
        assert u.phones[0][0] == u.phones[-1][0] == "SIL"


def test_the_vowel_is_where_espeak_says_and_so_is_the_hiss(synthesizer: Synthesizer) -> None:
    """The times that espeak-ng tells are those of its samples."""
    spoken = synthesizer.say("seven", Voice())
    starts = dict(spoken.phones)
    x = spoken.samples.astype(float)
    vowel, fricative = x[starts["E"] : starts["v"]], x[starts["s"] : starts["E"]]
    crossings = [(np.diff(np.sign(part)) != 0).mean() for part in (vowel, fricative)]
    assert vowel.std() > 1.5 * fricative.std() and crossings[1] > 2 * crossings[0]


def test_a_voice_that_does_not_exist_is_named(synthesizer: Synthesizer) -> None:
    with pytest.raises(ValueError, match=r"espeak-ng has no voice xx-nowhere"):
        synthesizer.say("one", Voice(language="xx-nowhere"))


def test_every_digit_has_a_pronunciation_in_the_default_corpus(synthesizer: Synthesizer) -> None:
    lexicon = pronunciations(speak(Voice(variant="m1"), CorpusOptions(utterances_per_voice=10), (1, 0)))
    assert set(lexicon) == set(WORDS) and all(lexicon.values())
    assert lexicon["nine"][0][0] == lexicon["nine"][0][-1] == "n"


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_noise_is_as_loud_as_asked(snr: float, rng: np.random.Generator) -> None:
    speech = (3000 * np.sin(np.arange(16000) * 0.1)).astype(np.int16)
    options = CorpusOptions(snr=(snr, snr), margin=0.5)
    mixed, shift = in_noise(Spoken(speech, ()), 16000, options, rng)
    assert shift == 8000 and len(mixed) == 32000
    noise = mixed[:shift].astype(float).std()
    assert 20 * np.log10(speech.astype(float).std() / noise) == pytest.approx(snr, abs=1.0)


def test_loud_mixtures_are_scaled_instead_of_clipped(rng: np.random.Generator) -> None:
    speech = np.full(16000, 32767, np.int16)
    mixed, _ = in_noise(Spoken(speech, ()), 16000, CorpusOptions(snr=(0.0, 0.0)), rng)
    assert np.abs(mixed.astype(int)).max() == 32000


def test_pink_noise_loses_three_decibels_an_octave(rng: np.random.Generator) -> None:
    power = np.abs(np.fft.rfft(pink_noise(1 << 16, rng))) ** 2
    low, high = power[1000:2000].mean(), power[2000:4000].mean()
    assert 10 * np.log10(low / high) == pytest.approx(3.0, abs=0.5)


@pytest.mark.parametrize(
    ("phones", "expected"),
    [
        ((("n", 10), ("o", 20)), (("SIL", 0), ("n", 15), ("o", 25), ("SIL", 105))),
        ((("_", 0), ("n", 10), ("_", 50)), (("SIL", 0), ("n", 15), ("SIL", 55))),
        (
            (("n", 0), ("_", 5), ("_", 8), ("o", 9)),
            (("SIL", 0), ("n", 5), ("SIL", 10), ("o", 14), ("SIL", 105)),
        ),
    ],
)
def test_silence_stands_before_and_after_and_pauses_are_joined(
    phones: tuple[tuple[str, int], ...], expected: tuple[tuple[str, int], ...]
) -> None:
    assert with_silence(Spoken(np.zeros(100, np.int16), phones), 5) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("'V", "V"), ("r-", "r"), ("_:", "_"), ("", "_"), ("aI@", "aI@"), (",I", "I")]
)
def test_phones_lose_their_marks(name: str, expected: str) -> None:
    assert plain(name) == expected


def test_voices_differ_and_depend_on_the_seed() -> None:
    one, two = (voices(("m1", "m2"), np.random.default_rng(s)) for s in (1, 2))
    assert one != two and one[0].language != one[1].language
    assert one == voices(("m1", "m2"), np.random.default_rng(1))


def test_the_lexicon_is_that_of_single_words_most_frequent_first_with_linking_r() -> None:
    def said(word: str, *phones: str) -> Utterance:
        spoken = tuple((p, i) for i, p in enumerate(("SIL", *phones, "SIL")))
        return Utterance("k", "s", (word,), np.zeros(1, np.int16), 16000, spoken)

    corpus = [said("four", "f", "o@"), said("four", "f", "o:", "r"), said("four", "f", "o@")]
    two = Utterance("k", "s", ("four", "one"), np.zeros(1, np.int16), 16000, (("SIL", 0), ("x", 1)))
    lexicon = pronunciations([*corpus, two])
    assert lexicon["four"] == [("f", "o@"), ("f", "o:", "r"), ("f", "o@", "r")]
    again = pronunciations([*corpus, said("four", "f", "o@", "r")])
    assert again["four"] == [("f", "o@"), ("f", "o:", "r"), ("f", "o@", "r")]
    assert lexicon["one"] == []


def test_a_data_directory_has_the_words_speakers_and_samples(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    samples = np.arange(-50, 50, dtype=np.int16)
    corpus = [
        Utterance("a-1", "a", ("one", "two"), samples, 16000, ()),
        Utterance("b-1", "b", ("six",), samples[:9], 16000, ()),
    ]
    write_data(tmp_path / "d", corpus)
    assert (tmp_path / "d" / "text").read_text() == "a-1 one two\nb-1 six\n"
    assert (tmp_path / "d" / "spk2utt").read_text() == "a a-1\nb b-1\n"
    found = list(read_wavs(tmp_path / "d" / "wav.scp"))
    assert [(key, rate) for key, _, rate in found] == [("a-1", 16000), ("b-1", 16000)]
    np.testing.assert_array_equal(found[0][1], samples)
