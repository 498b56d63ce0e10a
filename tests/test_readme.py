"""What the README tells users to type works, on a tiny corpus in the place of theirs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.steps.corpus import make_corpus

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
XCONFIG = """input name=input dim=4
relu-batchnorm-layer name=tdnn1 dim=8 input=Append(-1,0,1)
output-layer name=output dim=2
"""


def block(language: str, containing: str) -> str:
    """The fenced block of the README that contains a text."""
    return next(b for b in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL) if containing in b)


@pytest.fixture
def users_folder(tmp_path):
    """A folder as a Kaldi user's, with the README's names."""
    corpus = make_corpus(tmp_path / "corpus")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train_hires").symlink_to(corpus / "data")
    (tmp_path / "data" / "lang").mkdir()
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "tri3_ali").symlink_to(corpus / "ali")
    (tmp_path / "steps").symlink_to(ROOT / "steps")
    (tmp_path / "network.xconfig").write_text(XCONFIG)
    return tmp_path


@pytest.mark.slow
def test_the_commands_for_kaldi_users_train_a_model_that_the_python_lines_read(users_folder):
    commands = [
        line
        for line in block("sh", "train_dnn.py").replace("\\\n", " ").splitlines()
        if line and not line.startswith("pip install")  # what runs this test is installed already
    ]
    python = Path(sys.executable).parent
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
    small = " --trainer.optimization.minibatch-size=1:8 --trainer.samples-per-iter=30 --use-gpu=no"
    for command in commands:
        command += small if "train_dnn.py" in command else ""  # noqa: PLW2901 - the corpus is tiny
        done = subprocess.run(
            command,
            shell=True,
            cwd=users_folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    lines = block("python", "import nnet")
    subprocess.run([sys.executable, "-c", lines], cwd=users_folder, env=environment, check=True)
    assert (users_folder / "average.raw").stat().st_size > 0
    assert (users_folder / "exp" / "tdnn" / "report.html").exists()


@pytest.mark.parametrize("target", re.findall(r"`?make (\w+)`?", TEXT))
def test_every_make_target_that_is_named_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert target == "digits" or f"make {target}" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#]+)\)", TEXT))
def test_every_link_leads_somewhere(path):
    assert (ROOT / path).exists()


def test_continuous_integration_runs_the_main_job():
    assert "make digits" in (ROOT / ".ci" / "run").read_text()
    assert (
        shutil.which("bash") is None
        or subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0
    )
