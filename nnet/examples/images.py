"""Random shifts, flips and rotations of the images in examples (Kaldi's nnet3-egs-augment-image)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnet.formats.examples import NnetExample, NnetIo
from nnet.formats.matrix import dense

Position = Callable[[np.ndarray, int], np.ndarray]  # rows or columns of any number, moved into 0 ... size - 1


def nearest(i: np.ndarray, size: int) -> np.ndarray:
    """Beyond the edge the pixel of the edge."""
    return np.clip(i, 0, size - 1)


def reflect(i: np.ndarray, size: int) -> np.ndarray:
    """Beyond the edge the image mirrored at the pixel of the edge, once; beyond that the far edge."""
    i = np.abs(i)
    return np.clip(np.where(i >= size, 2 * size - 2 - i, i), 0, size - 1)


FILLS: dict[str, Position] = {"nearest": nearest, "reflect": reflect}


@dataclass(frozen=True)
class Augmentation:
    """How images are changed: shifts as parts of width and height, probabilities, degrees of rotation.

    An image is a matrix: rows are x, columns y and, varying fastest, the channel (colour).
    """

    num_channels: int = 1
    horizontal_flip_prob: float = 0.0
    horizontal_shift: float = 0.0
    vertical_shift: float = 0.0
    rotation_degree: float = 0.0
    rotation_prob: float = 0.0
    fill_mode: str = "nearest"

    def __post_init__(self) -> None:
        if self.num_channels < 1:
            raise ValueError(f"--num-channels={self.num_channels} must be at least 1")
        if self.fill_mode not in FILLS:
            raise ValueError(f"--fill-mode={self.fill_mode}: expected one of {', '.join(FILLS)}")
        limits = {
            name: 1
            for name in ("horizontal_flip_prob", "horizontal_shift", "vertical_shift", "rotation_prob")
        }
        for name, most in (limits | {"rotation_degree": 180}).items():
            if not 0 <= (value := getattr(self, name)) <= most:
                raise ValueError(f"--{name.replace('_', '-')}={value:g} is not in [0, {most}]")


def augmented(eg: NnetExample, options: Augmentation, rng: np.random.Generator) -> NnetExample:
    """The example with its `input` changed at random, uncompressed. Raises ValueError if it has none."""
    if all(io.name != "input" for io in eg.io):
        raise ValueError(f"has no 'input', only {', '.join(io.name for io in eg.io)}")
    return NnetExample(
        [
            NnetIo(io.name, io.indexes, perturbed(dense(io.features), options, rng))
            if io.name == "input"
            else io
            for io in eg.io
        ]
    )


def perturbed(image: np.ndarray, options: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """The image (width, height * channels) after a random transform (Kaldi's PerturbImage)."""
    width, (height, rest) = len(image), divmod(image.shape[1], options.num_channels)
    if rest:
        raise ValueError(
            f"has {image.shape[1]} columns, not a multiple of --num-channels={options.num_channels}"
        )
    transform = random_transform(options, width, height, rng)
    if np.array_equal(transform, np.eye(3)):
        return image
    centre = np.eye(3, dtype=np.float32)
    centre[:2, 2] = width / 2 - 0.5, height / 2 - 0.5
    back = np.eye(3, dtype=np.float32)
    back[:2, 2] = -centre[:2, 2]
    pixels = image.reshape(width, height, options.num_channels)
    return transformed(pixels, centre @ transform @ back, FILLS[options.fill_mode]).reshape(image.shape)


def random_transform(options: Augmentation, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Rotation times shift and flip (3, 3), float32: where a pixel comes from, counted from the centre."""

    def spread() -> float:
        return 2.0 * rng.random() - 1.0

    shift = np.eye(3, dtype=np.float32)
    shift[0, 2] = _rounded(spread() * options.horizontal_shift * width)
    shift[1, 2] = _rounded(spread() * options.vertical_shift * height)
    if _happens(options.horizontal_flip_prob, rng):
        shift[0, 0] = -1.0
    rotation = np.eye(3, dtype=np.float32)
    if rng.random() <= options.rotation_prob:
        theta = math.radians(options.rotation_degree * spread())
        rotation[:2, :2] = [[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]]
    return rotation @ shift


def _rounded(x: float) -> float:
    """To the nearest integer, halves away from zero."""
    return math.copysign(math.floor(abs(x) + 0.5), x)


def _happens(probability: float, rng: np.random.Generator) -> bool:
    """Whether something of this probability happens; no number is drawn where that is certain."""
    return probability == 1 or (probability > 0 and rng.random() < probability)


def transformed(pixels: np.ndarray, transform: np.ndarray, fill: Position) -> np.ndarray:
    """pixels (width, height, channels), each read where `transform` says, between four neighbours."""
    width, height, _ = pixels.shape
    x, y = np.indices((width, height), np.float32)
    (a, b, c), (d, e, f), _ = transform.astype(np.float32)
    row, column = a * x + b * y + c, d * x + e * y + f
    r, k = np.floor(row).astype(int), np.floor(column).astype(int)
    up, down = (row - r).astype(np.float32)[..., None], (r + 1 - row).astype(np.float32)[..., None]
    right, left = (column - k).astype(np.float32)[..., None], (k + 1 - column).astype(np.float32)[..., None]
    r1, r2, k1, k2 = fill(r, width), fill(r + 1, width), fill(k, height), fill(k + 1, height)
    return (
        down * left * pixels[r1, k1]
        + down * right * pixels[r1, k2]
        + up * left * pixels[r2, k1]
        + up * right * pixels[r2, k2]
    )
