"""What processor this is, as far as the system says."""

from __future__ import annotations

import re
from functools import cache

BEGINNING = 8192  # bytes of /proc/cpuinfo that hold its first core


def is_intels() -> bool:
    """Whether it is Intel's, or nobody says whose."""
    vendor = re.search(r"^vendor_id\s*: (\w+)", _told(), re.MULTILINE)
    return vendor is None or vendor[1] == "GenuineIntel"


def has(flag: str) -> bool:
    """Whether it has instructions that Linux calls so."""
    flags = re.search(r"^flags\s*: (.*)", _told(), re.MULTILINE)
    return flags is not None and flag in flags[1].split()


@cache
def _told() -> str:
    """What Linux says of the first core; elsewhere nothing."""
    try:
        with open("/proc/cpuinfo") as told:
            return told.read(BEGINNING)
    except OSError:
        return ""
