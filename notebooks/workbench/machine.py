"""This computer, described (`machine`) and measured (`peak`)."""

from __future__ import annotations

import os


def usable_cores() -> int:
    return len(os.sched_getaffinity(0))
