"""Speech from espeak-ng with the time of every phone: the library behind the PyPI package espeakng-loader."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

SYNCHRONOUS = 2
PHONEME_EVENTS = 1
UTF8 = 1
END, PHONEME = 0, 7
RATE, PITCH, PITCH_RANGE = 1, 3, 4


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Voice:
    """A speaker: espeak-ng's language and variant, words per minute, pitch and its range (0 to 100)."""

    language: str = "en-us"
    variant: str = ""
    speed: int = 160
    pitch: int = 50
    pitch_range: int = 50

    @property
    def name(self) -> str:
        """What espeak-ng calls the voice."""
        return f"{self.language}+{self.variant}" if self.variant else self.language


@dataclass(frozen=True)
class Spoken:
    """Samples (int16) and the phones in them: (phone, first sample), in order; `_` marks silence."""

    samples: np.ndarray
    phones: tuple[tuple[str, int], ...]


class Synthesizer:
    """espeak-ng, loaded once a process. `rate` is its sampling rate in Hz."""

    def __init__(self) -> None:
        import espeakng_loader  # noqa: PLC0415 - an extra

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        path = str(espeakng_loader.get_data_path()).encode()
        self.rate = int(self._library.espeak_Initialize(SYNCHRONOUS, 0, path, PHONEME_EVENTS))
        if self.rate <= 0:
            raise OSError(f"espeak-ng could not start with its data in {path.decode()}")
        self._callback = _Callback(self._receive)  # kept alive as long as the library may call it
        self._samples: list[np.ndarray] = []
        self._phones: list[tuple[str, int]] = []

    def say(self, text: str, voice: Voice) -> Spoken:
        """`text` spoken by `voice`. Raises ValueError for a voice that espeak-ng does not have."""
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name}")
        for parameter, value in ((RATE, voice.speed), (PITCH, voice.pitch), (PITCH_RANGE, voice.pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._library.espeak_SetSynthCallback(self._callback)  # another synthesizer may have spoken since
        self._samples, self._phones = [], []
        data = text.encode()
        status = self._library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, UTF8, None, None)
        if status != 0 or not self._samples:
            raise OSError(f"espeak-ng could not say {text!r} with voice {voice.name} (status {status})")
        return Spoken(np.concatenate(self._samples), tuple(self._phones))

    def _receive(self, wav, count, events) -> int:  # type: ignore[no-untyped-def]
        if wav and count > 0:
            self._samples.append(np.ctypeslib.as_array(wav, (count,)).copy())
        i = 0
        while events[i].type != END:
            if events[i].type == PHONEME:
                phone = events[i].id.string.decode("utf-8", "replace")
                self._phones.append((plain(phone), events[i].sample))
            i += 1
        return 0


def plain(phone: str) -> str:
    """espeak-ng's phone without stress marks, lengths of pauses and liaison: `'V` -> `V`, `_:` -> `_`,
    `r-` -> `r`.
    """
    bare = phone.strip("',%=|;").removesuffix("-")
    return "_" if bare.startswith("_") or not bare else bare
