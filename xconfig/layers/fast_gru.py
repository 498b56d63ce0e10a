"""GRU layers around fused components, GruNonlinearity and OutputGruNonlinearity, whose output is (h, c)."""

from __future__ import annotations

from xconfig.emit import AFFINE, PRODUCT, Emitter, Signal
from xconfig.layer import layer, option
from xconfig.layers.gru import dropouts, nonlinearities
from xconfig.recurrent import Recurrent


@layer("fast-gru-layer", example=(512, "cell-dim=512 delay=-3"))
class FastGruLayer(Recurrent):
    """GRU; the output is fed back."""

    gru_nonlinearity_options: str = option(" max-change=0.75", "text appended to the GRU component")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Gates and W x -> gru_nonlin -> y."""
        c, n = self.cell_dim, net.name
        gate_matrices(self, net, x.dim, {"W_z.xh": c, "W_r.xh": c}, c)
        nonlinearities(self, net, {"z": c, "r": c})
        gates(self, net, x, {"z": "W_z.xh", "r": "W_r.xh"}, {})
        net.component(
            "gru_nonlin", "GruNonlinearityComponent", cell_dim=c, options=self.gru_nonlinearity_options
        )
        parts = f"{n}.z_t, {n}.r_t, {n}.hpart_t, {self.before(net, 's_t')}"
        net.node("gru_nonlin_t", f"Append({parts})", "gru_nonlin")
        net.columns("y_t", f"{n}.gru_nonlin_t", c, c)
        self.truncation(net, "s_r", c)
        net.node("s_t", f"{n}.y_t", "s_r")
        return net.signal("y_t", c)


@layer("fast-pgru-layer", "fast-norm-pgru-layer", example=(512, "cell-dim=512 delay=-3"))
class FastPgruLayer(Recurrent):
    """GRU with projection; norm- types normalise output and recurrence. Later layers can read NAME.c_t."""

    gru_nonlinearity_options: str = option(" max-change=0.75", "text appended to the GRU component")
    dropout_per_frame: bool = option(True, "drop all gates of a frame together", only="norm")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Gates and W x -> gru_nonlin -> projection."""
        c, n = self.cell_dim, net.name
        r, dim = self.take_projections()
        gate_matrices(self, net, x.dim, {"W_z.xs": c, "W_r.xs": r}, r)
        nonlinearities(self, net, {"z": c, "r": r})
        dropouts(self, net, {"dropout_z": c, "dropout_r": r})
        gates(self, net, x, {"z": "W_z.xs", "r": "W_r.xs"}, {"z": "dropout_z", "r": "dropout_r"})
        options = self.gru_nonlinearity_options
        net.component("gru_nonlin", "GruNonlinearityComponent", cell_dim=c, recurrent_dim=r, options=options)
        parts = f"{n}.z_t, {n}.r_t, {n}.hpart_t, {self.before(net, 'c_t')}, {self.before(net, 's_t')}"
        net.node("gru_nonlin_t", f"Append({parts})", "gru_nonlin")
        net.columns("c_t", f"{n}.gru_nonlin_t", c, c)
        net.auxiliary["c_t"] = net.signal("c_t", c)
        return projection(self, net, "W_y.c", "c_t", r, dim)


@layer("fast-opgru-layer", "fast-norm-opgru-layer", example=(512, "cell-dim=512 delay=-3"))
class FastOpgruLayer(Recurrent):
    """GRU with output gate and projection. Later layers can read the cells as NAME.c_t."""

    gru_nonlinearity_options: str = option(" max-change=0.75", "text appended to the GRU component")
    dropout_per_frame: bool = option(True, "drop all gates of a frame together", only="norm")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Gates and W x -> gru_nonlin -> times the output gate -> projection."""
        c, n = self.cell_dim, net.name
        r, dim = self.take_projections()
        gate_matrices(self, net, x.dim, {"W_z.xs": c, "W_o.xs": c}, r)
        nonlinearities(self, net, {"z": c, "o": c})
        dropouts(self, net, {"dropout": c})
        gates(self, net, x, {"z": "W_z.xs", "o": "W_o.xs"}, {"z": "dropout", "o": "dropout"})
        options = self.gru_nonlinearity_options
        net.component("gru_nonlin", "OutputGruNonlinearityComponent", cell_dim=c, options=options)
        net.node("gru_nonlin_t", f"Append({n}.z_t, {n}.hpart_t, {self.before(net, 'c_t')})", "gru_nonlin")
        net.columns("c_t", f"{n}.gru_nonlin_t", c, c)
        net.auxiliary["c_t"] = net.signal("c_t", c)
        both = Signal(f"Append({n}.c_t, {n}.o_t)", 2 * c)
        net.add("cdoto", PRODUCT, both, c, input_dim=2 * c, output_dim=c)
        return projection(self, net, "W_y.cdoto", "cdoto", r, dim)


def gate_matrices(gru: Recurrent, net: Emitter, dim: int, gates: dict[str, int], r: int) -> None:
    """Affine components: gates on input and recurrence of `r` columns, the candidate on the input."""
    for name, columns in gates.items():
        net.component(name, AFFINE, input_dim=dim + r, output_dim=columns, options=gru.ng_affine_options)
    net.component("W_hpart.x", AFFINE, input_dim=dim, output_dim=gru.cell_dim, options=gru.ng_affine_options)


def gates(gru: Recurrent, net: Emitter, x: Signal, matrices: dict[str, str], dropout: dict[str, str]) -> None:
    """Nodes of the gates, through their matrices and dropout components, and of the candidate's part."""
    for gate, matrix in matrices.items():
        net.node(f"{gate}_t_pre", f"Append({x.text}, {gru.before(net, 's_t')})", matrix)
        gru.gate(net, gate, net.full(f"{gate}_t_pre"), dropout.get(gate, ""), f"{gate}_t_predrop")
    net.node("hpart_t", x.text, "W_hpart.x")


def projection(gru: Recurrent, net: Emitter, matrix: str, source: str, r: int, dim: int) -> Signal:
    """y = W source, whose first `r` columns s are fed back; norm types normalise both."""
    net.component(matrix, AFFINE, input_dim=gru.cell_dim, output_dim=dim, options=gru.ng_affine_options)
    if "norm" not in gru.words:
        net.node("y_t", net.full(source), matrix)
        gru.truncation(net, "s_r", r)
        before = "s_t_preclip" if gru.kind == "fast-opgru-layer" else "s_t_pre"
        net.columns(before, net.full("y_t"), 0, r)
        net.node("s_t", net.full(before), "s_r")
        return net.signal("y_t", dim)
    net.node("y_t_tmp", net.full(source), matrix)
    net.component("renorm", "NormalizeComponent", dim=r, target_rms=1.0)
    gru.truncation(net, "s_r", r)
    net.columns("s_t_pre", net.full("y_t_tmp"), 0, r)
    net.node("s_t_renorm", net.full("s_t_pre"), "renorm")
    net.node("s_t", net.full("s_t_renorm"), "s_r")
    net.component("batchnorm", "BatchNormComponent", dim=dim, target_rms=1.0)
    net.node("y_t", net.full("y_t_tmp"), "batchnorm")
    return net.signal("y_t", dim)
