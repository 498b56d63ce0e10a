"""LSTM layers made of elementary components: lstm, lstmp, lstmp-batchnorm."""

from __future__ import annotations

from xconfig.emit import AFFINE, DIAGONAL, PRODUCT, Emitter, Signal
from xconfig.layer import layer, option
from xconfig.recurrent import Recurrent


@layer("lstm-layer", "lstmp-layer", "lstmp-batchnorm-layer", example=(512, "cell-dim=512 delay=-3"))
class LstmLayer(Recurrent):
    """LSTM with diagonal peepholes; lstmp types project the output. Later layers can read NAME.c_t."""

    dropout_per_frame: bool = option(False, "drop all gates of a frame together", only="lstmp")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Components of gates and cells, nodes, then projection."""
        projected = self.kind != "lstm-layer"
        fed_back, dim = self.take_projections() if projected else (self.cell_dim, self.cell_dim)
        self.matrices(net, x.dim + fed_back)
        self.elementwise(net)
        self.cell_nodes(net, f"Append({x.text}, {self.before(net, 'r_t')})")
        net.auxiliary["c_t"] = net.signal("c_t", self.cell_dim)
        if projected:
            return self.projection(net, fed_back, dim)
        self.truncation(net, "r", dim)
        net.node("r_t", net.full("m_t"), "r")
        return net.signal("m_t", dim)

    def matrices(self, net: Emitter, dim: int) -> None:
        """Trained components of the gates i, f, o and of the cell input."""
        c = self.cell_dim
        for gate in "ifo":
            net.component(f"W_{gate}.xr", AFFINE, input_dim=dim, output_dim=c, **self.affine)
            net.component(f"w_{gate}.c", DIAGONAL, dim=c, **self.diagonal)
        net.component("W_c.xr", AFFINE, input_dim=dim, output_dim=c, **self.affine)

    def elementwise(self, net: Emitter) -> None:
        """Nonlinearities, products and the truncation of the cells."""
        c = self.cell_dim
        for name in "ifogh":
            kind = "TanhComponent" if name in "gh" else "SigmoidComponent"
            net.component(name, kind, dim=c, self_repair_scale=self.self_repair_scale_nonlinearity)
        if self.has_dropout:
            proportion, per_frame = self.dropout_proportion, self.dropout_per_frame
            net.component(
                "dropout",
                "DropoutComponent",
                dim=c,
                dropout_proportion=proportion,
                dropout_per_frame=per_frame,
            )
        for name in ("c1", "c2", "m"):
            net.component(name, PRODUCT, input_dim=2 * c, output_dim=c)
        self.truncation(net, "c", c)

    def cell_nodes(self, net: Emitter, source: str) -> None:
        """i, f, o = sigmoid(W source + w c); c = f c_before + i tanh(W source); m = o tanh(c)."""
        n, c_before = net.name, self.before(net, "c_t")
        net.node("c_t", f"Sum({n}.c1_t, {n}.c2_t)", "c")
        for gate, cell in (("i", c_before), ("f", c_before), ("o", f"{n}.c_t")):
            net.node(f"{gate}1_t", source, f"W_{gate}.xr")
            net.node(f"{gate}2_t", cell, f"w_{gate}.c")
            self.gate(net, gate, f"Sum({n}.{gate}1_t, {n}.{gate}2_t)", "dropout", f"{gate}_t_predrop")
        net.node("h_t", f"{n}.c_t", "h")
        net.node("g1_t", source, "W_c.xr")
        net.node("g_t", f"{n}.g1_t", "g")
        net.node("c1_t", f"Append({n}.f_t, {c_before})", "c1")
        net.node("c2_t", f"Append({n}.i_t, {n}.g_t)", "c2")
        net.node("m_t", f"Append({n}.o_t, {n}.h_t)", "m")

    def projection(self, net: Emitter, fed_back: int, dim: int) -> Signal:
        """rp = W m, whose first columns r are fed back."""
        net.component("W_rp.m", AFFINE, input_dim=self.cell_dim, output_dim=dim, **self.affine)
        self.truncation(net, "r", fed_back)
        net.node("rp_t", net.full("m_t"), "W_rp.m")
        net.columns("r_t_preclip", net.full("rp_t"), 0, fed_back)
        net.node("r_t", net.full("r_t_preclip"), "r")
        rp = net.signal("rp_t", dim)
        if self.kind != "lstmp-batchnorm-layer":
            return rp
        return net.add("rp_t_batchnorm", "BatchNormComponent", rp, dim, dim=dim)
