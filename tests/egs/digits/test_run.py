"""The recipe on a few utterances: everything it leaves, going on, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from egs import recipe
from egs.digits import run as digits
from egs.digits.corpus import CorpusOptions

EXTRAS = ("espeakng_loader", "soundfile", "kaldi_native_fbank", "kaldifst", "kaldi_decoder", "kaldialign")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four voices instead of twenty, few utterances of them."""
    for package in EXTRAS:
        pytest.importorskip(package)
    monkeypatch.setattr(digits, "TRAIN_VARIANTS", ("m1", "f1", "m3"))
    monkeypatch.setattr(digits, "TEST_VARIANTS", ("m2",))
    options = CorpusOptions(utterances_per_voice=14, longest=2)
    monkeypatch.setattr(digits, "CorpusOptions", lambda: options)


@pytest.mark.slow
def test_the_recipe_ends_in_an_error_rate_and_a_page_and_goes_on_from_what_is_there(
    small: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"--dir={tmp_path / 'run'}", "--num-epochs=0.5", "--jobs=1", "--seed=3"]
    assert digits.main(words) == 0
    first = capfd.readouterr().out
    assert "%WER" in first and "done before" not in first
    assert (tmp_path / "run" / "tdnn" / "report.html").stat().st_size > 10_000
    final = (tmp_path / "run" / "tdnn" / "final.mdl").read_bytes()
    assert digits.main(words) == 0
    second = capfd.readouterr()
    assert "done before" in second.out and "nothing to train" in second.err
    assert (tmp_path / "run" / "tdnn" / "final.mdl").read_bytes() == final
    assert [w for w in first.splitlines() if "%WER" in w] == [
        w for w in second.out.splitlines() if "%WER" in w
    ]
    assert digits.main([*words, "--l2=0.5"]) == 1
    assert "was made with --l2=0.01, now it is 0.5" in capfd.readouterr().err


def test_a_missing_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = recipe.importlib.util.find_spec
    monkeypatch.setattr(
        recipe.importlib.util, "find_spec", lambda n: None if n == "kaldifst" else find_spec("json")
    )
    assert digits.main([f"--dir={tmp_path / 'run'}"]) == 1
    error = capsys.readouterr().err
    assert error == "error: this recipe needs kaldifst: pip install -e '.[audio,decode,digits]'\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", digits.NETWORKS)
def test_a_network_can_be_made_from_its_description(name: str, tmp_path: Path) -> None:
    values = {"DIR": tmp_path, "L2_HIDDEN": 0.01, "L2_OUTPUT": 0.002, "PDFS": 9}
    recipe.write_configs(tmp_path, digits.CONF / f"{name}.xconfig", values)
    text = (tmp_path / "final.config").read_text()
    assert "output-dim=9 " in text and text.count("l2-regularize=0.01") >= 4
    assert ("LstmNonlinearityComponent" in text) == (name == "tdnn_lstm")
    assert ("TimeHeightConvolutionComponent" in text) == (name == "cnn_tdnn")


def test_a_recurrent_network_reads_before_a_chunk_what_it_was_trained_to_read() -> None:
    network = digits.NETWORKS["tdnn_lstm"]
    trained = [network.settings[f"egs.chunk-left-context{end}"] for end in ("", "-initial")]
    assert trained == [network.chunks.extra_left_context, network.chunks.extra_left_context_initial]
    assert network.script == "steps.train_rnn"


@pytest.mark.slow
def test_another_network_is_trained_beside_the_first_on_the_same_corpus(
    small: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"--dir={tmp_path}", "--num-epochs=2", "--jobs=1", "--seed=3", "--network=tdnn_lstm"]
    assert digits.main(words) == 0
    assert "%WER" in capfd.readouterr().out
    assert (tmp_path / "tdnn_lstm" / "report.html").exists() and not (tmp_path / "tdnn").exists()


@pytest.mark.parametrize(
    "words", [["--network=x"], ["--jobs=0"], ["--num-epochs=-1"], ["--l2=x"], ["--nonsense"]]
)
def test_wrong_options_are_refused_before_anything_is_made(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        digits.main([f"--dir={tmp_path / 'run'}", *words])
    assert left.value.code == 1
    assert not (tmp_path / "run").exists()
