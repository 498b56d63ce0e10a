"""nnet3-show-progress: Kaldi's numbers, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.nnet.programs.workshop import GOLDEN, log_lines, parameters, run

PER_COMPONENT = {
    "Parameter differences per layer are",
    "Norms of parameter matrices from <new-nnet-in> are",
    "Relative parameter differences per layer are",
    "Total objf change per component is",
}


def per_component(log: str) -> dict[str, dict[str, float]]:
    """What the log says of each component, by the words before the bracket."""
    lines = re.findall(r"\) (.*) \[ (\S+:[^\]]*)\]", log)
    return {
        what.removesuffix(":"): {k: float(v) for k, v in (word.rsplit(":", 1) for word in words.split())}
        for what, words in lines
    }


def figures(log: str) -> list[tuple[str, float]]:
    """The objectives and accuracies in the log, in order."""
    pattern = r"(Overall \S+ for '\S+'|At position \S+, objf per frame) is (\S+)"
    return [(what, float(value)) for what, value in re.findall(pattern, log)]


@pytest.mark.parametrize("options", ["", "--num-segments=3", "--compute-accuracy=false"])
@pytest.mark.parametrize("models", [
    ("0.raw", "train_sgd.raw"), ("train_l2.raw", "average.raw"), ("0.raw", "train_backstitch.raw"),
])  # fmt: skip
def test_the_numbers_are_kaldis(monkeypatch, kaldi, capfd, options, models):
    monkeypatch.chdir(GOLDEN)
    words = [*options.split(), *models, "ark:egs.ark"]
    theirs = kaldi("nnet3-show-progress", *words).stderr.decode()
    assert run(" ".join(["nnet3-show-progress", *words])) == 0
    ours = capfd.readouterr().err
    a, b = figures(ours), figures(theirs)
    assert [what for what, _ in a] == [what for what, _ in b] and len(b) >= 2
    assert [value for _, value in a] == pytest.approx([value for _, value in b], rel=1e-4)
    a, b = per_component(ours), per_component(theirs)
    assert set(a) == set(b) == PER_COMPONENT
    for what, values in b.items():
        scale = max(map(abs, values.values()))
        assert a[what] == pytest.approx(values, rel=1e-3, abs=2e-3 * scale), what


def test_without_examples_only_parameters_are_compared(shop, capfd):
    assert run("nnet3-show-progress raw raw2") == 0
    lines = log_lines(capfd.readouterr().err)
    assert len(lines) == 3
    assert all(re.fullmatch(r".* \[ (\S+:\S+ )+\]", line) for line in lines)


def test_norms_and_differences_are_those_of_the_parameters(shop, capfd):
    assert run("nnet3-show-progress raw raw2") == 0
    found = per_component(capfd.readouterr().err)
    a, b = parameters("raw"), parameters("raw2")
    difference = float(((a["h2.W"] - b["h2.W"]) ** 2).sum() ** 0.5)
    old, new = (float((m["h2.W"] ** 2).sum() ** 0.5) for m in (a, b))
    assert found["Parameter differences per layer are"]["h2"] == pytest.approx(difference, rel=1e-5)
    assert found["Norms of parameter matrices from <new-nnet-in> are"]["h2"] == pytest.approx(new, rel=1e-5)
    relative = found["Relative parameter differences per layer are"]["h2"]
    assert relative == pytest.approx(difference / old, rel=1e-5)


def test_the_changes_explain_the_change_of_the_objective(monkeypatch, capfd):
    """Summed over components and enough segments, they are the difference of the two objectives."""
    monkeypatch.chdir(GOLDEN)
    ends = []
    for name in ("0.raw", "average.raw"):
        assert run(f"nnet3-compute-prob {name} ark:egs.ark") == 0
        ends.append(figures(capfd.readouterr().err)[0][1])
    assert run("nnet3-show-progress --num-segments=4 0.raw average.raw ark:egs.ark") == 0
    parts = per_component(capfd.readouterr().err)["Total objf change per component is"]
    assert sum(parts.values()) == pytest.approx(ends[1] - ends[0], rel=0.02)


def test_a_component_that_was_zero_has_an_infinite_relative_change(shop, capfd):
    assert run("nnet3-copy --scale=0 raw zero") == 0
    assert run("nnet3-show-progress zero raw") == 0
    found = per_component(capfd.readouterr().err)["Relative parameter differences per layer are"]
    assert set(found.values()) == {float("inf")}


def test_examples_that_are_none_are_an_error(shop, capfd):
    Path("egs").write_bytes(b"")
    assert run("nnet3-show-progress raw raw2 ark:egs") == 1
    assert "no examples to show the objective of" in capfd.readouterr().err
