"""How much memory does a process need, and how much of it would be free again if it ended?

Needs psutil, on Linux and macOS.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.show import Shown, si


@dataclass(frozen=True)
class Memory(Shown):
    """The memory of one process, in bytes.

    `resident` (RSS) counts every page that is in RAM, shared ones in full, so the RSS of several processes must not
    be added up. `private` (USS) counts the pages that no other process has: what its end would set free.
    `proportional` (PSS) adds to them its share of the shared pages, so PSS may be added up; None where the system
    doesn't tell (macOS).
    """

    resident: int
    private: int
    proportional: int | None

    def _markdown(self) -> str:
        share = (
            "" if self.proportional is None else f", with its share of the rest {si(self.proportional, 'B')}"
        )
        return f"private {si(self.private, 'B')}{share}; resident {si(self.resident, 'B')}"


def memory(pid: int | None = None) -> Memory | None:
    """The memory of the process `pid` (default: this one); None where the system won't tell or the process is gone."""
    import psutil

    try:
        found = psutil.Process(pid).memory_full_info()
        return Memory(found.rss, found.uss, getattr(found, "pss", None))
    except (psutil.Error, OSError, AttributeError):
        return None
