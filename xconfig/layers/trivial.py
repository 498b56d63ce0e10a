"""Layers of a single component or node without a trained matrix."""

from __future__ import annotations

from xconfig.emit import Emitter, Signal
from xconfig.layer import Layer, layer, option, require


@layer("renorm-component", example=(512, ""))
class RenormComponent(Layer):
    """Each row scaled to a root mean square."""

    target_rms: float = option(1.0, "the root mean square", above=0.0)

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One NormalizeComponent."""
        return net.add("", "NormalizeComponent", x, x.dim, dim=x.dim, target_rms=self.target_rms)


@layer("batchnorm-component", example=(512, ""))
class BatchnormComponent(Layer):
    """Each column normalised over the minibatch."""

    target_rms: float = option(1.0, "root mean square of the output", above=0.0)
    include_in_init: bool = option(False, "write it to init.config too: it precedes a fixed-affine-layer")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One BatchNormComponent."""
        if self.include_in_init:
            net.configs = ("init", "ref", "final")
        return net.add("", "BatchNormComponent", x, x.dim, dim=x.dim, target_rms=self.target_rms)


@layer("no-op-component", example=(512, ""))
class NoOpComponent(Layer):
    """A name for a descriptor, computed once however often it is read."""

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One NoOpComponent."""
        return net.add("", "NoOpComponent", x, x.dim, dim=x.dim)


@layer("dim-range-component", example=(100, "dim=40 dim-offset=10"))
class DimRangeComponent(Layer):
    """Some of the input's columns; the input must be the name of a node."""

    dim: int = option(-1, "number of columns", from_input=True, least=1)
    dim_offset: int = option(0, "the first column", least=0)

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One dim-range-node."""
        end = self.dim_offset + self.dim
        require(
            end <= x.dim,
            f"dim-offset={self.dim_offset} and dim={self.dim} end at {end}, the input has dim {x.dim}",
        )
        net.columns("", x.text, self.dim_offset, self.dim)
        return net.signal("", self.dim)


@layer("channel-average-layer", example=(4096, "dim=256"))
class ChannelAverageLayer(Layer):
    """The average of consecutive blocks of `dim` columns."""

    dim: int = option(-1, "number of columns of the output", least=1)

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One SumBlockComponent."""
        require(x.dim % self.dim == 0, f"dim={self.dim} does not divide the input's dim {x.dim}")
        scale = self.dim / x.dim
        return net.add(
            "", "SumBlockComponent", x, self.dim, input_dim=x.dim, output_dim=self.dim, scale=scale
        )


@layer("combine-feature-maps-layer", example=(240, "num-filters1=1 num-filters2=5 height=40"))
class CombineFeatureMapsLayer(Layer):
    """Two or three sets of feature maps, appended in the input, brought together height by height."""

    num_filters1: int = option(-1, "filters of the first set", least=1)
    num_filters2: int = option(-1, "filters of the second set", least=1)
    num_filters3: int = option(0, "filters of the third set; 0: there is none", least=0)
    height: int = option(-1, "height of all sets", least=1)

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One PermuteComponent."""
        filters = (self.num_filters1, self.num_filters2, self.num_filters3)
        dim = sum(filters) * self.height
        require(
            x.dim == dim,
            f"height={self.height} and filters {filters} make dim {dim}, the input has dim {x.dim}",
        )
        starts = (0, filters[0] * self.height, (filters[0] + filters[1]) * self.height)
        columns = [
            str(start + h * count + f)
            for h in range(self.height)
            for start, count in zip(starts, filters)
            for f in range(count)
        ]
        return net.add("", "PermuteComponent", x, x.dim, column_map=",".join(columns))
