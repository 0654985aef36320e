"""Slow, obvious Python twins of the functions of `snek`: what the C is compared with."""

from collections.abc import Callable

WINDOW = {"xmin": -2.0, "xmax": 0.47, "ymin": -1.12, "ymax": 1.12}


def fib(n: int) -> int:
    """Return the n-th Fibonacci number."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def escape_count(cx: float, cy: float, max_iter: int) -> int:
    """Return the number of steps z -> z * z + c taken while |z| <= 2, at most max_iter; rounds after each operation."""
    x = y = 0.0
    n = 0
    while n < max_iter and x * x + y * y <= 4.0:
        x, y = x * x - y * y + cx, 2.0 * x * y + cy
        n += 1
    return n


def mandelbrot(
    height: int,
    width: int,
    *,
    xmin: float = WINDOW["xmin"],
    xmax: float = WINDOW["xmax"],
    ymin: float = WINDOW["ymin"],
    ymax: float = WINDOW["ymax"],
    max_iter: int = 1000,
    count: Callable[[float, float, int], int] = escape_count,
) -> list[list[int]]:
    """Return the counts as `height` lists of `width` integers."""
    return [
        [
            count(
                xmin + (xmax - xmin) * i / width,
                ymin + (ymax - ymin) * j / height,
                max_iter,
            )
            for i in range(width)
        ]
        for j in range(height)
    ]
