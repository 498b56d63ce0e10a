"""What all recurrent layers share: cells, delay, truncated back-propagation, projections."""

from __future__ import annotations

from xconfig.emit import Emitter, Value
from xconfig.layer import Layer, option, option_group, require

_PROJECTED = "lstmp|pgru"
_PLAIN_GATES = "^lstmp?-|gru"  # types of separate gates, and those that have the same options in Kaldi


@option_group
class Recurrent(Layer):
    """A layer that reads its own output of |delay| frames ago (delay < 0), or ahead (delay > 0)."""

    cell_dim: int = option(-1, "number of cells", from_input=True, least=1)
    recurrent_projection_dim: int = option(-1, "columns fed back; default cell-dim/4", only=_PROJECTED)
    non_recurrent_projection_dim: int = option(
        -1, "further columns of the output; default recurrent-projection-dim", only=_PROJECTED
    )
    delay: int = option(-1, "frame that the recurrence reads, relative to the current one; not 0")
    clipping_threshold: float = option(30.0, "norm to which derivatives are clipped in the recurrence")
    zeroing_interval: int = option(20, "frames between places where derivatives may be zeroed")
    zeroing_threshold: float = option(15.0, "norm above which they are zeroed there")
    ng_affine_options: str = option(" max-change=0.75", "text appended to the affine components")
    ng_per_element_scale_options: str = option(
        " max-change=0.75", "text appended to the diagonal components", only=_PLAIN_GATES
    )
    self_repair_scale_nonlinearity: float = option(
        1.0e-05, "self-repair of the gates", least=0.0, most=1.0, only=_PLAIN_GATES
    )
    dropout_proportion: float = option(
        -1.0, "dropout on the gates; -1: none", least=0.0, most=1.0, off=-1.0, only=r"lstmp|\bnorm-"
    )
    l2_regularize: float = option(0.0, "strength of L2 regularisation", only="lstm|^norm-opgru")
    decay_time: float = option(-1.0, "frames in which the memory decays to 1/e; -1: it does not", only="lstm")

    @property
    def affine(self) -> dict[str, Value]:
        """Keys of every affine component."""
        return {"options": self.ng_affine_options, "l2_regularize": self.l2_regularize or ""}

    @property
    def diagonal(self) -> dict[str, Value]:
        """Keys of every diagonal component: weights start at N(0, 1) unless the options say otherwise."""
        given = self.ng_per_element_scale_options
        if "param-mean" not in given and "param-stddev" not in given:
            given += " param-mean=0.0 param-stddev=1.0"
        return {"options": given, "l2_regularize": self.l2_regularize or ""}

    @property
    def has_dropout(self) -> bool:
        """Whether the gates have dropout."""
        return self.dropout_proportion != -1.0

    def take_projections(self) -> tuple[int, int]:
        """Columns fed back and columns of the output, defaults filled in."""
        if self.recurrent_projection_dim <= 0:
            self.recurrent_projection_dim = self.cell_dim // 4
        if self.non_recurrent_projection_dim <= 0:
            self.non_recurrent_projection_dim = self.recurrent_projection_dim
        both = self.recurrent_projection_dim + self.non_recurrent_projection_dim
        require(
            self.recurrent_projection_dim > 0, f"cell-dim={self.cell_dim} leaves no recurrent-projection-dim"
        )
        require(
            both <= self.cell_dim, f"the two projections have dim {both}, more than cell-dim={self.cell_dim}"
        )
        return self.recurrent_projection_dim, both

    def before(self, net: Emitter, suffix: str) -> str:
        """Descriptor of node `suffix` at the frame that the recurrence reads, zero where there is none."""
        require(self.delay != 0, "delay=0, but a layer cannot read its own output of the same frame")
        return f"IfDefined(Offset({net.full(suffix)}, {self.delay}))"

    def truncation(self, net: Emitter, suffix: str, dim: int) -> None:
        """The component that keeps derivatives of the recurrence from exploding."""
        net.component(
            suffix, "BackpropTruncationComponent", dim=dim, clipping_threshold=self.clipping_threshold,
            zeroing_threshold=self.zeroing_threshold, zeroing_interval=self.zeroing_interval,
            recurrence_interval=abs(self.delay), scale=self.scale() if "lstm" in self.kind else "",
        )  # fmt: skip

    def scale(self) -> float:
        """Factor on the recurrence that gives the memory its decay time."""
        if self.decay_time < 0:
            return 1.0
        scale = 1.0 - abs(self.delay) / self.decay_time if self.decay_time else 0.0
        require(scale > 0, f"decay-time={self.decay_time} must be longer than |delay|={abs(self.delay)}")
        return scale

    def gate(self, net: Emitter, name: str, source: str, dropout: str = "", before_dropout: str = "") -> None:
        """Node `name`_t, nonlinearity `name` of `source`; through component `dropout` if there is dropout."""
        if not (dropout and self.has_dropout):
            net.node(f"{name}_t", source, name)
            return
        net.node(before_dropout, source, name)
        net.node(f"{name}_t", net.full(before_dropout), dropout)
