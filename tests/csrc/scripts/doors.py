"""Every door is opened and called through, by an interpreter that may not have the packages of the course."""

import array
import importlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _script import call_named

WINDOW = (-2.0, 0.47, -1.12, 1.12, 50)
CALLERS = 8


def draw(fill, *threads: int) -> list[int]:
    counts = memoryview(bytearray(4 * 12 * 16)).cast("i", (12, 16))
    fill(counts, *WINDOW, *threads)
    return counts.tolist()


def calls(kernels, expected: list[int]) -> None:
    """What one caller asks for, over and over."""
    doubles = array.array("d", [0.1] * 100)
    for n in range(100):
        assert kernels.nop(n) == n
        assert kernels.fib(18) == 2584
        if hasattr(kernels, "total"):
            assert kernels.total(doubles) == 9.99999999999998
        assert draw(kernels.mandelbrot) == expected
        if hasattr(kernels, "mandelbrot_threaded"):
            assert draw(kernels.mandelbrot_threaded, 3) == expected


def open_and_call(name: str) -> str:
    door = importlib.import_module(name)
    try:
        door.version()
        kernels = door.build(Path(tempfile.mkdtemp()))
    except (importlib.import_module("_build").Unavailable, ImportError) as missing:
        return str(missing)
    expected = draw(importlib.import_module("python_door").mandelbrot)
    if name == "python_door":  # pure Python takes too long for so many calls
        assert draw(kernels.mandelbrot) == expected
    else:
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(calls, [kernels] * CALLERS, [expected] * CALLERS))
    return f"GIL {'on' if sys._is_gil_enabled() else 'off'}"


def without_the_gil(folder: str) -> None:
    """Print a line for each door of a folder: whether the GIL is off after many calls, or why it does not open."""
    sys.path.insert(0, folder)
    for path in sorted(Path(folder).glob("*_door.py")):
        print(f"{path.stem}: {open_and_call(path.stem)}")


if __name__ == "__main__":
    call_named(globals())
