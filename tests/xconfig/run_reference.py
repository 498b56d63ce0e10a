"""Expands xconfig files with Kaldi's own parser: JSON {texts, existing} on stdin -> JSON results on stdout.

Run in a directory for the matrices it writes: `python run_reference.py KALDI_ROOT`. A result has the lines of
init, ref, final and of both expansions; it is null where the parser fails. `existing` are dimensions of nodes
of a model. What fails only under Python 3 is repaired first.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from typing import Any


def expand(text: str, existing: list[Any], parser: Any) -> dict[str, list[str]]:
    made: list[Any] = []
    above = list(existing)
    configs: dict[str, list[str]] = {"init": [], "ref": [], "final": []}
    for line in text.split("\n"):
        layer = parser.xconfig_line_to_object(line, above)
        if layer is not None:
            made.append(layer)
            above.append(layer)
    expanded = [str(layer) for layer in made]
    for layer in made:
        layer.normalize_descriptors()
    for layer in made:
        for config, line in layer.get_full_config():
            configs[config].append(line)
    return {**configs, "expanded.1": expanded, "expanded.2": [str(layer) for layer in made]}


def main(kaldi_root: str) -> None:
    sys.path.insert(0, f"{kaldi_root}/egs/wsj/s5/steps")
    sys.dont_write_bytecode = True
    logging.disable(logging.CRITICAL)
    from libs.nnet3.xconfig import basic_layers, parser  # noqa: PLC0415 - found through KALDI_ROOT

    check = basic_layers.XconfigBasicLayer.check_configs

    def check_configs(self: Any) -> None:  # compares text with a number otherwise
        given = self.config["learning-rate-factor"]
        self.config["learning-rate-factor"] = ""
        check(self)
        self.config["learning-rate-factor"] = given

    basic_layers.XconfigBasicLayer.check_configs = check_configs
    work = json.load(sys.stdin)
    existing: list[Any] = []
    for name, dim in work["existing"].items():
        values = {"name": name, "dim": str(dim)}
        existing.append(basic_layers.XconfigExistingLayer(sys.intern("existing"), values, existing))
    results: list[dict[str, list[str]] | None] = []
    for text in work["texts"]:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                results.append(expand(text, existing, parser))
            except Exception:
                results.append(None)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
