"""The recipe for images: parts, examples, the network, counting errors, a short run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from egs import recipe
from egs.images import run as images
from nnet.formats.examples import EXAMPLE
from nnet.formats.tables import read_table
from steps.egs_dir import Examples, read_info


def drawn(count: int) -> images.Part:
    """Images of noise with one bright column for each digit (0 to 7), by turns."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % 8
    x = 0.3 * rng.random((count, 8, 8)).astype(np.float32)
    x[np.arange(count), labels] += 0.7
    return x, labels


def test_every_fifth_image_is_kept_apart_and_none_is_lost() -> None:
    train, test = images.divided(*drawn(23))
    assert (len(train[0]), len(test[0])) == (18, 5)
    np.testing.assert_array_equal(test[1], [0, 5, 2, 7, 4])
    np.testing.assert_array_equal(train[1][:5], [1, 2, 3, 4, 6])


def test_frames_of_an_image_are_its_columns() -> None:
    datasets = pytest.importorskip("sklearn.datasets", exc_type=ImportError)
    x, labels = images.digits()
    picture = datasets.load_digits().images[7]  # (y, x)
    assert (x.shape, x.dtype, labels[7]) == ((1797, 8, 8), np.float32, 7)
    np.testing.assert_array_equal(x[7][3], picture[:, 3] / 16)


def test_examples_hold_every_image_once_and_those_that_watch_are_in_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SUBSET", 4)
    x, labels = drawn(11)
    images.write_egs(tmp_path, (x, labels))
    tables = [dict(read_table(Examples(tmp_path).archive(n), EXAMPLE)) for n in (1, 2)]
    seen = {eg.io[0].features.tobytes(): eg for t in tables for eg in t.values()}
    assert [len(t) for t in tables] == [4, 3] and set(seen) == {image.tobytes() for image in x[4:]}
    eg = seen[x[5].tobytes()]
    assert [io.name for io in eg.io] == ["input", "output"]
    assert list(eg.io[0].indexes[:, 1]) == list(range(8)) and list(eg.io[1].indexes[:, 1]) == [0]
    assert list(eg.io[1].features.indices) == [labels[5]]
    valid = dict(read_table(Examples(tmp_path).subset("valid_diagnostic"), EXAMPLE))
    assert {eg.io[0].features.tobytes() for eg in valid.values()} == {image.tobytes() for image in x[:4]}
    assert read_info(tmp_path).num_archives == 2


def test_a_missing_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe.importlib.util, "find_spec", lambda name: None)
    assert images.main([f"--dir={tmp_path / 'run'}"]) == 1
    assert capsys.readouterr().err == "error: this recipe needs sklearn: pip install -e '.[images]'\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_short_training_tells_columns_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "need", lambda *packages, install: None)
    monkeypatch.setattr(images, "digits", lambda: drawn(300))
    monkeypatch.setattr(images, "SUBSET", 16)
    monkeypatch.setattr(images, "ARCHIVES", 1)
    plain = {k: v for k, v in images.SETTINGS.items() if "image" not in k}
    monkeypatch.setattr(images, "SETTINGS", plain)
    words = [f"--dir={tmp_path / 'run'}", "--num-epochs=4", "--jobs=1", "--use-gpu=no"]
    assert images.main(words) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["images"] == 60 and result["error_rate"] < 20
