"""Forked children: what they do, and that each of them ends well."""

import os
import signal
import time
import traceback
from collections.abc import Callable

from children import ASAN


def settle() -> None:
    """Wait until the helpers have slept for a while: for sanitizers, whose malloc is not made for a fork in the middle of it."""
    others = [
        f"/proc/self/task/{task}/stat" for task in os.listdir("/proc/self/task") if int(task) != os.getpid()
    ]
    quiet = 0
    while quiet < 5:
        time.sleep(0.002)
        states = set()
        for path in others:
            with open(path) as stat:
                states.add(stat.read().rpartition(")")[2].split()[0])
        quiet = quiet + 1 if states <= {"S"} else 0


def end_with(work: Callable[[], None]) -> None:
    """Call `work` in a forked child and end the process: nothing of what its parent has yet to do is the child's."""
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def wait_for(child: int, timeout: int = 60) -> None:
    """Fail unless the forked child ends well. One that hangs says where."""
    for _ in range(timeout * 100):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, status
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGABRT)  # faulthandler prints its stacks
    os.waitpid(child, 0)
    raise AssertionError("the forked child hangs")


def forked(work: Callable[[], None]) -> None:
    """Run `work` in a forked child, which must end well."""
    if ASAN:
        settle()
    child = os.fork()
    if child == 0:
        end_with(work)
    wait_for(child)


def fork_in_the_middle(
    call: Callable[[], object], expected: object, check: Callable[[], None], *, after: float, threads: int
) -> None:
    """Let a signal handler fork so many seconds after `call` has begun, which works with so many threads.

    The parent's result must be what is expected. The child's too, or it must be told that the helpers are gone. Both must
    pass the check afterwards.
    """
    inside = []

    def handler(signum, frame):
        inside.append(os.fork())

    signal.signal(signal.SIGALRM, handler)
    while not inside:
        found = error = None
        signal.setitimer(signal.ITIMER_REAL, after)
        try:
            found = call()
        except RuntimeError as exception:
            error = exception
        signal.setitimer(signal.ITIMER_REAL, 0)

    def in_the_child():
        # On a busy machine no helper may have come yet, or the signal came just before or after the call.
        assert found == expected if error is None else "forked by a signal handler" in str(error), error
        assert error is None or threads == 2
        check()

    if inside == [0]:
        end_with(in_the_child)
    assert error is None
    assert found == expected
    wait_for(inside[0])
    check()
