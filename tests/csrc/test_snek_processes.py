"""`snek` and what happens to processes: Ctrl-C, fork, several interpreters, the end. Each test has a child of its own."""

import signal
import sys
import time

import children
import pytest
from children import forks_beside_threads, needs_fork

# ---- Ctrl-C ----


@pytest.mark.parametrize(
    "call",
    [
        *("one thread", "all cores", "three threads", "a single pixel", "a single row", "a waiting caller"),
        "fib",
    ],
)
def test_ctrl_c_stops_a_call(call):
    """At once, where a single pixel takes seconds; and the pool is as good as new afterwards."""
    children.assert_stops_at_once("signals.py", "ctrl_c_stops_a_call", call)


def test_ctrl_c_while_python_threads_are_busy():
    """The GIL is hard to get then."""
    children.assert_stops_at_once("signals.py", "ctrl_c_while_python_threads_are_busy")


def test_out_after_ctrl_c():
    """Some pixels hold their counts, the others what they held before, or max_iter; nothing else, and the buffer is free."""
    out = children.interrupt("signals.py", "out_after_ctrl_c")
    assert out.splitlines()[1] == "[-1, 1000000]"


def test_a_handler_that_does_not_raise_does_not_stop_the_call():
    """And may use snek itself in the middle of a call of snek, the same pool included."""
    children.run("signals.py", "a_handler_that_does_not_raise")


def test_the_handlers_exception_is_the_calls():
    children.run("signals.py", "the_handlers_exception")


# ---- fork ----


@needs_fork
def test_fork_after_the_pool_has_run():
    """The child computes with a pool of its own, so does its child, and the parent goes on."""
    children.run("fork.py", "after_the_pool_has_run", options=["-Wignore"])


@needs_fork
@forks_beside_threads
def test_fork_while_other_threads_compute():
    children.run("fork.py", "while_other_threads_compute", options=["-Wignore"])


@needs_fork
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=forks_beside_threads)])
def test_fork_in_the_middle_of_a_call(threads):
    """By a signal handler. The parent's picture is whole; the child's too, or it is told that the helpers are gone."""
    children.run("fork.py", "in_the_middle_of_a_call", threads, options=["-Wignore"])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method):
    out = children.run("multiprocessing_pool.py", "two_jobs", method, options=["-Wignore"])
    assert out == "[6765, 10946]\n"


# ---- interpreters ----


def test_interpreters_with_a_gil_of_their_own():
    children.run("interpreters.py", "one_after_the_other")


def test_interpreters_at_the_same_time():
    """Each in a thread of its own, all with the one pool, then all are gone, and the main one still computes."""
    children.run("interpreters.py", "at_the_same_time")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor is new in 3.14")
def test_interpreter_pool():
    out = children.run("interpreters.py", "executor")
    assert out == "[6765, 10946, 17711]\n"


def test_modules_do_not_share_their_state():
    """Import, forget, import again: a second module, with its own state, as right as the first."""
    children.run("module_state.py", "is_not_shared")


# ---- the end ----


@pytest.mark.parametrize("threads", [1, 2])
def test_the_process_ends_while_a_daemon_thread_computes(threads):
    """The thread comes back to an interpreter that is no more, while its helpers compute."""
    for _ in range(3):
        children.run("end.py", "while_a_daemon_thread_draws", threads, timeout=60)


def test_the_end_by_sigterm():
    child = children.start("end.py", "by_a_signal")
    child.stdout.readline()
    time.sleep(0.1)  # it is inside of the call, or has ended with another status
    child.terminate()
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGTERM, (out, err)
