"""What is done to features before the first trained layer: inverse cosine transform, differences, masking."""

from __future__ import annotations

import math
import re

from xconfig.emit import Emitter, Signal
from xconfig.layer import Layer, layer, option, require


@layer("idct-layer", example=(40, "cepstral-lifter=22 affine-transform-file=idct.mat"))
class IdctLayer(Layer):
    """Cepstra to filterbank energies, by a fixed matrix that this layer writes to its file."""

    dim: int = option(-1, "number of columns of the output", from_input=True, least=1)
    cepstral_lifter: float = option(
        22.0, "liftering coefficient Q that the cepstra were made with; 0: none", least=0.0
    )
    affine_transform_file: str = option("", "where the matrix is written", required=True)
    include_in_init: bool = option(False, "write it to init.config too: it precedes a fixed-affine-layer")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One FixedAffineComponent."""
        matrix = idct_matrix(x.dim, self.dim, self.cepstral_lifter)
        net.files[self.affine_transform_file] = matrix_text([[*row, 0] for row in matrix])
        if self.include_in_init:
            net.configs = ("init", "ref", "final")
        return net.add("", "FixedAffineComponent", x, self.dim, matrix=self.affine_transform_file)


def idct_matrix(num_ceps: int, num_bins: int, lifter: float) -> list[list[float]]:
    """`num_bins` rows of `num_ceps` numbers: the inverse of the orthonormal DCT-II with its liftering undone.

    Row n, column k: sqrt(2/N) cos(pi/N (n + 1/2) k) / lift(k), with 1 in place of 2 for k = 0, N = num_bins
    and lift(k) = 1 + Q/2 sin(pi k / Q), Q = lifter (Kaldi's compute_idct_matrix and compute_lifter_coeffs).
    """
    lift = [1.0 + 0.5 * lifter * math.sin(math.pi * k / lifter) if lifter else 1.0 for k in range(num_ceps)]
    first, other = math.sqrt(1.0 / num_bins), math.sqrt(2.0 / num_bins)
    angle = math.pi / num_bins
    return [
        [(other * math.cos(angle * (n + 0.5) * k) if k else first) / lift[k] for k in range(num_ceps)]
        for n in range(num_bins)
    ]


def matrix_text(rows: list[list[float]]) -> str:
    """A matrix in Kaldi's text format."""
    return "[ " + "\n".join(" ".join(map(str, row)) for row in rows) + " ]"


@layer("delta-layer", example=(40, "input=input"))
class DeltaLayer(Layer):
    """The input, a node, with its first and second differences over time, batch-normalised."""

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Two copies of the input under names of their own, their weighted sums, BatchNormComponent."""
        source, dim = x.text, 3 * x.dim
        require(
            re.fullmatch(r"[-\w.]+", source) is not None,
            f"the input must be the name of a node, not {source}",
        )
        for copy in (1, 2):
            net.line(f"dim-range-node name={source}_copy{copy} input-node={source} dim={x.dim} dim-offset=0")
        first = f"Sum(Offset(Scale(-1.0, {source}_copy1), -1), Offset({source}, 1))"
        second = f"Sum(Offset({source}, -2), Offset({source}, 2), Offset(Scale(-2.0, {source}_copy2), 0))"
        both = f"{source}_2"
        net.line(f"component name={both} type=NoOpComponent dim={dim}")
        third = f"Append(Offset({source}, 0), {first}, {second})"
        net.line(f"component-node name={both} component={both} input={third}")
        return net.add("", "BatchNormComponent", Signal(both, dim), dim, dim=dim)


@layer("spec-augment-layer", example=(40, "freq-max-proportion=0.5"))
class SpecAugmentLayer(Layer):
    """SpecAugment: bands of frequency and stretches of time set to zero in training."""

    freq_max_proportion: float = option(0.5, "largest proportion of the columns that is zeroed", above=0.0)
    time_zeroed_proportion: float = option(0.2, "proportion of the frames that is zeroed", above=0.0)
    time_mask_max_frames: int = option(20, "longest stretch zeroed, in frames", least=1)
    include_in_init: bool = option(False, "write it to init.config too: it precedes a fixed-affine-layer")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """freq-mask -> time-mask."""
        for key, value in (
            ("freq-max", self.freq_max_proportion),
            ("time-zeroed", self.time_zeroed_proportion),
        ):
            require(value < 1.0, f"{key}-proportion={value} must be below 1")
        if self.include_in_init:
            net.configs = ("init", "ref", "final")
        proportion = self.freq_max_proportion
        h = net.add(
            "freq-mask", "GeneralDropoutComponent", x, x.dim, dim=x.dim, specaugment_max_proportion=proportion
        )
        return net.add(
            "time-mask", "SpecAugmentTimeMaskComponent", h, h.dim, dim=h.dim,
            zeroed_proportion=self.time_zeroed_proportion, time_mask_max_frames=self.time_mask_max_frames,
        )  # fmt: skip
