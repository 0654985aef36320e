"""What an interpreter with a GIL of its own imports. The picture is handed in: it need not be computed in each of them."""

import array

import snek

LINES = b"a;1.0\nb;2.5\na;-1.0\n" * 50_000
TABLE = {"a": (-1.0, 0.0, 1.0, 100_000), "b": (2.5, 2.5, 2.5, 50_000)}


def check(right: bytes, kernels: tuple[str, ...]) -> None:
    """Call everything in `snek`; the caller knows the picture, and the kernels that this machine has."""
    out = memoryview(array.array("i", bytes(4 * 40 * 50))).cast("B").cast("i", (40, 50))
    for threads in (1, 2, 3, 0):
        assert snek.mandelbrot(out, max_iter=60, threads=threads) is out
        assert out.tobytes() == right
    assert snek.fib(25) == 75025
    assert snek.stations(LINES) == TABLE
    assert snek.kernels() == kernels
