"""`snek` and threads: the GIL is released, the work is shared, concurrent calls are right."""

import array
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import children
import pytest
import twins

import snek

TASKS = Path("/proc/self/task")
needs_proc = pytest.mark.skipif(not TASKS.exists(), reason="needs /proc")


LINES = b"a;-0.1\na;0.1\n" * 10_000


def blank(height: int, width: int) -> memoryview:
    return memoryview(array.array("i", bytes(4 * height * width))).cast("B").cast("i", (height, width))


def test_free_threaded_build_stays_free():
    """Importing snek must not turn the GIL on."""
    if not hasattr(sys, "_is_gil_enabled"):
        pytest.skip("this Python always has a GIL")
    wanted = children.run("import sys; print(sys._is_gil_enabled())")
    assert children.run("import sys, snek; print(sys._is_gil_enabled())", "-W", "error") == wanted


@pytest.mark.parametrize("threads", [1, 2, 0])
def test_eight_threads_compute_into_one_array(threads):
    """Each its own rows, again and again, all starting together."""
    rows, width, rounds = 6, 50, 20
    whole = blank(8 * rows, width)
    flat = whole.cast("B")
    barrier = threading.Barrier(8, timeout=60)

    def compute(number):
        size = 4 * rows * width
        part = flat[number * size : (number + 1) * size].cast("i", (rows, width))
        low = -1.12 + 2.24 * number * rows / (8 * rows)
        barrier.wait()
        for _ in range(rounds):
            snek.mandelbrot(part, ymin=low, ymax=low + 2.24 / 8, max_iter=50, threads=threads)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(compute, range(8)))
    expected = []
    for number in range(8):
        low = -1.12 + 2.24 * number * rows / (8 * rows)
        expected += twins.mandelbrot(rows, width, ymin=low, ymax=low + 2.24 / 8, max_iter=50)
    assert whole.tolist() == expected


def test_eight_threads_call_everything():
    """Different sizes and numbers of threads at once; each result is the one that a single call gives."""
    jobs = [(3 + k % 5, 10 * (k % 7 + 1), k % 4) for k in range(60)]
    expected = {size: twins.mandelbrot(*size, max_iter=30) for size in {job[:2] for job in jobs}}
    barrier = threading.Barrier(8, timeout=60)

    def compute(number):
        barrier.wait()
        for height, width, threads in jobs[number:] + jobs[:number]:
            out = blank(height, width)
            snek.mandelbrot(out, max_iter=30, threads=threads)
            assert out.tolist() == expected[height, width]
            assert snek.fib(18) == 2584
            assert snek.stations(LINES, threads=threads) == {"a": (-0.1, 0.0, 0.1, 20_000)}
            assert snek.kernels()[0] == "scalar"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(compute, range(8)))


@pytest.mark.parametrize(
    "call",
    [
        lambda: snek.fib(36),
        lambda: snek.mandelbrot(blank(200, 200), max_iter=60_000),
        lambda: snek.mandelbrot(blank(200, 200), max_iter=60_000, threads=2),
        lambda: snek.stations(LINES * 1500, threads=1),
    ],
    ids=["fib", "mandelbrot", "mandelbrot threads=2", "stations"],
)
def test_other_threads_run_during_the_call(call):
    """A Python thread ticks while the call computes: it couldn't if the call held the GIL."""
    done = threading.Event()
    ticks = []

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        begin = time.perf_counter()
        call()
        end = time.perf_counter()
    finally:
        done.set()
        thread.join()
    inside = [t for t in ticks if begin < t < end]
    # as many ticks in the middle half as a thread that may run makes at the very least
    middle = [t for t in inside if begin + (end - begin) / 4 < t < end - (end - begin) / 4]
    assert len(middle) >= 3, f"{len(inside)} ticks in {end - begin:.3f} s"


@pytest.mark.skipif(children.ASAN, reason="AddressSanitizer's frames are larger")
@pytest.mark.parametrize("kernel", snek.kernels())
def test_a_thread_with_the_smallest_stack(kernel):
    """Smallest that the system gives a Python thread: kernels keep what they work on there."""
    children.run(f"""
        from test_snek_threads import *
        smallest = 32768
        while True:
            try:
                threading.stack_size(smallest)
                thread = threading.Thread(target=lambda: snek.mandelbrot(blank(80, 90), kernel="{kernel}"))
                thread.start()
                break
            except (ValueError, RuntimeError):  # RuntimeError: the size may be set, and be too small all the same
                smallest += 4096
        thread.join()
    """)


def seconds_of_threads() -> dict[str, float]:
    """Return the CPU time, in seconds, of every thread of this process by its id."""
    tick = os.sysconf("SC_CLK_TCK")
    return {
        task.name: sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13])) / tick
        for task in TASKS.iterdir()
    }


@needs_proc
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_as_many_threads_work_as_were_asked_for(threads):
    out = children.run(f"""
        from test_snek_threads import *
        out = blank(600, 600)
        before = seconds_of_threads()
        snek.mandelbrot(out, max_iter=20_000, threads={threads})
        busy = sorted(seconds - before.get(thread, 0) for thread, seconds in seconds_of_threads().items())
        print(len(busy), sum(busy), *busy)
    """)
    count, total, *busy = map(float, out.split())
    assert count == threads
    if threads <= 2:  # more than the CPUs of a small machine need not get an equal share
        assert min(busy) > total / threads / 3, f"the work is not shared: {busy}"


@needs_proc
def test_helpers_stay_for_the_next_call():
    """A thousand calls start the helpers once."""
    out = children.run("""
        from test_snek_threads import *
        for _ in range(1000):
            snek.mandelbrot(blank(40, 40), xmin=-0.1, xmax=0.1, ymin=-0.1, ymax=0.1, threads=3)
        print(len(list(TASKS.iterdir())))
    """)
    assert int(out) == 3


@needs_proc
def test_helpers_block_signals():
    """A signal sent to the process is the interpreter's business: a helper never takes it. Its own crash it does report.

    A thread that has not run yet blocks everything: glibc sees to that. So each is given time to begin.
    """
    out = children.run("""
        from signal import SIGBUS, SIGINT, SIGSEGV, SIGTERM
        from test_snek_threads import *
        def blocked(task):
            status = dict(line.split(":\\t", 1) for line in (task / "status").read_text().splitlines())
            mask = int(status["SigBlk"], 16)
            return [mask >> number - 1 & 1 for number in (SIGINT, SIGTERM, SIGSEGV, SIGBUS)]
        snek.mandelbrot(blank(200, 200), max_iter=5000, threads=4)
        for task in TASKS.iterdir():
            if task.name != str(os.getpid()):
                until = time.monotonic() + 60
                while all(blocked(task)) and time.monotonic() < until:
                    time.sleep(0.01)
                print(*blocked(task))
    """)
    assert out.split() == ["1", "1", "0", "0"] * 3


@needs_proc
def test_no_helpers_for_a_small_picture():
    """Without a checkpoint there is no question whether helpers pay."""
    out = children.run("""
        from test_snek_threads import *
        for kernel in snek.kernels():
            snek.mandelbrot(blank(16, 16), max_iter=20, threads=4, kernel=kernel)
        print(len(list(TASKS.iterdir())))
    """)
    assert int(out) == 1


def test_two_threads_are_no_slower_on_a_small_picture():
    """To wake a helper takes several times as long as to draw this one."""
    out = blank(16, 16)
    best = {1: float("inf"), 2: float("inf")}
    for _ in range(500):
        for threads in best:
            begin = time.perf_counter()
            snek.mandelbrot(out, xmin=1, xmax=3, threads=threads)
            best[threads] = min(best[threads], time.perf_counter() - begin)
    assert best[2] < 2 * best[1]  # here 1.0, and 4 when helpers are woken at once


AFFINITY = """
        from test_snek_threads import *
        def helpers_affinities():
            names = {task.name for task in TASKS.iterdir()} - {str(os.getpid())}
            return [os.sched_getaffinity(int(name)) for name in names]
        def draw():
            snek.mandelbrot(blank(300, 300), max_iter=4000, threads=2)
        def drawn_within(cpus):
            "Has the helper been at work in that set? It need not come to each call on a busy machine."
            for _ in range(100):
                draw()
                if helpers_affinities() == [set(cpus)]:
                    return True
            return False
        one, two = (cpus := sorted(os.sched_getaffinity(0))[:2])
        everywhere = os.sched_getaffinity(0)
"""
needs_two_cpus = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two CPUs, and sched_setaffinity",
)


@needs_two_cpus
@needs_proc
def test_a_pinned_first_call_does_not_pin_later_ones():
    out = children.run(
        AFFINITY
        + """
        def pinned():
            os.sched_setaffinity(0, {one})  # this thread's
            draw()
        thread = threading.Thread(target=pinned)
        thread.start()
        thread.join()
        print(helpers_affinities() == [{one}], drawn_within(everywhere))
    """
    )
    assert out.split() == ["True", "True"]


@needs_two_cpus
@needs_proc
def test_helpers_follow_when_the_process_is_narrowed():
    out = children.run(
        AFFINITY
        + """
        draw()
        print(drawn_within(everywhere))
        for cpu in (one, two):
            os.sched_setaffinity(0, {cpu})
            print(drawn_within({cpu}))
        os.sched_setaffinity(0, everywhere)
        print(drawn_within(everywhere))
    """
    )
    assert out.split() == ["True"] * 4


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
@needs_proc
def test_threads_0_follows_the_affinity():
    out = children.run("""
        from test_snek_threads import *
        first = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {first})
        snek.mandelbrot(blank(100, 100), threads=0)
        print(len(list(TASKS.iterdir())))
    """)
    assert int(out) == 1


@pytest.mark.skipif(
    children.ASAN, reason="how often it moves depends on what else runs, and memory is no part of it"
)
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
@needs_proc
def test_a_helper_leaves_the_callers_cpu():
    """It is made to sleep where the caller is, and another program keeps the other CPU busy: Linux would leave it there."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU")
    out = children.run("""
        from test_snek_threads import *
        import subprocess
        def cpu(thread):
            "The CPU it was on last."
            return int((TASKS / thread / "stat").read_text().rpartition(")")[2].split()[36])
        mine, other = two = sorted(os.sched_getaffinity(0))[:2]
        os.sched_setaffinity(0, {mine})
        out = blank(300, 300)
        snek.mandelbrot(out, threads=2)
        (helper,) = {task.name for task in TASKS.iterdir()} - {str(os.getpid())}
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        os.sched_setaffinity(busy.pid, {other})
        moved = 0
        try:
            for _ in range(20):
                os.sched_setaffinity(0, {mine})  # a helper goes where its caller may go
                while cpu(helper) != mine or os.sched_getaffinity(int(helper)) != {mine}:
                    snek.mandelbrot(out, threads=2)
                os.sched_setaffinity(0, two)
                snek.mandelbrot(out, max_iter=1000, threads=2)
                moved += cpu(helper) == other
                assert os.sched_getaffinity(int(helper)) in ({mine}, set(two))  # {mine}: it came too late for this one
        finally:
            busy.kill()
            busy.wait()
        print(moved)
    """)
    assert int(out) >= 5  # of 20: here 13 to 20 do, and without cpus_settle 0 or 1


@needs_proc
@pytest.mark.skipif(sys.version_info < (3, 14), reason="snek reads -X cpu_count from 3.14 on")
def test_threads_0_follows_the_interpreters_option():
    source = """
        from test_snek_threads import *
        snek.mandelbrot(blank(200, 200), threads=0)
        print(len(list(TASKS.iterdir())))
    """
    assert int(children.run(source, "-X", "cpu_count=5")) == 5
    assert int(children.run(source, "-X", "cpu_count=1")) == 1
