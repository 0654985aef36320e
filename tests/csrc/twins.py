"""Slow, obvious Python twins of the functions of `snek`: what the C is compared with."""

import math
import re
from collections.abc import Callable
from fractions import Fraction

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


LINE = re.compile(rb"([^;\n]{1,100});(-?[0-9]?[0-9]\.[0-9])\r?")


class Malformed(ValueError):
    """A line that is none; its argument is the offset of its first byte."""


def tenths(data: bytes) -> dict[str, list[int]]:
    """Return {name: temperatures in tenths of a degree} of lines like "Hamburg;-12.3"."""
    found: dict[str, list[int]] = {}
    offset = 0
    lines = data.split(b"\n")
    for line in lines if lines[-1] else lines[:-1]:
        try:
            name, text = LINE.fullmatch(line).groups()
            found.setdefault(name.decode(), []).append(int(text.replace(b".", b"")))
        except (AttributeError, UnicodeDecodeError):
            raise Malformed(offset) from None
        offset += len(line) + 1
    return dict(sorted(found.items()))


def mean(total: int, count: int) -> float:
    """Return the mean of so many tenths, in degrees; halves are rounded towards positive infinity."""
    return math.floor(Fraction(total, count) + Fraction(1, 2)) / 10


def stations(data: bytes) -> dict[str, tuple[float, float, float, int]]:
    """Return {name: (min, mean, max, count)}, sorted."""
    return {
        name: (min(values) / 10, mean(sum(values), len(values)), max(values) / 10, len(values))
        for name, values in tenths(data).items()
    }


def stations_part(data: bytes) -> dict[str, tuple[int, int, int, int]]:
    """Return {name: (min, sum, max, count)}, sorted, in tenths of a degree."""
    return {
        name: (min(values), sum(values), max(values), len(values)) for name, values in tenths(data).items()
    }


def stations_merge(parts: list[dict[str, tuple[int, int, int, int]]]) -> dict[str, tuple]:
    """Return {name: (min, mean, max, count)}, sorted."""
    merged = {}
    for name in sorted({name for part in parts for name in part}):
        lows, totals, highs, counts = zip(*(part[name] for part in parts if name in part), strict=True)
        merged[name] = (min(lows) / 10, mean(sum(totals), sum(counts)), max(highs) / 10, sum(counts))
    return merged
