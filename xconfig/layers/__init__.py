"""All layer types, by family; importing this package fills `xconfig.layer.LAYERS`."""

from xconfig.layers import (  # noqa: F401
    affine,
    attention,
    basic,
    convolution,
    fast_gru,
    fast_lstm,
    front_end,
    gru,
    lstm,
    output,
    residual,
    stats,
    tdnnf,
    trivial,
)
