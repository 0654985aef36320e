"""The extension written by hand, called with all that may go wrong. Its folder is on the path, built as a test wants it."""

import array
import ctypes
import functools
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import kernels_extension
from _script import call_named
from kernels_extension import fib, mandelbrot, mandelbrot_threaded, nop, total

WINDOW = (-2.0, 0.47, -1.12, 1.12)
BEYOND = 2**70
OTHER_ORDER = ctypes.c_double.__ctype_be__ if sys.byteorder == "little" else ctypes.c_double.__ctype_le__


class Number:
    """Is converted by a function, which may do anything."""

    def __init__(self, convert: Callable[[], object]) -> None:
        self.convert = convert

    def __index__(self):
        return self.convert()

    __float__ = __index__


def unwilling() -> None:
    raise ZeroDivisionError


def picture(height: int = 3, width: int = 4) -> memoryview:
    return memoryview(bytearray(4 * height * width)).cast("i", (height, width))


def fills() -> Iterator[Callable[..., object]]:
    """Both functions that draw; the second by two threads where no number is given."""
    yield mandelbrot
    yield lambda *given: mandelbrot_threaded(*given, *([2] if len(given) == 6 else []))


def refused(expected: type[BaseException], function: Callable[..., object], *arguments: object) -> None:
    """Call it, and fail unless exactly that exception is raised."""
    raised = None
    try:
        function(*arguments)
    except Exception as error:
        raised = error
    assert type(raised) is expected, f"{function} {arguments}: {raised!r}, not {expected.__name__}"


# ---- arguments ----


def integers() -> None:
    """What is no integer, none of 64 bits, or out of range; and __index__, with all that it may do."""
    for x in (0, -1, 2**63 - 1, -(2**63), True, Number(lambda: -1)):
        assert nop(x) == int(x.convert() if isinstance(x, Number) else x)
    for n in (0, 1, 10, 15, 16, 20, Number(lambda: 20)):
        assert fib(n) == {0: 0, 1: 1, 10: 55, 15: 610, 16: 987}.get(n, 6765)
    for n in (-1, 93, 2**32 + 5, 2**63 - 1, -(2**63), Number(lambda: 93)):
        refused(ValueError, fib, n)
    for function in (nop, fib):
        for n in (BEYOND, -BEYOND, 2**63, -(2**63) - 1, Number(lambda: BEYOND)):
            refused(OverflowError, function, n)
        for n in (10.0, "10", b"10", None, 1j, Number(lambda: "10"), Number(lambda: 10.0)):
            refused(TypeError, function, n)
        refused(ZeroDivisionError, function, Number(unwilling))
        refused(TypeError, function)
        refused(TypeError, function, 1, 2)


def numbers_of_a_picture() -> None:
    """Each number of mandelbrot in turn; the counts stay as they were."""
    for fill in fills():
        counts = picture()
        good = [counts, *WINDOW, 9]
        for place in (1, 2, 3, 4):
            for value, expected in [
                (float("nan"), ValueError),
                (float("inf"), ValueError),
                (10**400, OverflowError),
                ("1", TypeError),
                (None, TypeError),
                (1j, TypeError),
                (Number(unwilling), ZeroDivisionError),
                (Number(lambda: "1"), TypeError),
            ]:
                refused(expected, fill, *good[:place], value, *good[place + 1 :])
        for value, expected in [
            (-1, ValueError),
            (2**31, ValueError),
            (BEYOND, OverflowError),
            (9.0, TypeError),
            (None, TypeError),
            (Number(unwilling), ZeroDivisionError),
        ]:
            refused(expected, fill, *good[:5], value)
            if value != 9.0:
                refused(expected, mandelbrot_threaded, *good, value)
        refused(ValueError, mandelbrot_threaded, *good, 0)
        refused(ValueError, mandelbrot_threaded, *good, 1025)
        refused(ValueError, fill, counts, -1e308, 1e308, 0.0, 1.0, 9)
        for given in range(6):
            refused(TypeError, mandelbrot, *good[:given])
            refused(TypeError, mandelbrot_threaded, *good[:given])
        refused(TypeError, mandelbrot, *good, 2)
        refused(TypeError, mandelbrot_threaded, *good)
        refused(TypeError, mandelbrot_threaded, *good, 2, 2)
        refused(TypeError, functools.partial(mandelbrot, counts=counts))
        assert not any(counts.tobytes())


def arguments_come_first() -> None:
    """A conversion may release the picture: that is seen, for it is acquired afterwards."""
    for fill, numbers in [(mandelbrot, (*WINDOW, 9)), (mandelbrot_threaded, (*WINDOW, 9, 2))]:
        for place, number in enumerate(numbers):
            owner = bytearray(48)
            counts = memoryview(owner).cast("i", (3, 4))

            def release(counts=counts, owner=owner, number=number):
                counts.release()  # a BufferError if the picture were held
                owner.clear()
                return number

            refused(ValueError, fill, counts, *numbers[:place], Number(release), *numbers[place + 1 :])
            assert not owner


# ---- buffers ----


def buffers_of_doubles() -> None:
    doubles = array.array("d", [0.1] * 10)
    nine = 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1
    for good in (doubles, memoryview(doubles).toreadonly(), (ctypes.c_double * 10)(*doubles)):
        assert total(good) == nine
    assert total(array.array("d")) == total(memoryview(bytearray(9))[1:1].cast("d")) == 0.0
    assert total(array.array("d", [1.0] * 5000)) == 5000.0  # detached
    released = memoryview(doubles)
    released.release()
    refused(ValueError, total, released)
    for bad in (
        *(None, 1.0, [1.0], b"12345678", array.array("f", [1.0]), array.array("q", [1])),
        memoryview(doubles)[::2],
        memoryview(doubles)[::-1],
        memoryview(bytearray(17))[1:].cast("d"),  # it starts at an odd address
        memoryview(doubles).cast("B").cast("d", (2, 5)),
        memoryview(bytearray(8)).cast("d", ()),
        (OTHER_ORDER * 1)(),
    ):
        refused(TypeError, total, bad)


def buffers_of_int32() -> None:
    for fill in fills():
        for shape in ((0, 5), (5, 0), (1, 1), (3, 4)):
            counts = (ctypes.c_int32 * shape[1] * shape[0])()
            assert fill(counts, *WINDOW, 9) is counts
            assert all(any(row) for row in counts if len(row))
        refused(BufferError, fill, picture().toreadonly(), *WINDOW, 9)
        refused(BufferError, fill, b"1234", *WINDOW, 9)
        released = picture()
        released.release()
        refused(ValueError, fill, released, *WINDOW, 9)
        owner = bytearray(96 + 1)
        for bad in (
            *(None, 5, "1234", bytearray(48), array.array("i", range(12))),
            picture()[::2],
            picture()[::-1],
            memoryview(owner)[:96].cast("q", (3, 4)),
            memoryview(owner)[:48].cast("f", (3, 4)),
            memoryview(owner)[:48].cast("I", (3, 4)),
            memoryview(owner)[:48].cast("i", (3, 2, 2)),
            memoryview(owner)[1:49].cast("i", (3, 4)),
        ):
            refused(TypeError, fill, bad, *WINDOW, 9)
        assert not any(owner)


def arrays() -> None:
    """NumPy's, where it is installed: it exports what memoryview cannot make."""
    with suppress(ImportError):
        import numpy

        assert total(numpy.ones(5)) == 5.0
        for bad in (
            numpy.ones(5, ">f8" if sys.byteorder == "little" else "<f8"),
            *(numpy.broadcast_to(1.0, 5), numpy.ones((2, 2)), numpy.ones(5, complex), numpy.array(1.0)),
        ):
            refused(TypeError, total, bad)
        for fill in fills():
            counts = numpy.zeros((3, 4), numpy.int32)
            assert fill(counts, *WINDOW, 9) is counts
            assert counts.all()
            for bad in (counts.T, counts[:, ::2], counts.astype(">i4"), counts.astype(numpy.int64)):
                refused(TypeError, fill, bad, *WINDOW, 9)
            counts.flags.writeable = False
            refused(ValueError, fill, counts, *WINDOW, 9)


class PyBuffer(ctypes.Structure):
    """What an exporter fills in; here with what is not true."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    ]


def forged(
    memory: ctypes.Array, format: bytes, itemsize: int, shape: tuple[int, ...], length: int
) -> memoryview:
    """A memoryview that says what it is told to."""
    sizes = ctypes.c_ssize_t * len(shape)
    strides = [itemsize] * len(shape)
    for k in range(len(shape) - 2, -1, -1):
        strides[k] = (strides[k + 1] * shape[k + 1] + 2**63) % 2**64 - 2**63
    view = PyBuffer(
        *(
            ctypes.addressof(memory),
            None,
            length,
            itemsize,
            0,
            len(shape),
            format,
            sizes(*shape),
            sizes(*strides),
        )
    )
    make = ctypes.pythonapi.PyMemoryView_FromBuffer
    make.restype, make.argtypes = ctypes.py_object, [ctypes.POINTER(PyBuffer)]
    return make(view)


def errors_say_why() -> None:
    """What was wanted, what came, and what is wrong with it."""
    try:
        total(array.array("f", [1.0]))
    except TypeError as error:
        said = str(error)
    wanted = "needs a C-contiguous 1-D buffer of doubles, not this array.array: its items are others (format 'f', 1-D)"
    assert said == wanted, said


def exporters_that_are_wrong() -> None:
    """Shapes whose product overflows, among others to just what the memory has."""
    memory = (ctypes.c_double * 8)()
    assert total(forged(memory, b"d", 8, (8,), 64)) == 0.0  # this is how it is done
    for shape, length in [((2**61 + 8,), 64), ((2**61,), 0), ((-1,), -8), ((9,), 64), ((2**60,), 64)]:
        refused(TypeError, total, forged(memory, b"d", 8, shape, length))
    for format in (b"", b"dd", b"@", b"=dd", b"1d"):
        refused(TypeError, total, forged(memory, format, 8, (8,), 64))
    refused(TypeError, total, forged(memory, b"d", 4, (8,), 32))
    for fill in fills():
        assert fill(forged(memory, b"i", 4, (4, 4), 64), *WINDOW, 9)
        for shape, length in [
            ((2**33, 2**33), 0),
            ((2**32 + 4, 2**30), 2**34),
            ((4, 5), 64),
            ((-4, -4), 64),
            ((0, -1), 0),
            ((2**62, 1), 0),
        ]:
            refused(TypeError, fill, forged(memory, b"i", 4, shape, length), *WINDOW, 9)


class Exporter:
    """A buffer in Python, which counts (from 3.12 on; until then it has none)."""

    def __init__(self, view: memoryview) -> None:
        self.view, self.held, self.flags = view, 0, []

    def __buffer__(self, flags):
        self.held += 1
        self.flags.append(flags)
        return memoryview(self.view)

    def __release_buffer__(self, view):
        self.held -= 1
        view.release()


def buffers_are_released() -> None:
    """As often as they are acquired, on every way out; and only those that are drawn into are asked for writing."""
    doubles = Exporter(memoryview(array.array("d", [1.0])))
    good, bad = Exporter(picture()), Exporter(memoryview(bytearray(48)))
    if sys.version_info >= (3, 12):
        assert total(doubles) == 1.0
        for fill in fills():
            assert fill(good, *WINDOW, 9) is good
            refused(ValueError, fill, good, *WINDOW, -1)
            refused(TypeError, fill, bad, *WINDOW, 9)
        refused(TypeError, total, bad)
        assert good.flags
        assert all(flags & 1 for flags in good.flags)  # PyBUF_WRITABLE
        assert not any(flags & 1 for flags in doubles.flags)
    for each in (doubles, good, bad):
        assert each.held == 0


def hostile() -> None:
    """All of the above."""
    integers()
    numbers_of_a_picture()
    arguments_come_first()
    buffers_of_doubles()
    buffers_of_int32()
    arrays()
    errors_say_why()
    exporters_that_are_wrong()
    buffers_are_released()


# ---- the hunt for leaks ----

owner = bytearray(48)
counts = memoryview(owner).cast("i", (3, 4))
ones = array.array("d", [1.0] * 2000)
big = 10**20


def good() -> None:
    """Calls that succeed. Numbers above 1024 are new objects each time."""
    for _ in range(20):
        nop(5000)
        nop(Number(lambda: int("5000")))
        fib(25)
        total(ones)
        mandelbrot(counts, *WINDOW, Number(lambda: int("5000")))
        mandelbrot_threaded(counts, *WINDOW, 50, 2)


def bad() -> None:
    """Calls that are refused."""
    for _ in range(5):
        for value in (counts, owner, ones, big, None, 93, Number(unwilling), memoryview(ones)[::2]):
            for function in (nop, fib, total):
                with suppress(TypeError, ValueError, OverflowError, ZeroDivisionError):
                    function(value)
        for given in [
            *((value, *WINDOW, 9) for value in (owner, ones, big, memoryview(bytes(48)).cast("i", (3, 4)))),
            *((counts, *WINDOW, value) for value in (-1, big, Number(unwilling), "9")),
            *((counts, value, *WINDOW[1:], 9) for value in (float("nan"), 10**400, Number(unwilling), "9")),
            (counts,),
        ]:
            for fill in fills():
                with suppress(TypeError, ValueError, OverflowError, BufferError, ZeroDivisionError):
                    fill(*given)


def hunt(work: str) -> None:
    """Print what leaks in the work of that name, a line each."""
    from _leaks import print_leaks

    watched = {
        "counts": counts,
        "their owner": owner,
        "ones": ones,
        "a number": big,
        "the module": kernels_extension,
    }
    print_leaks({"good": good, "bad": bad}[work], watched)


# ---- modules and interpreters ----

INSIDE = """
import array, kernels_extension as it
counts = memoryview(bytearray(48)).cast("i", (3, 4))
for _ in range(50):
    assert it.fib(20) == 6765
    assert it.total(array.array("d", [1.0] * 2000)) == 2000.0
    assert it.mandelbrot_threaded(counts, -2.0, 0.47, -1.12, 1.12, 50, 2).tolist() == {}
"""


def source() -> str:
    """What another interpreter runs, with the right counts."""
    return INSIDE.format(mandelbrot(counts, *WINDOW, 50).tolist())


def interpreters() -> None:
    """Four at once, with a GIL of their own from 3.12 on."""
    from _isolated import interpreter

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: interpreter()(source()), range(4)))
    exec(source(), {})


def executor() -> None:
    """The functions are sent by name (3.14)."""
    from concurrent.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor(2) as pool:
        assert list(pool.map(fib, [20, 21, 22])) == [6765, 10946, 17711]


def twice() -> None:
    """Import, forget, import again: another module, as right as the first, which goes when nobody holds it."""
    del sys.modules["kernels_extension"]
    import kernels_extension as second

    assert second is not kernels_extension
    assert second.fib is not fib
    exec(source(), {})
    gone = weakref.ref(second)
    del second, sys.modules["kernels_extension"]
    gc.collect()
    assert gone() is None, "the module is not collected"
    assert fib(20) == 6765


def without_the_gil() -> None:
    """Many threads, on an interpreter that has no GIL; the import did not turn it on."""
    barrier = threading.Barrier(8)

    def work(_: int) -> None:
        barrier.wait(60)
        exec(source(), {})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not sys._is_gil_enabled()


if __name__ == "__main__":
    call_named(globals())
