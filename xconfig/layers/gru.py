"""GRU layers made of elementary components: gru, pgru, opgru and the normalised norm-pgru, norm-opgru.

With gates z and r (or o) = sigmoid(W (x, s_before)): y = (1 - z) h + z y_before, and s is made from y.
"""

from __future__ import annotations

from xconfig.emit import AFFINE, DIAGONAL, PRODUCT, Emitter, Signal
from xconfig.layer import layer, option
from xconfig.recurrent import Recurrent


@layer("gru-layer", example=(512, "cell-dim=512 delay=-3"))
class GruLayer(Recurrent):
    """GRU: h = tanh(W (x, r s_before)); the output is fed back."""

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Components, then nodes z, r, h, y, s."""
        c = self.cell_dim
        reset_components(self, net, x.dim, c)
        recurrent = f"Append({x.text}, {self.before(net, 's_t')})"
        gate_nodes(self, net, "z", recurrent)
        gate_nodes(self, net, "r", recurrent)
        reset_candidate(self, net, x)
        mixture(self, net, "s_t")
        self.truncation(net, "s_r", c)
        net.node("s_t", net.full("y_t"), "s_r")
        return net.signal("s_t", c)


@layer("pgru-layer", "norm-pgru-layer", example=(512, "cell-dim=512 delay=-3"))
class PgruLayer(Recurrent):
    """GRU with projection; norm- types normalise output and recurrence. Later layers can read NAME.h_t."""

    dropout_per_frame: bool = option(True, "drop all gates of a frame together", only="norm")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Components, then nodes z, r, h, y and the projection."""
        r, dim = self.take_projections()
        reset_components(self, net, x.dim, r, {"dropout_z": self.cell_dim, "dropout_r": r})
        recurrent = f"Append({x.text}, {self.before(net, 's_t')})"
        gate_nodes(self, net, "z", recurrent, "dropout_z")
        gate_nodes(self, net, "r", recurrent, "dropout_r")
        reset_candidate(self, net, x)
        mixture(self, net, "y_t")
        net.auxiliary["h_t"] = net.signal("h_t", self.cell_dim)
        return projection(self, net, "y_t", r, dim)


@layer("opgru-layer", "norm-opgru-layer", example=(512, "cell-dim=512 delay=-3"))
class OpgruLayer(Recurrent):
    """GRU with output gate and projection: h = tanh(W x + w y_before). Later layers can read NAME.h_t."""

    dropout_per_frame: bool = option(True, "drop all gates of a frame together", only="norm")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """Components, then nodes z, o, h, y, the gated output and the projection."""
        r, dim = self.take_projections()
        self.components(net, x.dim, r)
        n = net.name
        recurrent = f"Append({x.text}, {self.before(net, 's_t')})"
        gate_nodes(self, net, "z", recurrent, "dropout")
        gate_nodes(self, net, "o", recurrent, "dropout")
        net.node("h_t_pre", x.text, "W_h.UW")
        net.node("h_t_pre2", self.before(net, "y_t"), "W_h.UW_elementwise")
        net.node("h_t", f"Sum({n}.h_t_pre, {n}.h_t_pre2)", "h")
        mixture(self, net, "y_t")
        net.node("y_o_t", f"Append({n}.o_t, {n}.y_t)", "o1")
        net.auxiliary["h_t"] = net.signal("h_t", self.cell_dim)
        return projection(self, net, "y_o_t", r, dim)

    def components(self, net: Emitter, dim: int, r: int) -> None:
        """Matrices, nonlinearities, products, dropout."""
        c = self.cell_dim
        for gate in "zo":
            net.component(f"W_z.xs_{gate}", AFFINE, input_dim=dim + r, output_dim=c, **self.affine)
        net.component("W_h.UW", AFFINE, input_dim=dim, output_dim=c, **self.affine)
        net.component("W_h.UW_elementwise", DIAGONAL, dim=c, options=self.diagonal["options"])
        nonlinearities(self, net, {"z": c, "o": c, "h": c})
        products(net, {"o1": c, "y1": c, "y2": c})
        net.component("y", "NoOpComponent", dim=c)
        dropouts(self, net, {"dropout": c})


def reset_components(
    gru: Recurrent, net: Emitter, dim: int, r: int, dropout: dict[str, int] | None = None
) -> None:
    """Components of a GRU with reset gate on a recurrence of `r` columns; `dropout`: dims of that."""
    c = gru.cell_dim
    for name, columns in (("W_z.xs_z", c), ("W_z.xs_r", r), ("W_h.UW", c)):
        net.component(name, AFFINE, input_dim=dim + r, output_dim=columns, options=gru.ng_affine_options)
    dropouts(gru, net, dropout or {})
    nonlinearities(gru, net, {"z": c, "r": r, "h": c})
    products(net, {"h1": r, "y1": c, "y2": c})
    net.component("y", "NoOpComponent", dim=c)


def nonlinearities(gru: Recurrent, net: Emitter, dims: dict[str, int]) -> None:
    """Sigmoid components of gates; `h` is a tanh."""
    for name, dim in dims.items():
        kind = "TanhComponent" if name == "h" else "SigmoidComponent"
        net.component(name, kind, dim=dim, self_repair_scale=gru.self_repair_scale_nonlinearity)


def products(net: Emitter, dims: dict[str, int]) -> None:
    """Components that multiply two halves of their input."""
    for name, dim in dims.items():
        net.component(name, PRODUCT, input_dim=2 * dim, output_dim=dim)


def dropouts(gru: Recurrent, net: Emitter, dims: dict[str, int]) -> None:
    """Dropout components, if the layer has dropout."""
    for name, dim in dims.items() if gru.has_dropout else ():
        per_frame = getattr(gru, "dropout_per_frame")  # noqa: B009  (an option of the norm types only)
        net.component(
            name,
            "DropoutComponent",
            dim=dim,
            dropout_proportion=gru.dropout_proportion,
            dropout_per_frame=per_frame,
        )


def gate_nodes(gru: Recurrent, net: Emitter, gate: str, source: str, dropout: str = "") -> None:
    """gate_t = sigmoid(W source)."""
    net.node(f"{gate}_t_pre", source, f"W_z.xs_{gate}")
    gru.gate(net, gate, net.full(f"{gate}_t_pre"), dropout, f"{gate}_predrop_t")


def reset_candidate(gru: Recurrent, net: Emitter, x: Signal) -> None:
    """h = tanh(W (x, r s_before))."""
    net.node("h1_t", f"Append({net.full('r_t')}, {gru.before(net, 's_t')})", "h1")
    net.node("h_t_pre", f"Append({x.text}, {net.full('h1_t')})", "W_h.UW")
    net.node("h_t", net.full("h_t_pre"), "h")


def mixture(gru: Recurrent, net: Emitter, state: str) -> None:
    """y = (1 - z) h + z state_before."""
    n = net.name
    net.node("y1_t", f"Append({n}.h_t, Sum(Scale(-1.0, {n}.z_t), Const(1.0, {gru.cell_dim})))", "y1")
    net.node("y2_t", f"Append({gru.before(net, state)}, {n}.z_t)", "y2")
    net.node("y_t", f"Sum({n}.y1_t, {n}.y2_t)", "y")


def projection(gru: Recurrent, net: Emitter, source: str, r: int, dim: int) -> Signal:
    """sn = W source, whose first `r` columns s are fed back; norm types normalise both."""
    norm = gru.kind.startswith("norm")
    net.component("W_s.ys", AFFINE, input_dim=gru.cell_dim, output_dim=dim, **gru.affine)
    gru.truncation(net, "s_r", r)
    if not norm:
        net.node("sn_t", net.full(source), "W_s.ys")
        net.columns("s_t_preclip", net.full("sn_t"), 0, r)
        net.node("s_t", net.full("s_t_preclip"), "s_r")
        return net.signal("sn_t", dim)
    net.component("batchnorm", "BatchNormComponent", dim=dim, target_rms=1.0)
    net.component("renorm", "NormalizeComponent", dim=r, target_rms=1.0)
    output_gate = gru.kind == "norm-opgru-layer"
    normalised = "s_t_preclip_renorm" if output_gate else "s_renorm_t"
    net.node("sn_nobatchnorm_t", net.full(source), "W_s.ys")
    if output_gate:  # the order of nodes is Kaldi's, different in the two types
        net.node("sn_t", net.full("sn_nobatchnorm_t"), "batchnorm")
    net.columns("s_t_preclip", net.full("sn_nobatchnorm_t"), 0, r)
    if not output_gate:
        net.node("sn_t", net.full("sn_nobatchnorm_t"), "batchnorm")
    net.node(normalised, net.full("s_t_preclip"), "renorm")
    net.node("s_t", net.full(normalised), "s_r")
    return net.signal("sn_t", dim)
