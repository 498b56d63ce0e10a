"""LSTM layers around the fused LstmNonlinearityComponent: fast-lstm, fast-lstmp, lstmb."""

from __future__ import annotations

from xconfig.emit import AFFINE, LINEAR, Emitter, Signal
from xconfig.layer import layer, option
from xconfig.recurrent import Recurrent


@layer("fast-lstm-layer", "fast-lstm-batchnorm-layer", example=(512, "cell-dim=512 delay=-3"))
class FastLstmLayer(Recurrent):
    """LSTM with one matrix for all gates. Later layers can read the cells as NAME.c."""

    ng_affine_options: str = option(" max-change=1.5", "text appended to the affine component")
    lstm_nonlinearity_options: str = option(" max-change=0.75", "text appended to the LSTM component")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """W_all -> lstm_nonlin, whose output (c, m) is fed back through cm_trunc."""
        c = self.cell_dim
        net.component("W_all", AFFINE, input_dim=x.dim + c, output_dim=4 * c, **self.affine)
        nonlinearity(self, net, self.lstm_nonlinearity_options)
        self.truncation(net, "cm_trunc", 2 * c)
        net.node("W_all", f"Append({x.text}, {self.before(net, 'm_trunc')})")
        core_nodes(self, net, net.full("W_all"))
        source = net.full("lstm_nonlin")
        cells = f"dim-range-node name={net.full('c')} input-node={source} dim-offset=0 dim={c}"
        net.auxiliary["c"] = Signal(net.full("c"), c, late=cells)
        m = net.signal("m", c)
        return net.add("m_batchnorm", "BatchNormComponent", m, c, dim=c) if "batchnorm" in self.words else m


@layer("lstmb-layer", example=(512, "cell-dim=512 bottleneck-dim=256 delay=-3"))
class LstmbLayer(Recurrent):
    """LSTM whose one matrix is factored through a bottleneck; batch-norm on the output."""

    bottleneck_dim: int = option(-1, "number of columns between the two factors", least=1)
    orthonormal_constraint: float = option(1.0, "scale of the first factor's orthonormal rows")
    self_scale: float = option(1.0, "scale of the layer's own output where it reads it")
    ng_affine_options: str = option(" max-change=1.5", "text appended to the linear components")
    lstm_nonlinearity_options: str = option(" max-change=0.75", "text appended to the LSTM component")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """W_all_a -> W_all_b -> W_all_b_so -> lstm_nonlin -> m_batchnorm."""
        c, b = self.cell_dim, self.bottleneck_dim
        net.component(
            "W_all_a", LINEAR, input_dim=x.dim + c, orthonormal_constraint=self.orthonormal_constraint,
            output_dim=b, options=self.ng_affine_options,
        )  # fmt: skip
        net.component("W_all_b", LINEAR, input_dim=b, output_dim=4 * c, **self.affine)
        net.component("W_all_b_so", "ScaleAndOffsetComponent", dim=4 * c, max_change=0.75)
        nonlinearity(self, net, self.lstm_nonlinearity_options)
        self.truncation(net, "cm_trunc", 2 * c)
        net.component("m_batchnorm", "BatchNormComponent", dim=c)
        own = f"IfDefined(Offset(Scale({self.self_scale}, {net.full('m_trunc')}), {self.delay}))"
        net.node("W_all_a", f"Append({x.text}, {own})")
        net.node("W_all_b", net.full("W_all_a"))
        net.node("W_all_b_so", net.full("W_all_b"))
        core_nodes(self, net, net.full("W_all_b_so"))
        net.node("m_batchnorm", net.full("m"))
        return net.signal("m_batchnorm", c)


@layer(
    "fast-lstmp-layer",
    "fast-lstmp-batchnorm-layer",
    example=(512, "cell-dim=512 recurrent-projection-dim=128 non-recurrent-projection-dim=128 delay=-3"),
)
class FastLstmpLayer(Recurrent):
    """LSTM with one matrix for all gates and a projection. Later layers can read the cells as NAME.c_t."""

    ng_affine_options: str = option(" max-change=1.5", "text appended to the affine components")
    lstm_nonlinearity_options: str = option(" max-change=0.75", "text appended to the LSTM component")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """W_all -> lstm_nonlin -> W_rp; cells and the first columns of W_rp are fed back through cr_trunc."""
        c = self.cell_dim
        r, dim = self.take_projections()
        net.component("W_all", AFFINE, input_dim=x.dim + r, output_dim=4 * c, **self.affine)
        nonlinearity(self, net, self.lstm_nonlinearity_options, use_dropout=self.has_dropout)
        self.truncation(net, "cr_trunc", c + r)
        if self.has_dropout:
            proportion = self.dropout_proportion
            net.component("dropout_mask", "DropoutMaskComponent", output_dim=3, dropout_proportion=proportion)
        net.component("W_rp", AFFINE, input_dim=c, output_dim=dim, **self.affine)
        self.nodes(net, x, r)
        net.auxiliary["c_t"] = net.signal("c", c)
        rp = net.signal("rp", dim)
        return (
            net.add("rp_batchnorm", "BatchNormComponent", rp, dim, dim=dim)
            if "batchnorm" in self.words
            else rp
        )

    def nodes(self, net: Emitter, x: Signal, r: int) -> None:
        """Nodes of the components, with the column ranges between them."""
        c, n = self.cell_dim, net.name
        net.node("W_all", f"Append({x.text}, {self.before(net, 'r_trunc')})")
        parts = [f"{n}.W_all", self.before(net, "c_trunc")]
        if self.has_dropout:
            net.node(
                "dropout_mask", f"{n}.dropout_mask"
            )  # the component reads nothing; a node must name an input
            parts.append(f"{n}.dropout_mask")
        net.node("lstm_nonlin", f"Append({', '.join(parts)})")
        net.columns("c", f"{n}.lstm_nonlin", 0, c)
        net.columns("m", f"{n}.lstm_nonlin", c, c)
        net.node("rp", f"{n}.m", "W_rp")
        net.columns("r", f"{n}.rp", 0, r)
        net.node("cr_trunc", f"Append({n}.c, {n}.r)")
        net.columns("c_trunc", f"{n}.cr_trunc", 0, c)
        net.columns("r_trunc", f"{n}.cr_trunc", c, r)


def nonlinearity(lstm: Recurrent, net: Emitter, options: str, use_dropout: bool | str = "") -> None:
    """The component (gates, c before) -> (c, m)."""
    net.component(
        "lstm_nonlin", "LstmNonlinearityComponent", cell_dim=lstm.cell_dim, use_dropout=use_dropout,
        options=options, l2_regularize=lstm.l2_regularize or "",
    )  # fmt: skip


def core_nodes(lstm: Recurrent, net: Emitter, gates: str) -> None:
    """Nodes of an LSTM without projection, from its gates to c_trunc and m_trunc."""
    c = lstm.cell_dim
    net.node("lstm_nonlin", f"Append({gates}, {lstm.before(net, 'c_trunc')})")
    net.columns("m", net.full("lstm_nonlin"), c, c)
    net.node("cm_trunc", net.full("lstm_nonlin"))
    net.columns("c_trunc", net.full("cm_trunc"), 0, c)
    net.columns("m_trunc", net.full("cm_trunc"), c, c)
