"""Jobs that compute say that they are programs, whoever starts them: their products come from one library."""

from __future__ import annotations

from importlib import import_module

import pytest

NONE = "no-such-file"


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("steps.combine_job", ["frames", "1", "1", "8", NONE, NONE, "stats", NONE]),
        ("steps.diagnose", ["frames", NONE, "--", f"0={NONE}"]),
        ("steps.priors", [NONE, NONE, "1", "0", NONE]),
    ],
)
def test_a_job_says_that_it_is_a_program(
    monkeypatch: pytest.MonkeyPatch, module: str, argv: list[str]
) -> None:
    job, said = import_module(module), []
    monkeypatch.setattr(job, "share_products", lambda: said.append(module))
    assert job.main(argv) == 1  # there are no such files
    assert said == [module]
