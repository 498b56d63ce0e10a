"""A corpus of spoken digit strings: which voices say what, in which noise, and when each phone begins."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from egs.digits.speech import Spoken, Synthesizer, Voice
from steps.executor import usable_cores
from steps.write_data import Recorded, write_data_dir

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en-gb-scotland", "en-gb-x-rp", "en-us-nyc", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
# Not f2, f3, f5 and other variants with a long echo: espeak-ng begins their echo with what memory held.
TRAIN_VARIANTS = ("m1", "m3", "m5", "m7", "f1", "f4", "anika", "Alex", "Andrea", "klatt2",
                  "linda", "Mario", "steph", "ed")  # fmt: skip
TEST_VARIANTS = ("m2", "belinda", "Annie", "Gene", "klatt4", "michel")
SILENCE = "SIL"


@dataclass(frozen=True)
class Utterance:
    """One recording: key `SPEAKER-NUMBER`, its words, samples (int16) and phones as (phone, first sample)."""

    key: str
    speaker: str
    words: tuple[str, ...]
    samples: np.ndarray
    rate: int  # samples a second
    phones: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CorpusOptions:
    """How much is spoken and how noisy it is; signal-to-noise ratios in dB are drawn between the two
    bounds.
    """

    utterances_per_voice: int = 40
    longest: int = 5  # digits in an utterance
    snr: tuple[float, float] = (0.0, 20.0)
    margin: float = 0.15  # seconds of silence around the speech


def voices(variants: Sequence[str], rng: np.random.Generator) -> list[Voice]:
    """One voice for each variant, with an accent, a speed and a pitch of its own."""
    return [
        Voice(
            language=ACCENTS[i % len(ACCENTS)],
            variant=variant,
            speed=int(rng.integers(130, 200)),
            pitch=int(rng.integers(25, 75)),
            pitch_range=int(rng.integers(30, 70)),
        )
        for i, variant in enumerate(variants)
    ]


def utterances(variants: Sequence[str], options: CorpusOptions, seed: int) -> list[Utterance]:
    """What every voice says, sorted by key; the same seed gives the same samples.

    Each voice speaks in a process of its own: espeak-ng carries something over from one utterance to the
    next, and what a voice says should not depend on who spoke before.
    """
    speaking = [(v, options, (seed, n)) for n, v in enumerate(voices(variants, np.random.default_rng(seed)))]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(usable_cores(), context, leave_interrupts, max_tasks_per_child=1) as pool:
        return sorted((u for part in pool.map(speak, *zip(*speaking)) for u in part), key=lambda u: u.key)


def leave_interrupts() -> None:
    """Ctrl-C is for the process that waits for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def speak(voice: Voice, options: CorpusOptions, seed: tuple[int, int]) -> list[Utterance]:
    """What one voice says: every digit alone, then strings of digits. Raises ValueError for no such voice."""
    rng = np.random.default_rng(seed)
    synthesizer = Synthesizer()
    speaker = f"{voice.variant.lower()}.{voice.language}"
    result = []
    for number, words in enumerate(sentences(options, rng)):
        pace = replace(voice, speed=int(voice.speed * rng.uniform(0.85, 1.15)))
        spoken = synthesizer.say(" ".join(words), pace)
        samples, shift = in_noise(spoken, synthesizer.rate, options, rng)
        phones = with_silence(spoken, shift)
        result.append(Utterance(f"{speaker}-{number:03d}", speaker, words, samples, synthesizer.rate, phones))
    return result


def sentences(options: CorpusOptions, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """The words of a voice's utterances."""
    alone = [(word,) for word in WORDS]
    count = max(0, options.utterances_per_voice - len(alone))
    lengths = rng.integers(1, options.longest + 1, count)
    strings = [tuple(WORDS[i] for i in rng.integers(0, len(WORDS), n)) for n in lengths]
    return [*alone, *strings][: options.utterances_per_voice]


def in_noise(
    spoken: Spoken, rate: int, options: CorpusOptions, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """The speech with silence around it and pink noise over all of it, and how many samples it was moved
    by.
    """
    margin = int(options.margin * rate)
    speech = np.pad(spoken.samples.astype(np.float64), margin)
    noise = pink_noise(len(speech), rng)
    snr = rng.uniform(*options.snr)
    noise *= np.sqrt((spoken.samples.astype(np.float64) ** 2).mean() / 10 ** (snr / 10))
    mixed = speech + noise
    mixed *= min(1.0, 32000.0 / np.abs(mixed).max())
    return mixed.round().astype(np.int16), margin


def pink_noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """n samples of noise of power 1 whose power falls with frequency, 3 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), len(spectrum) / 200))
    noise = np.fft.irfft(spectrum, n)
    return noise / noise.std()


def with_silence(spoken: Spoken, shift: int) -> tuple[tuple[str, int], ...]:
    """Phones with `shift` added to their times, pauses called SIL, and silence before and after."""
    phones = [(SILENCE, 0)]
    for phone, start in spoken.phones:
        name = SILENCE if phone == "_" else phone
        if phones[-1][0] != SILENCE or name != SILENCE:
            phones.append((name, start + shift))
    if phones[-1][0] != SILENCE:
        phones.append((SILENCE, len(spoken.samples) + shift))
    return tuple(phones)


def write_data(folder: Path, corpus: Sequence[Utterance]) -> None:
    """Write wavs and Kaldi's wav.scp, text, utt2spk and spk2utt. Raises OSError."""
    import soundfile  # noqa: PLC0415 - an extra

    (folder / "wav").mkdir(parents=True, exist_ok=True)
    for u in corpus:
        soundfile.write(folder / "wav" / f"{u.key}.wav", u.samples, u.rate, subtype="PCM_16")
    write_data_dir(
        folder,
        [Recorded(u.key, u.speaker, " ".join(u.words), folder / "wav" / f"{u.key}.wav") for u in corpus],
    )


def pronunciations(corpus: Sequence[Utterance]) -> dict[str, list[tuple[str, ...]]]:
    """Every word's pronunciations in the corpus, most frequent first.

    espeak-ng gives phones, not where words end, so single-word utterances define the lexicon. A vowel that
    ends
    in a schwa may be followed by a linking r when another word comes ("four eight").
    """
    counts: dict[str, dict[tuple[str, ...], int]] = {w: {} for w in WORDS}
    for u in corpus:
        if len(u.words) == 1:
            phones = tuple(p for p, _ in u.phones if p != SILENCE)
            counts[u.words[0]][phones] = counts[u.words[0]].get(phones, 0) + 1
    lexicon = {w: sorted(c, key=lambda p: (-c[p], p)) for w, c in counts.items()}
    return {word: prons + linking(prons) for word, prons in lexicon.items()}


def linking(pronunciations: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What an r at the end makes of pronunciations that end in a diphthong with schwa, where that is new."""
    longer = [(*p, "r") for p in pronunciations if len(p[-1]) > 1 and p[-1][-1] == "@"]
    return [p for p in longer if p not in pronunciations]
