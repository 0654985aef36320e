"""`snek` and what happens to processes: Ctrl-C, fork, several interpreters, the end. Each test has a child of its own."""

import signal
import sys

import children
import pytest
from children import forks_beside_threads, needs_fork

# A window inside of the set, at the greatest depth: seconds for a pixel.
ENDLESS = "xmin=-0.1, xmax=0.1, ymin=-0.1, ymax=0.1, max_iter=2**31 - 1"
PRELUDE = """
import array, os, signal, sys, threading, time
import children, snek, twins

def blank(height, width):
    return memoryview(array.array("i", bytes(4 * height * width))).cast("B").cast("i", (height, width))

# As bytes, for they have no lock. A list has, without the GIL: where threads compare it all the time, a forked child of
# 3.13t may find it locked for ever, by a thread that it doesn't have (seen).
RIGHT = b"".join(array.array("i", row) for row in twins.mandelbrot(40, 50, max_iter=60))

# So long that helpers are invited, and drawn by one thread: without helpers.
LONG = {"xmin": -0.8, "xmax": 0.2, "ymin": -0.5, "ymax": 0.5, "max_iter": 500}
ALONE = blank(60, 60)
snek.mandelbrot(ALONE, **LONG, threads=1)
ALONE = ALONE.tobytes()

def check(threads=2):
    out = blank(40, 50)
    snek.mandelbrot(out, max_iter=60, threads=threads)
    assert out.tobytes() == RIGHT
    out = blank(60, 60)
    snek.mandelbrot(out, **LONG, threads=threads)
    assert out.tobytes() == ALONE
"""

# ---- Ctrl-C ----

CALLS = {
    "one thread": f"snek.mandelbrot(blank(100, 100), {ENDLESS}, threads=1)",
    "all cores": f"snek.mandelbrot(blank(100, 100), {ENDLESS}, threads=0)",
    "three threads": f"snek.mandelbrot(blank(100, 100), {ENDLESS}, threads=3)",
    "a single pixel": f"snek.mandelbrot(blank(1, 1), {ENDLESS})",
    # two tiles, one endless pixel after the other in both: the caller is inside of one, a helper inside of the other
    "a single row": f"snek.mandelbrot(blank(1, 65), {ENDLESS}, threads=2)",
    # two tiles, and only the second is endless: the caller has nothing to do but to wait for the helper (a vector
    # kernel would have taken both, for lack of points to work on)
    "a waiting caller": "snek.mandelbrot(blank(1, 128), xmin=1.52, xmax=-1.04, ymin=0, max_iter=2**31 - 1, threads=2, kernel='scalar')",
    "fib": "snek.fib(70)",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_ctrl_c_stops_a_call(call):
    """At once, where a single pixel takes seconds; and the pool is as good as new afterwards."""
    children.assert_stops_at_once(
        PRELUDE
        + f"""
check()
try:
    print("computing")
    {call}
    print("never")
except KeyboardInterrupt:
    print(time.monotonic())
check()
check(0)
"""
    )


def test_ctrl_c_while_python_threads_are_busy():
    """The GIL is hard to get then."""
    children.assert_stops_at_once(
        PRELUDE
        + f"""
def spin():
    while True:
        sum(range(1000))
for _ in range(2):
    threading.Thread(target=spin, daemon=True).start()
try:
    print("computing")
    snek.mandelbrot(blank(100, 100), {ENDLESS}, threads=2)
except KeyboardInterrupt:
    print(time.monotonic())
os._exit(0)
"""
    )


def test_out_after_ctrl_c():
    """Some pixels hold their counts, the others what they held before, or max_iter; nothing else, and the buffer is free."""
    out = children.interrupt(
        PRELUDE
        + """
owner = bytearray(b"\\xff" * 4 * 1000 * 1000)
out = memoryview(owner).cast("i", (1000, 1000))
window = dict(xmin=-0.1, xmax=0.1, ymin=-0.1, ymax=0.1, max_iter=10_000)
try:
    print("computing")
    snek.mandelbrot(out, **window, threads=2)
except KeyboardInterrupt:
    pass
values = set(out.cast("B").cast("i"))
out.release()
owner.append(1)
print(sorted(values))
"""
    )
    assert out.splitlines()[1] == "[-1, 10000]"


def test_a_handler_that_does_not_raise_does_not_stop_the_call():
    """And may use snek itself in the middle of a call of snek, the same pool included."""
    children.run(
        PRELUDE
        + """
seen = []
def handler(signum, frame):
    check(2)
    seen.append(snek.fib(20))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
out = blank(300, 300)
for threads in (1, 2, 4):
    del seen[:]
    while len(seen) < 3:
        snek.mandelbrot(out, max_iter=40_000, threads=threads)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
signal.setitimer(signal.ITIMER_REAL, 0)
reference = blank(300, 300)
snek.mandelbrot(reference, max_iter=40_000)
assert reference == out
"""
    )


def test_the_handlers_exception_is_the_calls():
    children.run(
        PRELUDE
        + f"""
class Mine(Exception):
    pass
def handler(signum, frame):
    raise Mine
signal.signal(signal.SIGALRM, handler)
for threads in (1, 2):
    for call in (lambda: snek.mandelbrot(blank(9, 9), {ENDLESS}, threads=threads), lambda: snek.fib(80)):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            call()
        except Mine:
            pass
        else:
            raise AssertionError("not stopped")
check()
"""
    )


# ---- fork ----

FORK = """
def settle():
    "Waits until the helpers have slept for a while: for sanitizers, whose malloc is not made for a fork in the middle of it."
    others = [f"/proc/self/task/{task}/stat" for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
    quiet = 0
    while quiet < 5:
        time.sleep(0.002)
        states = {open(path).read().rpartition(")")[2].split()[0] for path in others}
        quiet = quiet + 1 if states <= {"S"} else 0

def forked(work, timeout=60):
    "Runs work in a forked child; it must end well."
    if children.ASAN:
        settle()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    for _ in range(timeout * 100):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, status
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGABRT)  # faulthandler prints its stacks
    os.waitpid(child, 0)
    raise AssertionError("the forked child hangs")
"""


@needs_fork
def test_fork_after_the_pool_has_run():
    """The child computes with a pool of its own, so does its child, and the parent goes on."""
    children.run(
        PRELUDE
        + FORK
        + """
def fresh():
    check()
    if os.path.exists("/proc/self/task"):
        assert len(os.listdir("/proc/self/task")) == 2, "no helper of its own"
def generations():
    fresh()
    forked(fresh)
    check()
check()
for _ in range(5):
    forked(generations)
    check()
""",
        "-Wignore",
    )


@needs_fork
@forks_beside_threads
def test_fork_while_other_threads_compute():
    children.run(
        PRELUDE
        + FORK
        + """
stop = False
def work():
    while not stop:
        check(3)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(20):
    forked(check)
stop = True
for thread in threads:
    thread.join()
""",
        "-Wignore",
    )


@needs_fork
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=forks_beside_threads)])
def test_fork_in_the_middle_of_a_call(threads):
    """By a signal handler. The parent's picture is whole; the child's too, or it is told that the helpers are gone."""
    children.run(
        PRELUDE
        + FORK
        + f"""
inside = []
def handler(signum, frame):
    child = os.fork()
    inside.append(child)
signal.signal(signal.SIGALRM, handler)
reference = blank(400, 400)
snek.mandelbrot(reference, max_iter=60_000)
while not inside:
    out, error = blank(400, 400), None
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        snek.mandelbrot(out, max_iter=60_000, threads={threads})
    except RuntimeError as exception:
        error = exception
    signal.setitimer(signal.ITIMER_REAL, 0)
if inside == [0]:
    try:
        # On a busy machine no helper may have come yet, or the signal came just before or after the call.
        assert out == reference if error is None else "forked by a signal handler" in str(error), error
        assert error is None or {threads} == 2
        check()
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert error is None and out == reference
for _ in range(6000):
    done, status = os.waitpid(inside[0], os.WNOHANG)
    if done:
        assert status == 0, status
        break
    time.sleep(0.01)
else:
    os.kill(inside[0], signal.SIGKILL)
    raise AssertionError("the forked child hangs")
check()
""",
        "-Wignore",
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method, tmp_path):
    (tmp_path / "job.py").write_text("import snek\n\ndef job(n):\n    return snek.fib(n)\n")
    out = children.run(
        PRELUDE
        + f"""
import multiprocessing
sys.path.insert(0, {str(tmp_path)!r})
from job import job
if __name__ == "__main__":
    check()
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(job, [20, 21]))
""",
        "-Wignore",
    )
    assert out == "[6765, 10946]\n"


# ---- interpreters ----

INTERPRETERS = """
def interpreter():
    "A function that runs source in an interpreter with a GIL of its own (3.11: with the GIL that all share)."
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        return interpreters.create().exec
    if sys.version_info >= (3, 13):
        import _interpreters
        number = _interpreters.create("isolated")
        def run(source):
            error = _interpreters.run_string(number, source)
            assert error is None, error
        return run
    import _xxsubinterpreters
    number = _xxsubinterpreters.create(**({"isolated": True} if sys.version_info >= (3, 12) else {}))
    return lambda source: _xxsubinterpreters.run_string(number, source)
"""
IN_AN_INTERPRETER = '''
SOURCE = """
import array, sys
import snek
out = memoryview(array.array("i", bytes(4 * 40 * 50))).cast("B").cast("i", (40, 50))
for threads in (1, 2, 3, 0):
    assert snek.mandelbrot(out, max_iter=60, threads=threads) is out
    assert out.tobytes() == %r
assert snek.fib(25) == 75025
assert snek.stations(b"a;1.0 b;2.5 a;-1.0 ".replace(b" ", bytes([10])) * 50_000) == {"a": (-1.0, 0.0, 1.0, 100_000), "b": (2.5, 2.5, 2.5, 50_000)}
assert snek.kernels() == %r
""" % (RIGHT, snek.kernels())
'''


def test_interpreters_with_a_gil_of_their_own():
    children.run(
        PRELUDE
        + INTERPRETERS
        + IN_AN_INTERPRETER
        + """
for _ in range(3):
    interpreter()(SOURCE)
check()
"""
    )


def test_interpreters_at_the_same_time():
    """Each in a thread of its own, all with the one pool, then all are gone, and the main one still computes."""
    children.run(
        PRELUDE
        + INTERPRETERS
        + IN_AN_INTERPRETER
        + """
errors = []
def work():
    try:
        run = interpreter()
        for _ in range(5):
            run(SOURCE)
    except BaseException as error:
        errors.append(error)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
check()
for thread in threads:
    thread.join()
assert not errors, errors
check()
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor is new in 3.14")
def test_interpreter_pool():
    out = children.run(
        PRELUDE
        + """
from concurrent.futures import InterpreterPoolExecutor
with InterpreterPoolExecutor(3) as pool:
    print(list(pool.map(snek.fib, [20, 21, 22])))
"""
    )
    assert out == "[6765, 10946, 17711]\n"


def test_modules_do_not_share_their_state():
    """Import, forget, import again: a second module, with its own state, as right as the first."""
    children.run(
        PRELUDE
        + """
import gc, weakref
first = snek._snek
del sys.modules["snek"], sys.modules["snek._snek"]
import snek as second
assert second._snek is not first
assert second.kernels() == first.kernels() and second.kernels() is not first.kernels()
gone = weakref.ref(second._snek)
del second, sys.modules["snek"], sys.modules["snek._snek"]
gc.collect()
assert gone() is None, "the module is not collected"
assert first.fib(20) == 6765
check()
"""
    )


# ---- the end ----


@pytest.mark.parametrize("threads", [1, 2])
def test_the_process_ends_while_a_daemon_thread_computes(threads):
    """The thread comes back to an interpreter that is no more, while its helpers compute."""
    for _ in range(3):
        children.run(
            PRELUDE
            + f"""
out = blank(300, 300)
threading.Thread(target=lambda: snek.mandelbrot(out, {ENDLESS}, threads={threads}), daemon=True).start()
threading.Thread(target=lambda: snek.fib(90), daemon=True).start()
time.sleep(0.1)
""",
            timeout=60,
        )


def test_the_end_by_sigterm():
    child = children.start(
        PRELUDE + f"print('computing')\nsnek.mandelbrot(blank(99, 99), {ENDLESS}, threads=2)"
    )
    child.stdout.readline()
    child.terminate()
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGTERM, (out, err)
