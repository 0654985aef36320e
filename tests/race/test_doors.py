"""The doors of csrc/doors: the same results through each, the errors they promise, the GIL as they state, and their race."""

from __future__ import annotations

import array
import ast
import importlib
import importlib.util
import itertools
import json
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from race import contract, entries, report, rounds
from race import task as tasks
from race.calls import _task as calls
from race.contract import BrokenContract, competitors

ROOT = Path(__file__).resolve().parents[2]
DOORS = ROOT / "csrc" / "doors"
NAMES = sorted(path.stem for path in DOORS.glob("*_door.py"))
KERNELS = {"nop", "fib", "total", "mandelbrot", "mandelbrot_threaded"}
# What a door does without; nothing else may be missing.
LACK = {"snek_door": {"total"}, "python_door": {"mandelbrot_threaded"}}
WINDOW = {"xmin": -2.0, "xmax": 0.47, "ymin": -1.12, "ymax": 1.12}
INT64 = [0, 1, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)]


@pytest.fixture(scope="module", autouse=True)
def beside_the_doors():
    """Doors find _build beside them, as in the process that hosts a competitor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOORS)
        yield


@pytest.fixture(scope="module", params=NAMES)
def door(request, tmp_path_factory):
    """A door that is built: its module and its kernels."""
    module = importlib.import_module(request.param)
    if any(importlib.util.find_spec(name) is None for name in module.REQUIRES):
        pytest.skip("a module that it requires is not installed")
    try:
        built = module.build(tmp_path_factory.mktemp(request.param))
    except importlib.import_module("_build").Unavailable as missing:
        pytest.skip(str(missing))
    return SimpleNamespace(key=request.param, module=module, kernels=built)


def kernel(door, name):
    """One of its kernels; skips where it lacks it."""
    if name in LACK.get(door.key, ()):
        pytest.skip(f"has no {name}")
    return getattr(door.kernels, name)


def fills(door) -> dict[str, Callable]:
    """What fills a picture: by one thread, and where the door can, by two."""
    found = {"mandelbrot": door.kernels.mandelbrot}
    if "mandelbrot_threaded" not in LACK.get(door.key, ()):
        found["mandelbrot_threaded"] = lambda *given: door.kernels.mandelbrot_threaded(*given, 2)
    return found


def grid(height: int, width: int) -> memoryview:
    return memoryview(bytearray(4 * height * width)).cast("i", (height, width))


def test_it_has_the_kernels_that_it_should(door):
    assert {name for name in KERNELS if hasattr(door.kernels, name)} == KERNELS - LACK.get(door.key, set())


def test_nop_hands_every_int64_back(door):
    assert [kernel(door, "nop")(x) for x in INT64] == INT64


def test_fib(door):
    known = [0, 1]
    while len(known) < 25:
        known.append(known[-1] + known[-2])
    assert [kernel(door, "fib")(n) for n in range(25)] == known


@pytest.mark.parametrize("n", [-1, 93, 2**31, 2**63 - 1, -(2**63)])
def test_fib_out_of_range_raises(door, n):
    with pytest.raises(ValueError, match=r"range|finite|max_iter|nan|inf|0 to 92|between"):
        kernel(door, "fib")(n)


@pytest.mark.parametrize("n", [2**63, 2**64 + 10, -(2**64)])
def test_an_integer_beyond_64_bits_raises_but_where_the_door_says_so(door, n):
    if door.key == "ctypes_door":
        assert "modulo 2**64" in door.module.__doc__
        assert door.kernels.nop(n) == (n + 2**63) % 2**64 - 2**63
        assert door.kernels.fib(2**64 + 10) == 55
        return
    with pytest.raises((ValueError, OverflowError)):
        kernel(door, "fib")(n)


@pytest.mark.parametrize("n", ["10", 10.0, None, b"10"])
def test_what_is_no_integer_raises(door, n):
    expected = TypeError
    if door.key == "ctypes_door":
        import ctypes

        assert "ArgumentError" in door.module.__doc__
        expected = ctypes.ArgumentError
    with pytest.raises(expected):
        kernel(door, "fib")(n)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], 0.0), ([0.5], 0.5), ([1e16, 1.0, -1e16], 0.0), ([0.1] * 10, 0.9999999999999999), ([1e308, 1e308], float("inf"))],
)  # fmt: skip
def test_total_adds_from_the_first_to_the_last_and_rounds_each_time(door, values, expected):
    assert kernel(door, "total")(array.array("d", values)) == expected


@pytest.mark.parametrize(
    "values",
    [None, [1.0], 1.0, b"12345678", array.array("f", [1.0]), array.array("q", [1]), memoryview(array.array("d", range(8)))[::2]],
    ids=["None", "list", "float", "bytes", "f", "q", "strided"],
)  # fmt: skip
def test_total_takes_nothing_but_doubles_side_by_side(door, values):
    with pytest.raises(TypeError):
        kernel(door, "total")(values)


def test_total_takes_what_is_read_only_but_where_the_door_says_so(door):
    values = memoryview(array.array("d", [0.5, 1.5])).toreadonly()
    if door.key == "ctypes_door":
        assert "total refuses what is read-only" in door.module.__doc__
        with pytest.raises(TypeError):
            door.kernels.total(values)
        return
    assert kernel(door, "total")(values) == 2.0


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (24, 32)])
@pytest.mark.parametrize("max_iter", [0, 1, 2, 60])
def test_the_picture_is_the_reference(door, shape, max_iter):
    import numpy

    import snek

    reference = snek.mandelbrot(numpy.empty(shape, numpy.int32), max_iter=max_iter, kernel="scalar", **WINDOW)
    counts = grid(*shape)
    assert kernel(door, "mandelbrot")(counts, *WINDOW.values(), max_iter) is counts
    # A compiler may fuse a multiplication and an addition, which rounds once instead of twice.
    assert (numpy.asarray(counts) != reference).sum() <= reference.size * 0.0005


@pytest.mark.parametrize(
    "wrong",
    [{"max_iter": -1}, {"max_iter": 2**31}, {"xmin": float("nan")}, {"xmax": float("inf")}, {"ymin": -1e308, "ymax": 1e308}],
    ids=str,
)  # fmt: skip
def test_a_picture_of_no_window_raises_and_stays(door, wrong):
    for fill in fills(door).values():
        counts = grid(3, 4)
        with pytest.raises(ValueError, match=r"range|finite|max_iter|nan|inf|0 to 92|between"):
            fill(counts, *{**WINDOW, "max_iter": 9, **wrong}.values())
        assert not any(counts.tobytes())


@pytest.mark.parametrize(
    "counts",
    [grid(3, 4).toreadonly(), bytearray(48), memoryview(bytearray(96)).cast("q", (3, 4)), memoryview(bytearray(48)).cast("i")],
    ids=["read-only", "bytes", "int64", "one dimension"],
)  # fmt: skip
def test_a_picture_goes_into_nothing_but_int32_in_rows(door, counts):
    for fill in fills(door).values():
        with pytest.raises((TypeError, ValueError, BufferError)):
            fill(counts, *WINDOW.values(), 9)
        assert not any(memoryview(counts).tobytes())


def test_a_picture_does_not_go_into_none(door):
    for fill in fills(door).values():
        with pytest.raises(TypeError):
            fill(None, *WINDOW.values(), 9)


@pytest.mark.parametrize("threads", [1, 2, 3, 64, 1024])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (24, 32)])
def test_threads_draw_what_one_draws(door, shape, threads):
    run, window = kernel(door, "mandelbrot_threaded"), (*WINDOW.values(), 60)
    counts, alone = grid(*shape), door.kernels.mandelbrot(grid(*shape), *window)
    assert run(counts, *window, threads) is counts
    assert counts == alone


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**32 + 1, 2**63 - 1])
def test_no_such_number_of_threads_raises(door, threads):
    run, counts = kernel(door, "mandelbrot_threaded"), grid(3, 4)
    with pytest.raises(ValueError, match=r"range|from"):
        run(counts, *WINDOW.values(), 9, threads)
    assert not any(counts.tobytes())


@pytest.mark.parametrize("number", [10.7, 10.0, "10", None])
def test_a_number_of_threads_or_steps_that_is_no_integer_raises(door, number):
    import ctypes

    for name, fill in fills(door).items():
        given = [(number,)] if name == "mandelbrot" else [(number,), (9, number)]
        for last in given:
            run = fill if len(last) == 1 else kernel(door, name)
            counts = grid(3, 4)
            with pytest.raises((TypeError, ctypes.ArgumentError)):
                run(counts, *WINDOW.values(), *last)
            assert not any(counts.tobytes())


def test_several_threads_of_python_draw_at_once(door):
    run, window = kernel(door, "mandelbrot_threaded"), (*WINDOW.values(), 60)
    alone = door.kernels.mandelbrot(grid(24, 32), *window)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: run(grid(24, 32), *window, 3), range(16)))
    assert all(counts == alone for counts in drawn)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_a_picture_without_pixels_is_drawn(door, shape):
    import numpy

    for fill in fills(door).values():
        counts = numpy.empty(shape, numpy.int32)
        assert fill(counts, *WINDOW.values(), 9) is counts


# --- the GIL --------------------------------------------------------------------------------------------------------------


def moved(work, until: bool) -> bool:
    """Did another thread run during a call of `work`? Asks again, up to 50 times, while the answer is not `until`.

    The interpreter is told to switch threads after 1000 seconds, so the other one runs when the call gives up the GIL, and only
    then.
    """
    ticks, done = itertools.count(), threading.Event()
    seen = [0]

    def count():
        while not done.is_set():
            seen[0] = next(ticks)
            time.sleep(0)

    interval = sys.getswitchinterval()
    other = threading.Thread(target=count)
    other.start()
    sys.setswitchinterval(1000)
    try:
        for _ in range(50 if until else 5):
            before = seen[0]
            work()
            if seen[0] != before:
                return True
        return False
    finally:
        sys.setswitchinterval(interval)
        done.set()
        other.join()


@pytest.mark.skipif(bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="has no GIL")
@pytest.mark.parametrize("name", sorted(KERNELS - {"nop"}))
def test_the_gil_is_released_as_the_door_states(door, name):
    run, released = kernel(door, name), name in door.module.RELEASES
    # A millisecond in C each: long enough that the other thread wakes up within one of a few calls.
    doubles, counts = array.array("d", bytes(8 * 1_000_000)), grid(64, 64)
    work = {
        "fib": lambda: run(30),
        "total": lambda: run(doubles),
        "mandelbrot": lambda: run(counts, *WINDOW.values(), 500),
        "mandelbrot_threaded": lambda: run(counts, *WINDOW.values(), 1000, 2),
    }
    assert moved(work[name], until=released) == released


# --- the contract and the race --------------------------------------------------------------------------------------------


def test_the_race_finds_every_door():
    found = {each.key for each in competitors("calls")}
    assert found == {*NAMES, "empty_loop"}
    assert set(NAMES) >= {
        f"{name}_door" for name in ("python", "ctypes", "cffi", "cffi_abi", "cython", "extension", "snek")
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_door_states_which_kernels_release_the_gil(name):
    tree = ast.parse((DOORS / f"{name}.py").read_text(encoding="utf-8"))
    (stated,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "RELEASES"
    ]
    assert set(stated) <= KERNELS - LACK.get(name, set())
    assert "mandelbrot_threaded" in {*stated, *LACK.get(name, ())}


@pytest.fixture
def copied(tmp_path):
    """The folder of the races in a copy of the tree."""
    shutil.copytree(
        ROOT / "csrc", tmp_path / "csrc", ignore=shutil.ignore_patterns("build", "*.so", "__pycache__")
    )
    shutil.copytree(ROOT / "notebooks/race/calls", tmp_path / "notebooks/race/calls")
    return tmp_path / "notebooks" / "race"


@pytest.mark.parametrize("changed", ["doors/kernels.c", "doors/kernels.h", "doors/_build.py", "kernels/pool.c", "kernels/checkpoint.h"])  # fmt: skip
def test_what_a_door_is_compiled_from_is_in_its_digest_and_not_in_its_lines(copied, changed):
    before = {each.key: each for each in competitors("calls", copied)}
    assert before["ctypes_door"].lines < 60
    digests = {key: each.digest for key, each in before.items()}
    lines = {key: each.lines for key, each in before.items()}
    path = copied.parents[1] / "csrc" / changed
    path.write_text(path.read_text(encoding="utf-8") + "\n\n\n", encoding="utf-8")
    after = {each.key: each for each in competitors("calls", copied)}
    assert {key for key in after if after[key].digest != digests[key]} == set(NAMES)
    assert {key: each.lines for key, each in after.items()} == lines


def test_a_door_without_build_is_named(copied):
    path = copied.parents[1] / "csrc/doors/ctypes_door.py"
    path.write_text(path.read_text(encoding="utf-8").replace("def build(", "def prepare("), encoding="utf-8")
    with pytest.raises(BrokenContract, match="no function build"):
        competitors("calls", copied)


def job(slug: str) -> tasks.Task:
    return next(each for each in calls.tasks(quick=True) if each.slug == slug)


@pytest.mark.parametrize("name", ["ctypes_door", "cffi_abi_door"])
def test_a_kernel_outlives_its_door(name, tmp_path):
    """A library may be closed when its object goes, and then there is nothing to call. In a child: it would crash."""
    code = (
        "import gc, pathlib, sys; sys.path.insert(0, sys.argv[1]); import importlib; "
        "nop = importlib.import_module(sys.argv[2]).build(pathlib.Path(sys.argv[3])).nop; gc.collect(); print(nop(5))"
    )
    done = subprocess.run([sys.executable, "-c", code, DOORS, name, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_a_door_that_lacks_a_kernel_is_skipped_with_the_reason_and_the_columns_without_content_go():
    chosen = entries.find("calls", only=["python_door"])  # and ours, and the ceiling
    outcome = rounds.race(job("calls-total"), chosen, budget=0.1)
    assert not outcome.failed
    assert [str(each) for each in outcome.skipped] == ["extension (ours), 1 thread: has no total"]
    assert [each.entry.competitor.key for each in outcome.runners] == ["python_door"]
    text = str(report.table(outcome))
    assert "to ours" not in text
    assert "ceiling" not in text
    assert report.figure(outcome).png
    assert report.records(outcome)[0]["of_ceiling"] == ""


def test_many_calls_have_a_ceiling_and_the_time_of_one():
    outcome = rounds.race(job("calls-nop"), entries.find("calls", only=["python_door"]), budget=0.1)
    assert not outcome.failed + outcome.skipped
    header = next(line for line in str(report.table(outcome)).splitlines() if "to ours" in line)
    assert "a call" in header
    assert "ceiling" in header
    assert all(0 < outcome.of_ceiling(each) < 2 for each in outcome.runners)


@pytest.mark.parametrize("found", [[["fib", [2583]]], [["nop", [2584]]], [["fib", [2584, 0]]], []])
def test_a_wrong_number_is_caught(tmp_path, found):
    path = tmp_path / "result"
    check = job("calls-fib").check
    path.write_text(json.dumps([["fib", [2584]]]), encoding="utf-8")
    check(path, [1])
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(tasks.WrongResult):
        check(path, [1])


def test_what_is_missing_on_a_machine_is_named(tmp_path, monkeypatch):
    build = importlib.import_module("_build")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(build.Unavailable, match=r"Python\.h"):
        build.extension_path(tmp_path, "any")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    for ask in (
        lambda: build.library(tmp_path),
        lambda: build.extension_path(tmp_path, "any"),
        build.compiler_version,
    ):
        with pytest.raises(build.Unavailable, match="no C compiler"):
            ask()


@pytest.mark.parametrize("name", ["cffi_door", "cffi_abi_door"])
def test_cffi_says_which_python_it_refuses(name, tmp_path, monkeypatch):
    """A free-threaded 3.13, on which it can't be installed."""
    door, build = importlib.import_module(name), importlib.import_module("_build")
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: int(name == "Py_GIL_DISABLED"))
    monkeypatch.setattr(sys, "version_info", (3, 13, 9))
    for ask in (door.version, lambda: door.build(tmp_path)):
        with pytest.raises(build.Unavailable, match=r"cffi .* free-threaded"):
            ask()


@pytest.mark.parametrize(
    ("lacks", "cure"), [(("cffi",), "./build.sh setup"), (("cffi", "numba"), "./build.sh setup --peers")]
)
def test_what_plain_setup_brings_is_not_asked_of_the_peers(monkeypatch, lacks, cure):
    competitor = contract.replace(contract.read(DOORS / "cffi_door.py"), requires=lacks)
    monkeypatch.setattr(entries, "candidates", lambda: ["python"])
    monkeypatch.setattr(entries, "ask", lambda path, modules: ("CPython", (3, 14, 0), []))
    assert entries.host_of(competitor, lacks).cure == cure
