"""workbench.memory: private means private, whatever is shared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.memory import memory

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MB = 1_000_000
WAITS = "import sys; block = bytearray({size}); block[::4096] = b'x' * len(block[::4096]); print(1, flush=True); sys.stdin.read()"

pytestmark = pytest.mark.skipif(
    memory() is None, reason="this system doesn't tell the private memory of a process"
)


def waiting(size):
    child = subprocess.Popen(
        [sys.executable, "-c", WAITS.format(size=size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child.stdout.readline()
    return child


def test_counts_what_a_process_allocates():
    with waiting(1) as small, waiting(60 * MB) as large:
        more = memory(large.pid).private - memory(small.pid).private
        small.stdin.close()
        large.stdin.close()
    assert 55 * MB < more < 65 * MB


SHARED = """
import os, sys
from workbench.memory import memory

block = bytearray(b"x" * 60_000_000)
wait, go = os.pipe()
child = os.fork()
if not child:
    os.close(go)
    os.read(wait, 1)  # until the parent ends
    os._exit(0)
found = memory(child)
print(found.resident, found.private, found.proportional or found.private)
"""


def test_pages_shared_by_fork_are_resident_and_not_private():
    done = subprocess.run(
        [sys.executable, "-c", SHARED],
        env={**os.environ, "PYTHONPATH": str(NOTEBOOKS)},
        capture_output=True,
        text=True,
        check=True,
    )
    resident, private, proportional = map(int, done.stdout.split())
    assert resident > 60 * MB
    assert private < 30 * MB
    assert private <= proportional < resident


def test_a_process_that_is_gone():
    with waiting(1) as child:
        child.stdin.close()
    assert memory(child.pid) is None


def test_reads_as_a_sentence():
    assert str(memory()).startswith("private ")
