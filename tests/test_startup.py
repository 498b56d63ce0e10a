"""What a program imports before it does anything: no more than it needs. Found in the source, not by the
clock.
"""

import ast
import subprocess
import sys
import tomllib
from functools import cache

import pytest

from nnet.programs import nnet3_init
from tests.test_layering import ROOT, is_module

SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
PROGRAMS = sorted(target.partition(":")[0] for target in SCRIPTS.values())
TRAININGS = ["steps.train_dnn", "steps.train_rnn", "steps.train_raw_dnn", "steps.train_raw_rnn"]
SLOW = {
    "asyncio",
    "concurrent",
    "email",
    "http",
    "logging",
    "multiprocessing",
    "secrets",
    "subprocess",
    "unittest",
}
ENGINE = {"nnet.graph.run", "nnet.natural_gradient", "nnet.trainer", "nnet.score"}
COMPUTES = (
    "train",
    "compute",
    "combine",
    "average",
    "show_progress",
    "acc_lda_stats",
)  # in names of programs


@cache
def direct(name: str) -> frozenset[str]:
    """The modules that importing module `name` of ours imports, apart from those inside functions."""
    base = ROOT.joinpath(*name.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    found: set[str] = set()
    for node in outside_functions(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {m if is_module(m := f"{node.module}.{a.name}") else node.module for a in node.names}
    return frozenset(found)


def outside_functions(node: ast.AST):
    """All nodes that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not typing_only and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from outside_functions(child)


def at_start(name: str) -> set[str]:
    """All modules that are there once `name` is imported; of others' packages only those we name."""
    found, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        parts = module.split(".")
        if parts[0] in ("nnet", "xconfig", "steps"):
            waiting += [*direct(module), *(".".join(parts[:n]) for n in range(1, len(parts)))]
    return found


def test_what_a_module_imports_is_followed_to_the_end():
    assert {"nnet.trainer", "nnet.graph.run", "numpy", "queue"} <= at_start("nnet.programs.nnet3_train")
    assert direct("nnet.programs.nnet3_info") < at_start("nnet.programs.nnet3_info")


@pytest.mark.parametrize("program", [*PROGRAMS, *TRAININGS])
def test_a_program_starts_without_third_party_packages_but_numpy_and_without_slow_modules(program):
    packages = {m.partition(".")[0] for m in at_start(program)} - {"nnet", "xconfig", "steps", "numpy"}
    assert packages <= sys.stdlib_module_names
    assert not packages & SLOW
    assert not {m for m in at_start(program) if m.startswith("numpy.")}


@pytest.mark.parametrize("program", [*PROGRAMS, *TRAININGS])
def test_components_are_imported_when_a_model_has_them(program):
    assert not {m for m in at_start(program) if m.startswith("nnet.components.")}


@pytest.mark.parametrize("program", [p for p in PROGRAMS if not any(word in p for word in COMPUTES)])
def test_a_program_that_computes_no_network_starts_without_the_engine(program):
    assert not at_start(program) & ENGINE


@pytest.mark.parametrize("program", TRAININGS)
def test_a_training_script_parses_its_options_before_it_imports_the_library(program):
    assert not {m for m in at_start(program) if m == "numpy" or m.startswith("nnet.")}


def test_showing_a_model_imports_the_families_that_it_has_and_nothing_to_train_with(tmp_path):
    config = tmp_path / "c"
    config.write_text(
        "input-node name=input dim=3\n"
        "component name=a type=PermuteComponent column-map=2,1,0\n"
        "component-node name=a component=a input=input\noutput-node name=output input=a\n"
    )
    assert nnet3_init.main([str(config), str(tmp_path / "a.raw")]) == 0
    code = "import sys; from nnet.programs.nnet3_info import main; main(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.raw")], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {m for m in loaded if m.startswith("nnet.components.")} == {"nnet.components.shape"}
    assert not loaded & {*ENGINE, "numpy.random", "subprocess", "nnet.formats.transitions", "yaml", "cupy"}
