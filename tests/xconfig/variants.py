"""Lines that exercise every layer type and most of its options.

`python -m tests.xconfig.variants KALDI_ROOT` renews tests/golden/xconfig_layers.json with what Kaldi's parser
makes of them. Where Kaldi divides with `/`, the lines give whole numbers or the dimensions themselves.
"""

# ruff: noqa: E501 - a line of an xconfig file stays one line

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden/xconfig_layers.json"

_WORDS = (
    "relu", "relu-renorm", "relu-batchnorm", "relu-batchnorm-dropout", "relu-dropout", "relu-batchnorm-so",
    "batchnorm-so-relu", "batchnorm", "sigmoid", "tanh",
)  # fmt: skip
_CONVOLUTIONS = (
    "conv", "relu-conv", "conv-relu", "conv-renorm", "relu-conv-renorm", "batchnorm-conv", "conv-relu-renorm",
    "batchnorm-conv-relu", "relu-batchnorm-conv", "conv-relu-batchnorm", "conv-relu-batchnorm-so",
    "conv-relu-batchnorm-dropout", "conv-relu-dropout", "relu-batchnorm-noconv", "relu-noconv",
)  # fmt: skip
_ATTENTION = (
    "attention-renorm",
    "attention-relu-renorm",
    "attention-relu-batchnorm",
    "relu-renorm-attention",
)
_PROJECTED = (
    "lstmp", "lstmp-batchnorm", "fast-lstmp", "fast-lstmp-batchnorm", "pgru", "norm-pgru", "opgru", "norm-opgru",
    "fast-pgru", "fast-norm-pgru", "fast-opgru", "fast-norm-opgru",
)  # fmt: skip
_UNPROJECTED = ("lstm", "fast-lstm", "fast-lstm-batchnorm", "lstmb", "gru", "fast-gru")
_KERNEL = "param-stddev=0.1 bias-stddev=0.2 use-natural-gradient=true rank-in=3 rank-out=4 num-minibatches-history=5 "
_KERNEL += "alpha-in=1.0 alpha-out=2.0 l2-regularize=0.01 max-change=0.5"

LINES = [
    *(f"{w}-layer name=x" for w in _WORDS),
    *(f"{w}-layer name=x dim=16 bottleneck-dim=5 target-rms=0.5 l2-regularize=0.01 bias-stddev=0.1" for w in _WORDS),
    "relu-batchnorm-dropout-layer name=x dropout-per-dim=true dropout-proportion=0.1",
    "relu-batchnorm-dropout-layer name=x dropout-per-dim-continuous=true",
    'relu-renorm-layer name=x add-log-stddev=true ng-affine-options="update-period=1"',
    'relu-layer name=x bottleneck-dim=4 ng-linear-options="rank-in=2" self-repair-scale=0.1 learning-rate-factor=2',
    *(f"{w}-layer name=x height-in=6 height-out=6 num-filters-out=4 time-offsets=-1,0,1 height-offsets=-1,0,1"
      for w in _CONVOLUTIONS),
    f"conv-relu-layer name=x height-in=6 height-out=3 height-subsample-out=2 num-filters-out=5 time-offsets=0,2 "
    f"height-offsets=0,1 required-time-offsets=0 learning-rate-factor=0.3 {_KERNEL}",
    *(f"res-block name=x height=6 num-filters=4 bypass-source={s}" for s in ("noop", "input", "relu", "batchnorm")),
    f"res-block name=x height=6 num-filters=4 num-bottleneck-filters=2 time-period=3 height-period=2 {_KERNEL}",
    "res-block name=x height=6 num-filters=4 num-bottleneck-filters=2 bypass-source=relu allow-zero-padding=false",
    "res2-block name=x height=6 num-filters=4",
    f"res2-block name=x height=6 num-filters=8 {_KERNEL}",
    "res2-block name=x height-in=6 height-out=6 num-filters=4 num-bottleneck-filters=2 allow-zero-padding=false",
    "res2-block name=x height-in=6 height-out=3 num-filters=8 num-bottleneck-filters=2 time-period=4",
    "channel-average-layer name=x dim=6",
    *(f"{w}-layer name=x num-heads=2 key-dim=3 value-dim=4 num-left-inputs=2 num-right-inputs=1" for w in _ATTENTION),
    "attention-relu-renorm-layer name=x num-heads=2 key-dim=3 value-dim=4 num-left-inputs=2 num-right-inputs=1 "
    "output-context=false time-stride=3 learning-rate-factor=0.5 l2-regularize=0.1 key-scale=0.7",
    *(f"{w}-layer name=x delay=-2 {'bottleneck-dim=5' if w == 'lstmb' else ''}" for w in _UNPROJECTED),
    *(f"{w}-layer name=x cell-dim=16 {'bottleneck-dim=5 self-scale=0.5' if w == 'lstmb' else ''} zeroing-interval=9"
      for w in _UNPROJECTED),
    *(f"{w}-layer name=x cell-dim=8 decay-time=20 l2-regularize=0.01 delay=3"
      for w in ("lstm", "fast-lstm", "fast-lstm-batchnorm")),
    *(f"{w}-layer name=x cell-dim=16 recurrent-projection-dim=3 non-recurrent-projection-dim=5" for w in _PROJECTED),
    *(f"{w}-layer name=x cell-dim=16 recurrent-projection-dim=3 dropout-proportion=0.2 clipping-threshold=9"
      for w in _PROJECTED if "norm" in w or "lstmp" in w),
    "lstmp-layer name=x cell-dim=16 recurrent-projection-dim=4 dropout-proportion=0.2 dropout-per-frame=true",
    'opgru-layer name=x cell-dim=16 recurrent-projection-dim=4 ng-per-element-scale-options="param-mean=1.0"',
    "norm-opgru-layer name=x cell-dim=16 recurrent-projection-dim=4 l2-regularize=0.1",
    "norm-pgru-layer name=x cell-dim=16 recurrent-projection-dim=4 dropout-proportion=0.2 dropout-per-frame=false",
    *(f"stats-layer name=x config={c}(-6:1:3:9)"
      for c in ("mean", "mean+stddev", "mean+count", "mean+stddev+count")),
    *(f"tdnnf-layer name=x dim=24 bottleneck-dim=5 time-stride={s} context={c}"
      for s in (-1, 0, 3) for c in ("default", "left-only", "shift-left", "none")),
    "tdnnf-layer name=x dim=30 bottleneck-dim=5 bypass-scale=0.0 dropout-proportion=0.0 l2-regularize=0.1",
    "tdnnf-layer name=x dim=24 bottleneck-dim=5 dropout-proportion=0.1 bypass-scale=-0.5",
    "prefinal-layer name=x big-dim=30 small-dim=7 l2-regularize=0.01 max-change=0.5 self-repair-scale=0.1",
    "linear-component name=x dim=5 orthonormal-constraint=-1.0 param-stddev=0.1 learning-rate-factor=0.5",
    "affine-component name=x dim=5 orthonormal-constraint=1.0 bias-stddev=0.1 l2-regularize=0.1",
    "affine-layer name=x",
    "affine-layer name=x dim=5 param-stddev=0.5 bias-mean=1.0",
    "scale-component name=x param-mean=1.0 param-stddev=0.1 l2-regularize=0.1",
    "offset-component name=x learning-rate-factor=0.5",
    "renorm-component name=x target-rms=0.5",
    "batchnorm-component name=x target-rms=0.5 include-in-init=true",
    "no-op-component name=x input=Append(-1,0,ivector)",
    "dim-range-component name=x dim=5 dim-offset=3",
    "combine-feature-maps-layer name=x num-filters1=1 num-filters2=2 num-filters3=3 height=4",
    "delta-layer name=x input=input",
    "spec-augment-layer name=x freq-max-proportion=0.3 time-zeroed-proportion=0.1 include-in-init=true",
    "idct-layer name=x affine-transform-file=idct.mat include-in-init=true",
    "fixed-affine-layer name=x dim=5 affine-transform-file=lda.mat delay=3",
    "fixed-affine-layer name=x input=Append(-1,0,ReplaceIndex(ivector, t, 0)) affine-transform-file=lda.mat",
    "fixed-affine-layer name=x affine-transform-file=lda.mat write-init-config=false",
    "output name=x objective-type=quadratic output-delay=2",
    "output-layer name=x dim=9 bottleneck-dim=4 include-log-softmax=false learning-rate-factor=5.0",
    "output-layer name=x dim=9 output-delay=5 l2-regularize=0.1 param-stddev=0.1 objective-type=quadratic",
]  # fmt: skip


def text_of(line: str) -> str:
    """A whole xconfig file around a line: inputs of 3 and of 24 columns above, an output below."""
    return f"input dim=3 name=ivector\ninput dim=24 name=input\n{line}\noutput-layer name=output input=input dim=9\n"


def renew(kaldi_root: str) -> None:
    """Write the golden file."""
    work = json.dumps({"texts": [text_of(line) for line in LINES], "existing": {}})
    script = Path(__file__).with_name("run_reference.py")
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-W", "ignore", str(script), kaldi_root]
        run = subprocess.run(argv, input=work, capture_output=True, text=True, check=True, cwd=folder)
    results = dict(zip(LINES, json.loads(run.stdout)))
    failed = [line for line, result in results.items() if result is None]
    if failed:
        raise ValueError("Kaldi's parser refuses:\n" + "\n".join(failed))
    GOLDEN.parent.mkdir(exist_ok=True)
    said = {
        line: {name: of_layer(lines) for name, lines in result.items()} for line, result in results.items()
    }
    for result in said.values():
        if result["ref"] == result["final"]:
            del result["ref"]
    GOLDEN.write_text(json.dumps(said, indent=0) + "\n", encoding="utf-8")


def of_layer(lines: list[str]) -> list[str]:
    """What the line in the middle made, without comments, needless blanks and the lines around it."""
    lines = [" ".join(line.split()) for line in lines if line.partition("#")[0].strip()]
    return [
        line
        for line in lines
        if not re.search(r" name=(ivector|input|output\.\S+) |^\S+ name=output .*input=(output|input)", line)
    ]


if __name__ == "__main__":
    renew(*sys.argv[1:])
