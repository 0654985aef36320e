"""What all tests share: the root of the repository, and whether the package index can be reached."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The budgets of the workbench shrink, here and in every process that a test starts.
os.environ.setdefault("FAST_SNEK_QUICK", "1")
# No window, no progress bar, no answer from an interpreter other than the one that runs the tests.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


def _online() -> bool:
    try:
        with socket.create_connection(("pypi.org", 443), timeout=3):
            return True
    except OSError:
        return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the network where there is none."""
    if item.get_closest_marker("network"):
        if not hasattr(item.session, "online"):
            item.session.online = _online()
        if not item.session.online:
            pytest.skip("the package index cannot be reached")
