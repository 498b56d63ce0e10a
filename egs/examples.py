"""What recipes that make their own examples share: the files around the archives."""

from __future__ import annotations

from pathlib import Path

from steps.egs_dir import EgsInfo

ONE_LABEL = "1"  # labelled frames of an example
SUBSETS = ("combine", "train_diagnostic", "valid_diagnostic")


def write_info(
    egs: Path, num_archives: int, num_examples: int, feat_dim: int, context: tuple[int, int]
) -> None:
    """Write egs/info of examples with one label each, at frame 0; `context` = (left, right) counts the input
    frames before and after it that every example has.
    """
    info = EgsInfo(
        num_archives=num_archives,
        frames_per_eg=ONE_LABEL,
        feat_dim=feat_dim,
        ivector_dim=0,
        left_context=context[0],
        right_context=context[1],
        num_frames=num_examples,
        egs_per_archive=num_examples // num_archives,
    )
    info.write(egs)


def table(egs: Path, name: str | int) -> str:
    """The table of archive number `name` (from 1), or of the subset called so."""
    return f"ark:{egs}/egs.{name}.ark" if isinstance(name, int) else f"ark:{egs}/{name}.egs"
