"""Numbers that no training can be run with are refused when the command line is read."""

from __future__ import annotations

import pytest

from steps.egs_options import EgsOptions, egs_options
from steps.options import as_dict, parse
from steps.ranges import TRAINING, Range
from steps.train_options import DnnOptions, RawDnnOptions, RawRnnOptions, RnnOptions

NEEDED = ["--ali-dir=ali", "--dir=exp"]
OPT = "trainer.optimization."


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("local.threads-per-job=0", "at least 1"),
        ("local.max-jobs=-1", "at least 0"),
        ("retries=-1", "at least 0"),
        ("reporting.interval=inf", "at least 0"),
        ("trainer.srand=-1", "at least 0 and at most 2147483647"),
        ("trainer.prior-subset-size=0", "at least 1"),
        ("trainer.shuffle-buffer-size=-1", "at least 0"),
        ("trainer.max-param-change=nan", "at least 0"),
        ("trainer.presoftmax-prior-scale-power=nan", "finite"),
        ("trainer.lda.rand-prune=nan", "at least 0"),
        ("trainer.num-epochs=0", "above 0"),
        (OPT + "max-objective-evaluations=0", "at least 1"),
        (OPT + "proportional-shrink=nan", "at least 0"),
        (OPT + "backstitch-training-interval=0", "at least 1"),
        (OPT + "momentum=1", "at least 0 and below 1"),
    ],
)
def test_an_option_out_of_its_range_is_named(option: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^--{option}(.0)? must be {message}$"):
        parse(DnnOptions, [*NEEDED, f"--{option}"])


@pytest.mark.parametrize("more", [["--num-utts-subset", "-3"], ["--nj=0"], ["--length-tolerance=-1"]])
def test_options_of_making_examples_have_ranges_too(more: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^--egs\.opts=.*must be at least [01]$"):
        egs_options(" ".join(more))


def test_backstitch_needs_training_without_momentum() -> None:
    backstitch = f"--{OPT}backstitch-training-scale=0.3"
    assert parse(DnnOptions, [*NEEDED, backstitch]).backstitch_scale == 0.3
    with pytest.raises(ValueError, match=f"give --{OPT}momentum=0"):
        parse(RnnOptions, [*NEEDED, backstitch])


def test_every_name_in_the_table_is_an_option() -> None:
    names = set()
    for cls in (DnnOptions, RnnOptions, RawDnnOptions, RawRnnOptions):
        names |= set(as_dict(cls(dir="d", **({"ali_dir": "a"} if "Raw" not in cls.__name__ else {}))))
    assert set(TRAINING) <= names
    assert EgsOptions().nj == 6


def test_very_large_integers_are_numbers_like_others() -> None:
    assert 10**400 in Range(1)
    assert 10**400 not in Range(0, 5)
