"""workbench.control: beside busy neighbours nothing is shown; a control that holds lets the conclusion through."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workbench import control
from workbench.control import Control, broken_variant, cores_free, decided, free_cores, user_over_real
from workbench.cores import cpus, usable_cores
from workbench.measure import stopwatch
from workbench.results import Ratio

LOOP = """
import os, sys
if len(sys.argv) > 1:
    os.sched_setaffinity(0, {int(sys.argv[1])})
print(flush=True)
while True:
    pass
"""


@pytest.fixture
def busy_loops():
    """On each usable CPU a process that never rests; two for each core where none can be pinned."""
    commands = [[str(cpu)] for cpu in cpus()] or [[]] * (2 * usable_cores())
    loops = [
        subprocess.Popen([sys.executable, "-S", "-c", LOOP, *each], stdout=subprocess.PIPE)
        for each in commands
    ]
    try:
        for each in loops:
            each.stdout.readline()
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()
            each.stdout.close()


@pytest.fixture
def machine(monkeypatch):
    """Set what the spinners find: `machine(shares, quota)`, each measurement the next of the lists of shares."""

    def set_up(*found, quota=None, pinned=True):
        answers = iter(found)
        monkeypatch.setattr(control, "_spin", lambda where, seconds: (next(answers), pinned))
        monkeypatch.setattr(control, "usable_cores", lambda: len(found[0]))
        monkeypatch.setattr(control, "cpu_quota", lambda: quota)

    return set_up


# ---- free cores ----


@pytest.mark.skipif(not cpus(), reason="threads can't be pinned here")
def test_beside_a_busy_loop_on_each_core_none_is_free(busy_loops):
    with cores_free(2) as both:
        pass
    assert both.free == 0
    assert not both
    if usable_cores() > 1:
        assert both.why == f"0 of {usable_cores()} cores were free"
        assert both.shown("Two threads take turns") == f"Not shown in this run: {both.why}"


def test_this_machine_has_as_many_free_cores_as_its_spinners_had_to_themselves():
    shares, pinned = control._spin(cpus() or [None] * usable_cores(), 0.05)
    assert len(shares) == (len(cpus()) or usable_cores())
    assert pinned == bool(cpus())
    assert all(0 < share <= 1.1 for share in shares)
    assert 0 <= free_cores(0.05) <= usable_cores()


@pytest.mark.skipif(not cpus(), reason="threads can't be pinned here")
def test_the_caller_stays_where_it_was():
    before = os.sched_getaffinity(0)
    free_cores(0.01)
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("shares", "quota", "pinned", "free"),
    [
        ([0.99, 0.98], None, True, 2),
        ([0.99, 0.51], None, True, 1),
        ([0.5, 0.5], None, True, 0),
        ([0.99, 0.99, 0.99], 2.5, True, 2),
        ([0.99, 0.99], 0.5, True, 0),
        ([0.99], None, True, 1),
        ([0.99, 0.97], None, False, 2),
        ([0.67, 0.66], None, False, 1),
    ],
)
def test_a_core_is_free_where_a_thread_has_it_to_itself(machine, shares, quota, pinned, free):
    machine(shares, quota=quota, pinned=pinned)
    assert free_cores() == free


def test_cores_are_counted_before_and_after(machine):
    idle, busy = [0.99, 0.99], [0.99, 0.5]
    machine(idle, idle)
    with cores_free(2) as control_:
        pass
    assert (control_.free, control_.shown("So be it")) == (2, "So be it")
    machine(busy, idle, busy, busy, busy)  # a short disturbance before; a neighbour who has come and stays
    with cores_free(2) as control_:
        pass
    assert control_.why == "1 of 2 cores was free"
    assert control_.shown("So be it") == "Not shown in this run: 1 of 2 cores was free"


def test_one_core_can_never_show_what_takes_two(machine):
    machine([0.99])
    with cores_free(2) as control_:
        pass
    assert control_.shown("x") == "Not shown in this run: it takes 2 cores, and this process may use 1"


def test_nothing_is_known_before_the_end(machine):
    machine([0.99, 0.99], [0.99, 0.99])
    with cores_free(2) as control_, pytest.raises(RuntimeError, match="still running"):
        control_.shown("Too early")


# ---- the others ----


def test_user_time_has_to_exceed_real_time():
    watch = stopwatch()
    watch.real, watch.user, watch.system, watch.children = 1.0, 1.9, 0.0, 0.0
    assert user_over_real(watch)
    watch.user = 1.02
    assert user_over_real(watch).why == "1.02 cores were busy, and it takes 1.5"


def test_the_broken_variant_has_to_fail():
    assert broken_variant(3, "the loop without a lock")
    assert (
        broken_variant(0, "the loop without a lock").shown("The lock helps")
        == "Not shown in this run: the loop without a lock should have failed, and did not"
    )


def test_the_interval_has_to_decide():
    assert decided(Ratio(1.9, 1.8, 2.0))
    open_ = decided(Ratio(1.1, 0.9, 1.3))
    assert open_.why == "the interval, 0.900 to 1.30, leaves open which is faster"


def test_joined_controls_hold_together_and_give_the_first_reason():
    good, one, two = Control(True), Control(False, "one"), Control(False, "two")
    assert (good & good).shown("yes") == "yes"
    assert (good & two & one).why == "two"
    assert not one & good


def test_a_free_core_joins_with_the_others(machine):
    machine([0.99, 0.99], [0.99, 0.99])
    with cores_free(2) as free:
        pass
    assert (free & Control(True)).holds
    assert (free & Control(False, "no")).why == "no"
    assert (Control(True) & free).shown("yes") == "yes"
