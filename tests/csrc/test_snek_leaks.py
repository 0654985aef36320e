"""Nothing leaks: references, blocks of Python's memory, C memory, threads or file descriptors.

By the idea of CPython's `regrtest -R`: run a piece of work a few times to warm up, then several times more, and look at
what grew each time. Growth in every single round is a leak; growth in some of them is a cache or chance.
"""

import os
import sys
from unittest import mock

import ahead
import builds
import children
import pytest

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and mallinfo2")

HUNT = """
import array, atexit, ctypes, gc, os, shutil, sys, tempfile
import snek

libc = ctypes.CDLL(None)

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

if hasattr(libc, "mallinfo2"):
    libc.mallinfo2.restype = Mallinfo2

gc.collect()
gc.freeze()  # what is there already is not looked at again, and there are hundreds of collections

def measure():
    gc.collect()
    counts = {
        "blocks of Python's memory": sys.getallocatedblocks(),
        "bytes of C memory": libc.mallinfo2().uordblks + libc.mallinfo2().hblkhd if hasattr(libc, "mallinfo2") else 0,
        "threads": len(os.listdir("/proc/self/task")),
        "file descriptors": len(os.listdir("/proc/self/fd")),
    }
    for name, thing in watched.items():
        counts["references to " + name] = sys.getrefcount(thing)
    return counts

def leaks(work, warmup=3, rounds=6):
    "Return the names of what grew in every round."
    for _ in range(warmup):
        work()
        measure()
    before = measure()
    rounds_grown = dict.fromkeys(before, 0)
    for _ in range(rounds):
        work()
        after = measure()
        for name in after:
            rounds_grown[name] += after[name] > before[name]
        before = after
    return sorted(name for name in before if rounds_grown[name] == rounds)

lines = bytearray(b"Hamburg;12.0\\nBulawayo;8.9\\nmore than 16 bytes;-2.5\\n" * 50)
many = b"".join(b"%d;1.0\\n" % n for n in range(40_000))
folder = tempfile.mkdtemp()
atexit.register(shutil.rmtree, folder)
path = os.path.join(folder, "lines")
with open(path, "wb") as file:
    file.write(many)
owner = bytearray(4 * 12)
out = memoryview(owner).cast("i", (3, 4))
number = 10**20
watched = {"lines": lines, "a path": path, "out": out, "its owner": owner, "a number": number, "kernels()": snek.kernels(), "the module": snek._snek}

class Index:
    def __index__(self):
        return int("5000")  # a new object each time: Python keeps the numbers to 256, from 3.15 on to 1024

class Unwilling:
    def __index__(self):
        raise ZeroDivisionError
    __float__ = __index__

def good():
    for threads in (1, 2, 3, 0):
        for _ in range(20):
            snek.mandelbrot(out, max_iter=Index(), threads=threads, kernel="auto", xmin=-1)
            snek.mandelbrot(out=out, max_iter=5)
    for n in (0, 10, 20, 26):
        snek.fib(n)
    for threads in (1, 2, 3):
        for source in (lines, path, many):
            snek.stations(source, threads=threads)
            snek.stations_merge([snek.stations_part(source, threads=threads)] * 2)
    snek.nop(out)
    snek.kernels()

def bad():
    read_only = memoryview(bytes(48)).cast("i", (3, 4))
    for args, kwargs in [
        ((), {}), ((1,), {}), ((out, out), {}), ((owner,), {}), ((read_only,), {}), ((out[::-1],), {}),
        ((memoryview(owner).cast("f", (3, 4)),), {}), ((memoryview(owner).cast("i", (3, 4, 1)),), {}),
        ((out,), {"xmin": Unwilling()}), ((out,), {"max_iter": Unwilling()}), ((out,), {"threads": number}),
        ((out,), {"max_iter": -1}), ((out,), {"kernel": "none"}), ((out,), {"kernel": 5}), ((out,), {"size": 5}),
        ((out,), {"out": out}), ((out,), {"xmin": "x"}), ((out,), {"xmin": float("nan")}), ((out,), {"xmin": 10**400}),
    ]:
        for function in (snek.mandelbrot, snek.fib, snek.nop, snek.kernels):
            try:
                function(*args, **kwargs)
            except (TypeError, ValueError, BufferError, ZeroDivisionError):
                pass

    for source in (b"x", lines + b"x", b"a\\xff;1.0", many + b"a;1", "nowhere", "/", "/dev/null", "/proc/self/status", "a\\0", 5, memoryview(lines)[::2]):
        for threads in (1, 2, -1, Unwilling()):
            for function in (snek.stations, snek.stations_part):
                try:
                    function(source, threads=threads)
                except (TypeError, ValueError, BufferError, OSError, ZeroDivisionError):
                    pass
    for numbers in ((1, 2), (1, 2, 3, 4.0), (0, 0, 0, number), (Unwilling(),) * 4, (number, 0, 0, 1), None):
        try:
            snek.stations_merge([{"a": (0, 0, 0, 1)}, {"a": numbers}, {5: numbers}])
        except (TypeError, ValueError, ZeroDivisionError):
            pass

def interrupted():
    import signal
    class Stop(Exception):
        pass
    def handler(signum, frame):
        raise Stop
    signal.signal(signal.SIGALRM, handler)
    for call in (lambda: snek.mandelbrot(out, xmin=0, xmax=0.01, ymin=0, ymax=0.01, max_iter=2**31 - 1, threads=2),
                 lambda: [snek.stations(path, threads=2) for _ in range(100_000)],
                 lambda: [snek.stations_part(path, threads=2) for _ in range(100_000)],
                 lambda: snek.fib(80)):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            call()
        except Stop:
            pass
"""


# What glibc's malloc keeps in a thread's cache counts as in use, and the caches fill up for a dozen rounds.
NO_CACHES = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


def hunt(work: str) -> str:
    """Run one of the pieces of work in a child and return what leaks, a line each."""
    with mock.patch.dict(children.ENVIRONMENT, NO_CACHES):
        return children.run(HUNT + f"print(*leaks({work}), sep='\\n')").strip()


@needs_linux
@pytest.mark.parametrize("work", ["good", "bad", "interrupted"])
def test_nothing_leaks(work):
    assert hunt(work) == ""


# The hunt is worth something if it finds what was lost on purpose.
LEAKS = {
    "a buffer that is not released": (
        {"extensions/mandelbrot.c": {"    PyBuffer_Release(&view);\n": ""}},
        "good",
        "references to out",
    ),
    "a buffer not released after an error": (
        {"extensions/buffers.h": {"    PyBuffer_Release(view);\n": ""}},
        "bad",
        "blocks of Python's memory",
    ),
    "a number not released": (
        {"extensions/parser.h": {"    Py_DECREF(integer);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
    "one reference too many": (
        {"extensions/fib.c": {"    return Py_NewRef(x);": "    Py_INCREF(x);\n    return Py_NewRef(x);"}},
        "good",
        "references to out",
    ),
    "C memory": ({"kernels/pool.c": {"    free(job);\n": "    (void)job;\n"}}, "good", "bytes of C memory"),
    "a file of lines": (
        {"extensions/stations.c": {"        close(self->lines.file);\n": ""}},
        "good",
        "file descriptors",
    ),
    "a file that will not do": (
        {
            "extensions/stations.c": {
                "        close(lines->file);\n        return why;": "        return why;"
            }
        },
        "bad",
        "file descriptors",
    ),
    "a buffer of lines": (
        {"extensions/stations.c": {"        PyBuffer_Release(&self->view);\n    }\n}": "    }\n}"}},
        "good",
        "references to lines",
    ),
    "a buffer of every other byte": (
        {
            "extensions/stations.c": {
                "        PyBuffer_Release(&self->view);\n        return": "        return"
            }
        },
        "bad",
        "references to lines",
    ),
    "what the lines come to": (
        {"extensions/stations.c": {"    stations_release(found);\n": ""}},
        "good",
        "bytes of C memory",
    ),
    "what a name is given": (
        {"extensions/stations.c": {"        Py_XDECREF(value);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
    "a name": (
        {"extensions/stations.c": {"        Py_XDECREF(name);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
    "an encoded path": (
        {"extensions/stations.c": {"    Py_XDECREF(encoded);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
}


def with_defect(number, plant):
    """Return the folder of a build of snek that has a defect."""
    return builds.snek(f"leak{number}", "-O1", cc=builds.compiler(), plant={**builds.PORTABLE_ONLY, **plant})


@pytest.fixture(scope="module")
def defective(request):
    """Give the folder of a build of snek with that leak."""
    return ahead.outcomes(
        request,
        ["test_planted_leaks_are_found"],
        "name",
        lambda name: with_defect(list(LEAKS).index(name), LEAKS[name][0]),
    )


def hunt_in(monkeypatch, folder, work):
    """Run the work with the snek of that folder."""
    path = os.pathsep.join([str(folder), children.ENVIRONMENT["PYTHONPATH"]])
    monkeypatch.setitem(children.ENVIRONMENT, "PYTHONPATH", path)
    return work()


@pytest.mark.mutant
@needs_linux
@pytest.mark.parametrize("name", LEAKS)
def test_planted_leaks_are_found(name, monkeypatch, defective):
    _, work, found = LEAKS[name]
    assert found in hunt_in(monkeypatch, defective(name), lambda: hunt(work)).splitlines()


# An import leaves blocks behind whatever is imported, textwrap for one: so a module's state is watched by name.


def references_to_the_state() -> int:
    """Return how many references to a module's state are left when the module is gone."""
    return int(
        children.run("""
            import gc, sys, weakref
            import snek
            state = sys.modules["snek._snek"].kernels()
            gone = weakref.ref(sys.modules["snek._snek"])
            del snek, sys.modules["snek"], sys.modules["snek._snek"]
            gc.collect()
            assert gone() is None
            print(sys.getrefcount(state) - sys.getrefcount(tuple(["one", "two"])))
        """)
    )


def test_a_module_lets_go_of_its_state():
    assert references_to_the_state() == 1  # the name


@pytest.mark.mutant
def test_a_state_that_is_not_let_go_is_found(monkeypatch):
    plant = {
        "extensions/snekmodule.c": {
            "    Py_CLEAR(snek_get_state(module)->kernel_names);\n": "    (void)module;\n"
        }
    }
    assert hunt_in(monkeypatch, with_defect(len(LEAKS), plant), references_to_the_state) == 2
