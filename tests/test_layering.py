"""Imports go downward only: the table of ARCHITECTURE.md, enforced on the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEVELS = {
    0: "allocation aside backend cores frames config_line files kernels",
    1: "columns component in_place fisher_step natural_gradient orthonormal_rows rounded_blas rounded_eigen "
    "rounded_update heights weights outer singular summary minibatch fst supervision tree",
    2: "components graph",
    3: "objectives updates factory progress flat ledger",
    4: "trainer captured passes combination score edits renaming svd observe",
    5: "formats",
    6: "chain context_trees examples inference device upload batch_inference xvectors xvector_chunks export "
    "folding",
    7: "programs",
}
LEVEL_OF = {f"nnet.{name}": level for level, names in LEVELS.items() for name in names.split()}
LEVEL_OF |= {"steps": 8, "egs": 9}
XCONFIG_MAY_IMPORT = {"nnet.graph.descriptor", "nnet.files"}


def modules() -> list[Path]:
    return [p for top in ("nnet", "xconfig", "steps", "egs") for p in sorted((ROOT / top).rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Names of our modules that a file imports, at any depth of the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                f"{node.module}.{a.name}" if is_module(f"{node.module}.{a.name}") else node.module
                for a in node.names
            }
    return {m for m in found if m.partition(".")[0] in ("nnet", "xconfig", "steps", "egs")}


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def level(name: str) -> int | None:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        if (prefix := ".".join(parts[:end])) in LEVEL_OF:
            return LEVEL_OF[prefix]
    return None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_its_level_or_below(path):
    name = name_of(path)
    if name == "nnet":  # the public face: names are looked up when first used
        assert not imported(path)
        return
    if name.startswith("xconfig"):
        assert {m for m in imported(path) if not m.startswith("xconfig")} <= XCONFIG_MAY_IMPORT
        return
    own = level(name)
    assert own is not None, f"{name} stands in no level: add it to the table here and in ARCHITECTURE.md"
    for other in imported(path):
        if other == "nnet" or other.startswith("xconfig"):
            assert own >= 7, f"{name} imports {other}"
            continue
        theirs = level(other)
        assert theirs is not None and theirs <= own, f"{name} (level {own}) imports {other} (level {theirs})"


@pytest.mark.parametrize("path", [p for p in modules() if p.parent.name == "components"], ids=name_of)
def test_families_of_components_do_not_import_each_other(path):
    if path.name != "__init__.py":
        assert not {m for m in imported(path) if m.startswith("nnet.components")}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_the_backend_and_gpu_kernels_import_cupy(path):
    allowed = path.name == "backend.py" or "kernels" in path.parts
    text = path.read_text()
    assert allowed or ("import cupy" not in text and "from cupy" not in text)
