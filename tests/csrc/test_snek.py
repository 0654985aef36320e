"""The functions of `snek`: right results, right errors, and never a crash, whatever is passed.

Needs pytest and hypothesis only, so that it runs on any interpreter; with numpy, its arrays are tried too.
"""

import array
import ctypes
import doctest
import inspect
import itertools
import math
import mmap
import os
import pickle
import re
import sys
import threading
import time
import timeit
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import twins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import snek

try:
    import numpy as np
except ImportError:
    np = None

QUICK = bool(os.environ.get("SNEK_TESTS_QUICK"))
needs_numpy = pytest.mark.skipif(np is None, reason="needs numpy")
needs_python_buffers = pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")


def examples(number: int):
    """Return hypothesis settings: that many examples, or a tenth of them where each costs more."""
    return settings(
        max_examples=number // 10 if QUICK else number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )


def blank(height: int, width: int, fill: int = -7) -> memoryview:
    """Return a writable picture of shape (height, width)."""
    if height == 0 or width == 0:  # memoryview.cast refuses a shape with a zero
        return memoryview(
            (ctypes.c_int32 * width * height)()
        )  # ctypes makes one, and its format is "<i", the same type
    return memoryview(array.array("i", [fill]) * (height * width)).cast("B").cast("i", (height, width))


def test_the_build_under_test():
    """The sanitizer run puts another build in front of the installed one: it must be that one that was tested."""
    expected = os.environ.get("SNEK_EXPECT_FOLDER")
    if expected:
        assert Path(snek.__file__).is_relative_to(expected)


def test_public_names():
    assert set(snek.__all__) == {name for name in vars(snek) if not name.startswith("_")}
    for name in snek.__all__:
        function = getattr(snek, name)
        assert len(inspect.getdoc(function)) > 20
        assert inspect.signature(function) is not None
        assert pickle.loads(pickle.dumps(function)) is function


def test_the_example():
    done = doctest.testmod(snek)
    assert (done.failed, done.attempted) == (0, 6)


def test_stub_agrees_with_the_functions():
    """Name by name, parameter by parameter, default by default."""
    import ast

    stub = Path(snek.__file__).with_name("_snek.pyi").read_text(encoding="utf-8")
    functions = {node.name: node.args for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef)}
    assert set(functions) == {name for name in vars(snek._snek) if not name.startswith("_")}
    for name, stubbed in functions.items():
        real = inspect.signature(getattr(snek, name)).parameters.values()
        kinds = {"POSITIONAL_ONLY": [], "POSITIONAL_OR_KEYWORD": [], "KEYWORD_ONLY": []}
        for parameter in real:
            kinds[parameter.kind.name].append(parameter.name)
        assert kinds["POSITIONAL_ONLY"] == [argument.arg for argument in stubbed.posonlyargs]
        assert kinds["POSITIONAL_OR_KEYWORD"] == [argument.arg for argument in stubbed.args]
        assert kinds["KEYWORD_ONLY"] == [argument.arg for argument in stubbed.kwonlyargs]
        defaults = [parameter.default for parameter in real if parameter.default is not parameter.empty]
        assert defaults == [ast.literal_eval(default) for default in stubbed.kw_defaults]


# ---- nop and fib ----


@pytest.mark.parametrize("thing", [None, 1, 2**100, "x", [], object(), snek.nop], ids=repr)
def test_nop_returns_its_argument(thing):
    assert snek.nop(thing) is thing


def test_nop_takes_one_positional_argument():
    for args, kwargs in [((), {}), ((1, 2), {}), ((), {"x": 1})]:
        with pytest.raises(TypeError):
            snek.nop(*args, **kwargs)


class Index:
    """What has __index__ is an integer."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


@pytest.mark.parametrize("n", [*range(21), True, False, Index(19)], ids=str)
def test_fib_is_its_twin(n):
    assert snek.fib(n) == twins.fib(n.__index__())


def test_fib_of_a_tree_with_checkpoints():
    """From 25 on the tree is walked in subtrees; the values are those of the sum."""
    a, b = 0, 1
    for n in range(34):
        assert snek.fib(n) == a
        a, b = b, a + b


@pytest.mark.parametrize(
    "n",
    [-1, 93, 2**31, 2**63, -(2**63), 2**64, -(10**5000), Index(93)],
    ids=lambda n: str(n)[:9] if not isinstance(n, int) or abs(n) < 10**30 else "huge",
)
def test_fib_refuses_a_number_out_of_range(n):
    with pytest.raises(ValueError, match="n must be from 0 to 92, not"):
        snek.fib(n)


@pytest.mark.parametrize("n", [2**63, -(2**63) - 1])
def test_the_smallest_numbers_of_64_bits_are_not_called_longer(n):
    assert n.bit_length() == 64
    with pytest.raises(ValueError, match="number of more than 63 bits"):
        snek.fib(n)


@pytest.mark.parametrize("n", [None, 1.0, "1", b"1", 1j, [], Decimal(1), Fraction(1), math.nan], ids=repr)
def test_fib_refuses_what_is_no_integer(n):
    with pytest.raises(TypeError, match=f"n must be an integer, not .*{type(n).__name__}"):
        snek.fib(n)


def test_errors_of_a_conversion_arrive():
    with pytest.raises(ZeroDivisionError):
        snek.fib(Index(ZeroDivisionError()))
    # the words are CPython's: "returned non-int", and from 3.15 on "must return an int"
    with pytest.raises(TypeError, match=r"__index__.* (returned non-int|must return an int).* str"):
        snek.fib(Index("1"))


# ---- mandelbrot: the counts ----


def draw(height, width, **arguments):
    out = blank(height, width)
    assert snek.mandelbrot(out, **arguments) is out
    return out.tolist()


# A rounding error grows by a factor of 4 a step at most (|z -> z * z| doubles it, times |z| = 2). Before it has grown to what
# can decide, only points exactly on the circle |z| = 2 may be counted differently.
EXACT_BELOW = 18


def agree(kernel, counts, expected, exact_below=EXACT_BELOW):
    """The scalar kernel is exact. The others may differ on 0.05 % of the pixels, of one at least, after many steps."""
    if kernel == "scalar":
        assert counts == expected
    else:
        pairs = list(zip(itertools.chain(*counts), itertools.chain(*expected), strict=True))
        differing = [pair for pair in pairs if pair[0] != pair[1]]
        assert len(differing) <= max(1, 0.0005 * len(pairs))
        assert all(min(pair) >= exact_below for pair in differing)


SIZES = [(1, 1), (1, 2), (2, 1), (1, 17), (17, 1), (7, 13), (64, 64), (5, 511), (3, 513), (2, 1301), (700, 3)]


@pytest.mark.parametrize("kernel", snek.kernels())
@pytest.mark.parametrize("threads", [1, 2, 3, 0])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_mandelbrot_is_its_twin(size, threads, kernel):
    agree(
        kernel, draw(*size, max_iter=40, threads=threads, kernel=kernel), twins.mandelbrot(*size, max_iter=40)
    )


@pytest.mark.parametrize("kernel", snek.kernels())
@pytest.mark.parametrize("max_iter", [0, 1, 2, 3, 999, 32767, 32768, 32769, 70000])
def test_depths(max_iter, kernel):
    """Around the length of a slice too: a pixel inside of the set is computed in slices of 32768 steps."""
    window = {"xmin": -0.1, "xmax": 0.5, "ymin": -0.1, "ymax": 0.1}
    expected = twins.mandelbrot(2, 3, **window, max_iter=max_iter)
    agree(kernel, draw(2, 3, **window, max_iter=max_iter, kernel=kernel), expected)


@pytest.mark.parametrize("kernel", snek.kernels())
def test_greatest_depth_where_all_escape_at_once(kernel):
    assert draw(3, 5, xmin=3, xmax=4, max_iter=2**31 - 1, kernel=kernel) == [[1] * 5] * 3


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)], ids=str)
@pytest.mark.parametrize("threads", [0, 1, 2])
def test_an_empty_picture(shape, threads):
    out = blank(*shape)
    assert snek.mandelbrot(out, threads=threads) is out


def test_defaults():
    assert draw(20, 30) == twins.mandelbrot(20, 30, **twins.WINDOW, max_iter=1000)


coordinates = st.one_of(
    st.floats(-2.5, 2.5), st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3)
)


@pytest.mark.parametrize("kernel", snek.kernels())
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 40)),
    window=st.tuples(coordinates, coordinates, coordinates, coordinates),
    max_iter=st.integers(0, 60),
    threads=st.integers(0, 5),
)
@examples(300)
def test_any_window(kernel, size, window, max_iter, threads):
    """Mirrored, empty, enormous, denormal: the counts are the twin's, or the window is refused for its infinite width."""
    arguments = {
        "xmin": window[0],
        "xmax": window[1],
        "ymin": window[2],
        "ymax": window[3],
        "max_iter": max_iter,
    }
    xmin, xmax, ymin, ymax = map(float, window)
    if math.isinf(xmax - xmin) or math.isinf(ymax - ymin):
        with pytest.raises(ValueError, match="must be finite"):
            draw(*size, **arguments)
    else:
        agree(
            kernel,
            draw(*size, **arguments, threads=threads, kernel=kernel),
            twins.mandelbrot(*size, **arguments),
            exact_below=0,  # hypothesis finds points that come within one rounding of the circle
        )


@pytest.mark.parametrize("kernel", snek.kernels())
def test_a_point_that_hardly_moves_is_not_at_rest(kernel):
    """So near the tip of the set that the square of what it moves by is less than any double."""
    counts = draw(1, 1, xmin=-2, xmax=-2, ymin=1e-300, ymax=1e-300, kernel=kernel)
    assert counts[0][0] < 1000 == draw(1, 1, xmin=-2, xmax=-2, ymin=0, ymax=0, kernel=kernel)[0][0]


def test_a_small_picture_does_not_wait_for_the_choice_of_a_kernel():
    """The CPU is asked what it can do once, not at every call: in a virtual machine that takes longer than a small picture."""
    out = blank(1, 1)
    seconds = {
        kernel: min(timeit.repeat(lambda k=kernel: snek.mandelbrot(out, kernel=k), number=100, repeat=20))
        for kernel in ("scalar", "auto")
    }
    assert seconds["auto"] < 20 * seconds["scalar"]


# ---- mandelbrot: the arguments ----


def test_kernels():
    names = snek.kernels()
    assert isinstance(names, tuple)
    assert names[0] == "scalar"
    assert len(set(names)) == len(names)
    assert "auto" not in names


class Real:
    def __init__(self, value):
        self.value = value

    def __float__(self):
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def test_numbers_of_other_types():
    expected = twins.mandelbrot(3, 4, xmin=-2.0, xmax=1.0, ymin=-1.0, ymax=0.5, max_iter=20)
    arguments = {"xmin": -2, "xmax": True, "ymin": Index(-1), "ymax": Fraction(1, 2), "max_iter": Index(20)}
    assert draw(3, 4, **arguments) == expected
    arguments = {
        "xmin": Real(-2.0),
        "xmax": Decimal(1),
        "ymin": -1.0,
        "ymax": 0.5,
        "max_iter": 20,
        "threads": True,
    }
    assert draw(3, 4, **arguments) == expected


WRONG_TYPES = {
    "xmin": [None, "0", b"0", 1j, [], object()],
    "xmax": [None, "0"],
    "ymin": [None, "0"],
    "ymax": [None, "0"],
    "max_iter": [None, "5", 5.0, math.nan, Decimal(5), 1j],
    "threads": [None, "1", 1.0, math.inf],
    "kernel": [None, b"scalar", 0, ("scalar",)],
}
WRONG_VALUES = {
    "xmin": [math.nan, math.inf, -math.inf, 10**400, Index(-(10**400)), Real(math.nan)],
    "xmax": [math.nan, math.inf],
    "ymin": [math.nan, math.inf],
    "ymax": [math.nan, math.inf],
    "max_iter": [-1, 2**31, 2**63, 2**64, -(2**70), 10**5000],
    "threads": [-1, 1025, 2**31, 2**32, 2**64, -(2**64)],
    "kernel": ["", "Scalar", "scalar ", "scalar\0", "auto\0", "none", "\udc80", "é" * 10000],
}


def pairs(table):
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), pairs(WRONG_TYPES), ids=lambda value: repr(value)[:20])
def test_an_argument_of_a_wrong_type(name, value):
    with pytest.raises(TypeError, match=rf"^{name} must be an? .* not .*{type(value).__name__}"):
        draw(2, 2, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    pairs(WRONG_VALUES),
    ids=lambda value: value if isinstance(value, str) and len(value) < 9 else type(value).__name__,
)
def test_a_wrong_value(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must "):
        draw(2, 2, **{name: value})


def test_a_window_whose_width_is_infinite():
    with pytest.raises(ValueError, match="xmax - xmin and ymax - ymin must be finite"):
        draw(2, 2, xmin=-1.7e308, xmax=1.7e308)


@pytest.mark.parametrize("function", [Index, Real], ids=["index", "float"])
@pytest.mark.parametrize("error", [ZeroDivisionError, OSError, KeyboardInterrupt, MemoryError])
def test_errors_of_conversions_arrive(function, error):
    with pytest.raises(error):
        draw(2, 2, xmin=function(error()))


def test_how_arguments_are_passed():
    out = blank(2, 2)
    assert snek.mandelbrot(out=out) is out
    for args, kwargs, message in [
        ((), {}, "missing 1 required argument: 'out'"),
        ((out, 1), {}, r"takes at most 1 positional argument \(2 given\)"),
        ((out,), {"out": out}, "multiple values for argument 'out'"),
        ((out,), {"size": 3}, "unexpected keyword argument 'size'"),
        ((out,), {"é\udc80": 3}, "unexpected keyword argument"),
        ((), {"threads": 1}, "missing 1 required argument: 'out'"),
    ]:
        with pytest.raises(TypeError, match=message):
            snek.mandelbrot(*args, **kwargs)


def test_keywords_that_are_not_interned():
    name = "".join(["max", "_", "iter"])

    class Name(str):
        __slots__ = ()

    for key in (name, Name(name)):
        out = blank(1, 1)
        snek.mandelbrot(out, **{key: 0})
        assert out.tolist() == [[0]]


# ---- mandelbrot: the buffer ----


def of_mmap():
    return memoryview(mmap.mmap(-1, 24)).cast("i", (2, 3))


def of_ctypes():
    return (ctypes.c_int32 * 3 * 2)()


def of_numpy():
    return np.zeros((2, 3), np.int32)


def of_a_numpy_slice():
    return np.zeros((9, 3), np.int32)[4:6]


def of_one_row_of_a_strided_array():
    """Of shape (1, 3): no step is ever taken along the first dimension, so any stride will do."""
    return np.zeros((4, 3), np.int32)[::2][:1]


@pytest.mark.parametrize(
    "make",
    [
        of_mmap,
        of_ctypes,
        pytest.param(of_numpy, marks=needs_numpy),
        pytest.param(of_a_numpy_slice, marks=needs_numpy),
        pytest.param(of_one_row_of_a_strided_array, marks=needs_numpy),
    ],
)
def test_buffers_that_will_do(make):
    out = make()
    assert snek.mandelbrot(out, max_iter=30) is out
    view = memoryview(out)
    assert view.cast("B").cast("i", view.shape).tolist() == twins.mandelbrot(*view.shape, max_iter=30)


LITTLE = sys.byteorder == "little"


@pytest.mark.parametrize(
    ("format", "fits"),
    [
        *[(order + "i", True) for order in ("", "@", "=")],
        ("<i", LITTLE),
        (">i", not LITTLE),
        ("!i", not LITTLE),
        ("=l", True),
        ("<l", LITTLE),
        ("l", ctypes.sizeof(ctypes.c_long) == 4),
        *[(wrong, False) for wrong in ("I", "=I", "f", "4s", "L", "q", "h", "hh", "ii", "b", "?", "P", "4x")],
    ],
)
def test_formats(format, fits):
    testbuffer = pytest.importorskip("_testbuffer")
    import struct

    size = struct.calcsize(format)
    data = memoryview(bytes(6 * size)).cast("B")
    items = [struct.unpack_from(format, data, k * size) for k in range(6)]
    items = [item[0] if len(item) == 1 else item for item in items]
    out = testbuffer.ndarray(items, shape=[2, 3], format=format, flags=testbuffer.ND_WRITABLE)
    if fits:
        assert snek.mandelbrot(out, max_iter=30) is out
        assert out.tolist() == twins.mandelbrot(2, 3, max_iter=30)
    else:
        with pytest.raises(ValueError, match=re.escape(f"has format '{format}' of {size} bytes")):
            snek.mandelbrot(out)


def misaligned():
    """Starts one byte after a multiple of four."""
    block = (ctypes.c_char * 64)()
    start = 1 - ctypes.addressof(block) % 4 + 4
    return memoryview(block).cast("B")[start : start + 24].cast("i", (2, 3))


BAD_BUFFERS = [
    (lambda: memoryview(bytes(24)).cast("i", (2, 3)), BufferError, "this memoryview is not writable"),
    (lambda: b"123456781234567812345678", BufferError, "this bytes is not writable"),
    (lambda: memoryview(bytearray(24)).cast("I", (2, 3)), ValueError, "has format 'I' of 4 bytes"),
    (lambda: memoryview(bytearray(24)).cast("f", (2, 3)), ValueError, "has format 'f' of 4 bytes"),
    (lambda: memoryview(bytearray(48)).cast("q", (2, 3)), ValueError, "has format 'q' of 8 bytes"),
    (lambda: bytearray(24), ValueError, "this bytearray has 1 dimension$"),
    (lambda: array.array("i", [1]), ValueError, "this array.array has 1 dimension$"),
    (lambda: memoryview(bytearray(24)).cast("i", (1, 2, 3)), ValueError, "has 3 dimensions"),
    (lambda: memoryview(bytearray(4)).cast("i", ()), ValueError, "has 0 dimensions"),
    (misaligned, ValueError, "does not start at a multiple of 4 bytes"),
    (lambda: blank(4, 3)[::2], BufferError, r"of shape \(2, 3\) is not contiguous"),
    (lambda: blank(4, 3)[::-1], BufferError, r"of shape \(4, 3\) is not contiguous"),
    (lambda: 5, TypeError, "not int$"),
    (lambda: None, TypeError, "not NoneType$"),
    (lambda: [[1, 2], [3, 4]], TypeError, "not list$"),
    (lambda: "1234", TypeError, "not str$"),
    (lambda: memoryview, TypeError, "not type$"),
    (lambda: (ctypes.c_uint32 * 3 * 2)(), ValueError, "has format '<I' of 4 bytes"),
    (lambda: (ctypes.c_int32.__ctype_be__ * 3 * 2)(), ValueError, "has format '>i'"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD_BUFFERS, ids=range(len(BAD_BUFFERS)))
def test_buffers_that_will_not_do(make, error, message):
    """Each is refused by a sentence that says what was expected and what came."""
    with pytest.raises(error, match=message) as caught:
        snek.mandelbrot(make())
    assert "out must be a writable C-contiguous 2-D buffer of int32" in str(caught.value)


def test_a_released_view():
    out = blank(2, 3)
    out.release()
    with pytest.raises(ValueError, match="released memoryview"):
        snek.mandelbrot(out)


@needs_numpy
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: np.zeros((4, 6), np.int32)[:, ::2], BufferError),
        (lambda: np.zeros((4, 6), np.int32)[:, 1:3], BufferError),
        (lambda: np.zeros((4, 6), np.int32).T, BufferError),
        (lambda: np.zeros((4, 6), np.int32)[::-1], BufferError),
        (lambda: np.zeros((4, 6), np.int32)[:, ::-1], BufferError),
        (lambda: np.lib.stride_tricks.as_strided(np.zeros(9, np.int32), (4, 4), (4, 4)), BufferError),
        (
            lambda: np.lib.stride_tricks.as_strided(np.zeros(1, np.int32), (2**31, 2**31), (0, 0)),
            (BufferError, ValueError),
        ),
        (lambda: np.broadcast_to(np.zeros(3, np.int32), (4, 3)), BufferError),
        (lambda: np.frombuffer(bytes(24), np.int32).reshape(2, 3), BufferError),
        (lambda: np.frombuffer(bytearray(25), np.int32, offset=1).reshape(2, 3), ValueError),
        (lambda: np.zeros((2, 3), ">i4"), ValueError),
        (lambda: np.zeros((2, 3), np.uint32), ValueError),
        (lambda: np.zeros((2, 3), np.int64), ValueError),
        (lambda: np.zeros((2, 3)), ValueError),
        (lambda: np.zeros((2, 3), "i4,i4"), ValueError),
        (lambda: np.zeros((2, 3), object), ValueError),
        (lambda: np.zeros((2, 3), "M8[s]"), (ValueError, TypeError)),
        (lambda: np.int32(5), (ValueError, BufferError, TypeError)),
        (lambda: np.zeros((), np.int32), ValueError),
    ],
    ids=range(19),
)
def test_numpy_arrays_that_will_not_do(make, error):
    with pytest.raises(error):
        snek.mandelbrot(make())


def resizable():
    """A bytearray, and an int32 picture in it."""
    owner = bytearray(24)
    return owner, memoryview(owner).cast("i", (2, 3))


def test_the_buffer_is_let_go():
    """After success and after an error: a bytearray that is exported cannot be resized."""
    owner, out = resizable()
    snek.mandelbrot(out, max_iter=5)
    snek.mandelbrot(out, max_iter=5, threads=2)
    out.release()
    owner.append(1)
    owner = bytearray(24)
    with pytest.raises(ValueError, match="has 1 dimension"):
        snek.mandelbrot(owner)
    owner.append(1)


def test_the_buffer_cannot_be_taken_away_during_the_call():
    def attempt():
        out = memoryview(bytearray(64)).cast("B").cast("i", (4, 4))
        called, refused = threading.Event(), []

        def take_away():
            called.wait()
            time.sleep(0.05)
            try:
                out.release()
            except BufferError as error:
                refused.append(str(error))

        thread = threading.Thread(target=take_away)
        thread.start()
        called.set()
        inside = {"xmin": -0.1, "xmax": 0.1, "ymin": -0.1, "ymax": 0.1}  # every pixel takes all its steps
        snek.mandelbrot(out, **inside, max_iter=20_000_000, kernel="scalar")
        thread.join()
        if refused:
            out.release()  # nobody holds it any more
        return refused

    # On a machine that is busy the other thread may come too late.
    assert any("export" in refusal for _ in range(5) for refusal in attempt())


def test_a_conversion_that_takes_the_buffer_away():
    """Numbers are converted first: what __index__ does to the buffer, it does before anybody looks at it."""
    owner, out = resizable()

    class Evil:
        def __index__(self):
            out.release()
            owner.clear()
            return 5

        def __float__(self):
            return float(self.__index__())

    for name in ("max_iter", "threads", "xmin"):
        owner, out = resizable()
        with pytest.raises(ValueError, match="released memoryview"):
            snek.mandelbrot(out, **{name: Evil()})
        assert not owner


def test_a_conversion_that_calls_again():
    out = blank(3, 3)

    class Again:
        def __index__(self):
            snek.mandelbrot(out, max_iter=3, threads=2)
            return 20

    assert snek.mandelbrot(out, max_iter=Again()) is out
    assert out.tolist() == twins.mandelbrot(3, 3, max_iter=20)


@needs_python_buffers
def test_buffers_made_in_python():
    log = []

    class Exporter:
        def __init__(self, answer):
            self.answer = answer

        def __buffer__(self, flags):
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

        def __release_buffer__(self, view):
            log.append(view.shape)

    out = Exporter(blank(2, 3))
    assert snek.mandelbrot(out, max_iter=20) is out
    assert out.answer.tolist() == twins.mandelbrot(2, 3, max_iter=20)
    assert log == [(2, 3)]
    with pytest.raises(ValueError, match="this Exporter has 3 dimensions"):
        snek.mandelbrot(Exporter(memoryview(bytearray(24)).cast("i", (1, 2, 3))))
    assert log == [(2, 3), (1, 2, 3)]
    with pytest.raises(BufferError, match="this Exporter is not writable"):
        snek.mandelbrot(Exporter(memoryview(bytes(24)).cast("i", (2, 3))))
    for answer, error in [
        (5, TypeError),
        (None, TypeError),
        (KeyError(), KeyError),
        (ValueError("no"), ValueError),
    ]:
        with pytest.raises(error):
            snek.mandelbrot(Exporter(answer))


@needs_python_buffers
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_buffer_whose_release_fails():
    class Exporter:
        def __buffer__(self, flags):
            return blank(2, 3)

        def __release_buffer__(self, view):
            raise ZeroDivisionError

    out = Exporter()
    assert snek.mandelbrot(out, max_iter=20) is out


# ---- thousands of hostile calls ----

numbers = st.one_of(
    st.integers(-3, 70),
    st.integers(),
    st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400, True, 0]),
    st.floats(),
    st.floats(-2, 2),
    st.complex_numbers(),
    st.fractions(),
    st.decimals(),
    st.builds(Index, st.one_of(st.integers(-5, 50), st.integers(), st.just("x"), st.just(KeyError()))),
    st.builds(Real, st.one_of(st.floats(), st.just("x"), st.just(KeyError()))),
)
anything = st.one_of(numbers, st.none(), st.text(), st.binary(), st.lists(st.integers()), st.just(object()))
shapes = st.lists(st.integers(1, 6), max_size=4)


@st.composite
def buffers(draw):
    """Memoryviews of any format and up to four dimensions: sliced, reversed, read-only, released."""
    format = draw(st.sampled_from("iiiiiiIlLqQhHbBcfdnN?"))
    shape = draw(st.one_of(st.lists(st.integers(1, 6), min_size=2, max_size=2), shapes))
    size = math.prod(shape) * memoryview(b"").cast(format).itemsize
    offset = draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    block = bytearray(size + offset)
    data = block if draw(st.integers(0, 5)) else bytes(block)
    view = memoryview(data)[offset:].cast(format, shape)
    if shape and not draw(st.integers(0, 3)):
        view = view[
            draw(st.sampled_from([slice(None, None, -1), slice(1, None), slice(None, None, 2), slice(0, 0)]))
        ]
    if not draw(st.integers(0, 20)):
        view.release()
    return view


def hostile(name, kind):
    """The argument left out, of the right kind, or anything."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(kind, numbers, anything)})


@given(
    out=st.one_of(buffers(), buffers(), anything),
    window=st.fixed_dictionaries(
        {}, optional={name: st.one_of(st.floats(-2, 2), numbers) for name in twins.WINDOW}
    ),
    max_iter=st.one_of(
        st.integers(0, 50),
        st.integers(0, 50),
        anything.filter(lambda value: not isinstance(value, int) or value < 100),
    ),
    threads=st.fixed_dictionaries(
        {}, optional={"threads": st.one_of(st.integers(0, 9), st.integers(0, 9), anything)}
    ),
    kernel=st.fixed_dictionaries(
        {}, optional={"kernel": st.one_of(st.sampled_from([*snek.kernels(), "auto"]), anything)}
    ),
    more=st.dictionaries(st.text(max_size=3), anything, max_size=1),
)
@examples(3000)
def test_hostile_calls_of_mandelbrot(out, window, max_iter, threads, kernel, more):
    """Every call fills the picture, or raises what the documentation says."""
    try:
        result = snek.mandelbrot(out, **window, max_iter=max_iter, **threads, **kernel, **more)
    except (TypeError, ValueError, BufferError, KeyError):
        return
    assert result is out
    assert all(0 <= count <= 100 for row in out.tolist() for count in row)


@given(n=st.one_of(anything, st.integers(0, 20)).filter(lambda n: not isinstance(n, int) or not 30 < n <= 92))
@examples(1000)
def test_hostile_calls_of_fib(n):
    if isinstance(n, Index) and isinstance(n.value, int) and 30 < n.value <= 92:
        return
    try:
        result = snek.fib(n)
    except (TypeError, ValueError, KeyError):
        return
    assert result == twins.fib(n.__index__())


@given(args=st.lists(anything, max_size=3), kwargs=st.dictionaries(st.text(max_size=3), anything, max_size=2))
@examples(500)
def test_hostile_calls_of_the_rest(args, kwargs):
    for function, arguments in [(snek.nop, 1), (snek.kernels, 0)]:
        if len(args) == arguments and not kwargs:
            function(*args)
        else:
            with pytest.raises(TypeError):
                function(*args, **kwargs)
