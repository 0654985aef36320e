"""Opens every door in a free-threaded Python, and calls through each from eight threads.

    python doors_without_gil.py FOLDER

A child of test_door_kernels.py. Prints a line for each door: whether the GIL is off, or why it does not open.
"""

import array
import importlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DOORS = Path(sys.argv[1])
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


if __name__ == "__main__":
    sys.path.insert(0, str(DOORS))
    for path in sorted(DOORS.glob("*_door.py")):
        print(f"{path.stem}: {open_and_call(path.stem)}")
