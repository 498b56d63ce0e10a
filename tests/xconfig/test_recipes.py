"""Every xconfig file of Kaldi's recipes, expanded by Kaldi's parser and by ours; needs KALDI_ROOT."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.xconfig.lines import config
from tests.xconfig.recipes import recipes
from xconfig.generate import expanded
from xconfig.parser import Network, parse_xconfig

EXISTING = {"tdnn6.renorm": 450, "tdnnf17.batchnorm": 1536}  # nodes of models that two recipes add to


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[tuple[str, str, dict[str, list[str]] | None]]:
    """(recipe, text, what Kaldi's parser makes of it or None if it fails)."""
    root = os.environ.get("KALDI_ROOT")
    if not root:
        pytest.skip("needs a Kaldi checkout; set KALDI_ROOT")
    texts = list(recipes(Path(root, "egs")))
    folder = tmp_path_factory.mktemp("reference")
    for path in re.findall(r"affine-transform-file=(\S+)", " ".join(text for _, text in texts)):
        if not os.path.isabs(path):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
    work = json.dumps({"texts": [text for _, text in texts], "existing": EXISTING})
    script = Path(__file__).with_name("run_reference.py")
    argv = [sys.executable, "-W", "ignore", str(script), os.path.abspath(root)]
    run = subprocess.run(argv, input=work, capture_output=True, text=True, check=True, cwd=folder)
    return [(name, text, result) for (name, text), result in zip(texts, json.loads(run.stdout))]


def ours(text: str) -> Network | None:
    try:
        return parse_xconfig(text.split("\n"), existing=EXISTING)
    except ValueError:
        return None


@pytest.mark.slow
def test_every_recipe_that_kaldi_expands_gives_the_same_lines(found):
    different = []
    for name, text, theirs in found:
        network = ours(text) if theirs else None
        if theirs and not (
            network and all(config(theirs[c]) == config(network.configs[c]) for c in network.configs)
        ):
            different.append(name)
    assert not different
    assert sum(theirs is not None for _, _, theirs in found) > 450


@pytest.mark.slow
@pytest.mark.parametrize("normalised", [False, True])
def test_every_recipe_has_the_same_expansion(found, normalised):
    for name, text, theirs in found:
        network = ours(text) if theirs else None
        if network and theirs:
            lines = [expanded(layer, normalised) for layer in network.layers]
            assert config(lines) == config(theirs["expanded.2" if normalised else "expanded.1"]), name


@pytest.mark.slow
def test_what_kaldi_refuses_is_refused(found):
    assert [name for name, text, theirs in found if theirs is None and ours(text)] == []
