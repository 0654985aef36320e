"""csrc/doors/kernels.h: what every door wraps, called by ctypes and held against Python."""

from __future__ import annotations

import ctypes
import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import cffi
import pytest
from builds import DRIVERS, WARNINGS, command, compiler
from children import SCRIPTS
from test_other_interpreters import environment as interpreter
from test_pool import ADDRESS, THREAD, run, sanitized_program

import environment

ROOT = Path(__file__).resolve().parents[2]
DOORS = ROOT / "csrc" / "doors"
KERNELS = ROOT / "csrc" / "kernels"
SOURCES = [
    DOORS / "kernels.c",
    *(KERNELS / f"{name}.c" for name in ("fib", "mandelbrot_scalar", "pool", "cpus")),
]
WINDOW = (-2.0, 0.47, -1.12, 1.12)
OUT_OF_RANGE = -1
UNTOUCHED = -7


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels as a shared library, which shows what kernels.h declares."""
    path = tmp_path_factory.mktemp("doors") / "libkernels.so"
    options = ["-fPIC", "-shared", "-pthread", "-fvisibility=hidden"]
    command = [compiler(), *WARNINGS, "-Werror", *options, "-o", path, *SOURCES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def kernels(library: Path) -> ctypes.CDLL:
    """The same, with its types declared."""
    loaded = ctypes.CDLL(str(library))
    integer, real = ctypes.c_int64, ctypes.c_double
    picture = [ctypes.c_void_p, integer, integer, real, real, real, real, integer]
    for name, result, arguments in (
        ("door_nop", integer, [integer]),
        ("door_fib", integer, [integer]),
        ("door_total", real, [ctypes.c_void_p, integer]),
        ("door_mandelbrot", ctypes.c_int32, picture),
        ("door_mandelbrot_threaded", ctypes.c_int32, [*picture, integer]),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def declarations() -> str:
    """kernels.h without its `#include`: cdef reads comments itself, but no directive."""
    lines = (DOORS / "kernels.h").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("#")] == ["#include <stdint.h>"]
    return "\n".join(line for line in lines if not line.startswith("#"))


def test_cffi_reads_the_header_and_finds_all_of_it_in_the_library(library: Path) -> None:
    ffi = cffi.FFI()
    ffi.cdef(declarations())
    opened = ffi.dlopen(str(library))
    declared = re.findall(r"^(?:int64_t|int32_t|double) (\w+)\(", declarations(), re.MULTILINE)
    assert len(declared) == 5
    assert all(getattr(opened, name) for name in declared)
    assert opened.door_nop(-5) == -5


def test_the_library_shows_nothing_else(library: Path) -> None:
    for name in ("fib", "mandelbrot_fill", "pool_run"):
        assert not hasattr(ctypes.CDLL(str(library)), name)


@pytest.mark.parametrize("x", [0, 1, -1, 2**31, 2**63 - 1, -(2**63)])
def test_nop(kernels: ctypes.CDLL, x: int) -> None:
    assert kernels.door_nop(x) == x


def test_fib(kernels: ctypes.CDLL) -> None:
    a, b = 0, 1
    for n in range(25):
        assert kernels.door_fib(n) == a
        a, b = b, a + b
    for n in (-1, 93, 2**32, 2**32 + 5, 2**63 - 1, -(2**63)):  # those of 2**32 would fit after a cast to int
        assert kernels.door_fib(n) == OUT_OF_RANGE


def test_total_adds_from_the_first_to_the_last(kernels: ctypes.CDLL) -> None:
    values = [0.1 * k for k in range(1000)] + [1e16, 1.0, -1e16]
    expected = 0.0
    for value in values:  # sum() compensates for the roundings, from Python 3.12 on
        expected += value
    assert expected != math.fsum(values)
    assert kernels.door_total((ctypes.c_double * len(values))(*values), len(values)) == expected
    for count in (0, -1, -(2**63)):
        assert kernels.door_total(None, count) == 0.0


def escape_count(cx: float, cy: float, max_iter: int) -> int:
    x = y = 0.0
    n = 0
    while n < max_iter and x * x + y * y <= 4.0:
        x, y = x * x - y * y + cx, 2.0 * x * y + cy
        n += 1
    return n


def expected(height: int, width: int, max_iter: int) -> list[int]:
    xmin, xmax, ymin, ymax = WINDOW
    return [
        escape_count(xmin + (xmax - xmin) * i / width, ymin + (ymax - ymin) * j / height, max_iter)
        for j in range(height)
        for i in range(width)
    ]


def fills(kernels: ctypes.CDLL) -> list[Callable[..., int]]:
    """Everything that fills a picture: on the calling thread, and by one, two and more threads than there are rows."""

    def threaded(threads: int) -> Callable[..., int]:
        return lambda *picture: kernels.door_mandelbrot_threaded(*picture, threads)

    return [kernels.door_mandelbrot, *(threaded(threads) for threads in (1, 2, 64))]


@pytest.mark.parametrize("shape", [(23, 37), (1, 1), (1, 60), (60, 1), (0, 5), (5, 0)])
def test_mandelbrot(kernels: ctypes.CDLL, shape: tuple[int, int]) -> None:
    height, width = shape
    for fill in fills(kernels):
        counts = (ctypes.c_int32 * (height * width + 2))(*[UNTOUCHED] * (height * width + 2))
        assert fill(ctypes.addressof(counts) + 4, height, width, *WINDOW, 50) == 0
        assert list(counts) == [UNTOUCHED, *expected(height, width, 50), UNTOUCHED]


HOSTILE = {
    "height < 0": {"height": -1},
    "width < 0": {"width": -1},
    "more than memory": {"height": 2**32, "width": 2**31},
    "overflows to little": {"height": 2**33, "width": 2**33},
    "a width alone": {"height": 1, "width": 2**63 - 1},
    "a width of no rows": {"height": 0, "width": 2**63 - 1},
    "nan": {"xmin": math.nan},
    "infinite": {"ymax": math.inf},
    "infinitely wide": {"xmin": -1e308, "xmax": 1e308},
    "infinitely high": {"ymin": -1e308, "ymax": 1e308},
    "max_iter < 0": {"max_iter": -1},
    "max_iter beyond int32": {"max_iter": 2**31},
}


@pytest.mark.parametrize("wrong", HOSTILE.values(), ids=HOSTILE)
def test_what_is_out_of_range_is_refused_and_nothing_written(
    kernels: ctypes.CDLL, wrong: dict[str, float]
) -> None:
    names = ("height", "width", "xmin", "xmax", "ymin", "ymax", "max_iter")
    given = {**dict(zip(names, (2, 2, *WINDOW, 5), strict=True)), **wrong}
    for fill in fills(kernels):
        counts = (ctypes.c_int32 * 4)(*[UNTOUCHED] * 4)
        assert fill(counts, *given.values()) == OUT_OF_RANGE
        assert list(counts) == [UNTOUCHED] * 4


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**32 + 1, 2**63 - 1])
def test_no_such_number_of_threads(kernels: ctypes.CDLL, threads: int) -> None:
    counts = (ctypes.c_int32 * 4)(*[UNTOUCHED] * 4)
    assert kernels.door_mandelbrot_threaded(counts, 2, 2, *WINDOW, 5, threads) == OUT_OF_RANGE
    assert list(counts) == [UNTOUCHED] * 4


@pytest.mark.parametrize("sanitizer", [ADDRESS, THREAD], ids=["address", "thread"])
def test_under_sanitizers(sanitizer: list[str]) -> None:
    name = "doors-address" if sanitizer is ADDRESS else "doors-thread"
    program = sanitized_program(name, [DRIVERS / "door_driver.c", *SOURCES], sanitizer, compiler())
    assert run(program, TSAN_OPTIONS="halt_on_error=1", ASAN_OPTIONS="detect_leaks=1") == (0, "ok\n")


# What the driver is for: each of these defects must be found, and by what is named.
DEFECTS = {
    "a row too many": (
        ADDRESS,
        "heap-buffer-overflow",
        "self->row, self->row + 1, 0,",
        "self->row, self->row + 2, 0,",
    ),
    "a product that overflows": (
        ADDRESS,
        "signed integer overflow",
        "width <= most / height)",
        "height * width <= most)",
    ),
    "a sum that begins one early": (ADDRESS, "heap-buffer-overflow", "values[i]", "values[i - 1]"),
    "max_iter cut to 32 bits": (
        ADDRESS,
        "max_iter beyond int32",
        " && max_iter <= INT32_MAX",
        "",
    ),
    "one row for all threads": (
        THREAD,
        "data race",
        "one_row row = {{row_next}, (ptrdiff_t)chunk, picture->width, false};",
        "static one_row row;\n    row = (one_row){{row_next}, (ptrdiff_t)chunk, picture->width, false};",
    ),
}


@pytest.mark.mutant
@pytest.mark.parametrize("defect", DEFECTS)
def test_sanitizers_find_a_planted_defect(defect: str) -> None:
    sanitizer, complaint, good, bad = DEFECTS[defect]
    program = sanitized_program(
        f"doors-defect{list(DEFECTS).index(defect)}",
        [DRIVERS / "door_driver.c", *SOURCES],
        sanitizer,
        compiler(),
        {"doors/kernels.c": {good: bad}},
    )
    status, output = run(program, TSAN_OPTIONS="halt_on_error=1")
    assert status != 0
    assert complaint in output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python3.13t", "python3.14t"])
def test_no_door_turns_the_gil_on(name: str) -> None:
    """Eight threads, which run at the same time, call through each. cffi is asked for its refusal only."""
    child = [interpreter(name), "-W", "error", SCRIPTS / "doors.py", "without_the_gil", DOORS]
    output = command(*child, env={"PYTHONPATH": ""})
    said = dict(line.split(": ", 1) for line in output.splitlines())
    refused = {said.pop("cffi_door"), said.pop("cffi_abi_door")}
    assert name != "python3.13t" or refused == {"cffi does not support free-threaded Python before 3.14"}
    assert set(said) >= {"ctypes_door", "cython_door", "extension_door", "python_door", "snek_door"}
    assert set(said.values()) == {"GIL off"}


def test_a_change_of_a_door_does_not_compile_the_package_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csrc = tmp_path / "csrc"
    for name in ("pyproject.toml", "kernels/fib.c", "doors/kernels.c"):
        (csrc / name).parent.mkdir(parents=True, exist_ok=True)
        (csrc / name).write_text("before", encoding="utf-8")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "CSRC", csrc)
    before = environment.csrc_digest()
    (csrc / "doors/kernels.c").write_text("after", encoding="utf-8")
    (csrc / "doors/built.txt").write_text("", encoding="utf-8")
    assert environment.csrc_digest() == before
    (csrc / "kernels/fib.c").write_text("after", encoding="utf-8")
    assert environment.csrc_digest() != before
