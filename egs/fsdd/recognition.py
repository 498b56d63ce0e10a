"""How many of the unseen speaker's words a model gets wrong."""

from __future__ import annotations

from pathlib import Path

from steps.decode import DecodeOptions, decode_data


def recognise(
    folder: Path, graph: Path, data: Path, options: DecodeOptions | None = None
) -> dict[str, float]:
    """Word error rate and number of errors of `folder`/final.mdl on `data`, which are printed too."""
    print(f"Recognising the unseen speaker with {folder / 'final.mdl'}", flush=True)
    rate = decode_data(folder / "final.mdl", graph, data, folder / "decode_test", options or DecodeOptions())
    print(rate.line())
    return {"wer": rate.wer, "errors": float(rate.errors)}
