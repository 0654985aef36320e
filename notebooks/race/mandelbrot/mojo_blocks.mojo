"""Mandelbrot with explicit SIMD: tiles of 8 x 4 points, tested once in a block of steps.

STEPS steps are taken without a test. A point that is outside the circle |z| = 2 stays outside, so if the same points are
inside afterwards, none has left and the steps count for all of them. If not, they are taken again and counted one by one.
"""

from std.math import iota

comptime ACROSS = 8
comptime DOWN = 4
comptime STEPS = 8

comptime Reals = SIMD[DType.float64, ACROSS * DOWN]
comptime Counts = SIMD[DType.int64, ACROSS * DOWN]


@always_inline
def count_step(mut x: Reals, mut y: Reals, mut n: Counts, cx: Reals, cy: Reals):
    var yy = y * y
    n = x.fma(x, yy).le(4).select(n + 1, n)
    y = x.fma(y + y, cy)
    x = x.fma(x, cx - yy)


@always_inline
def escape_counts(cx: Reals, cy: Reals, max_iter: Int) -> Counts:
    var x = Reals(0)
    var y = Reals(0)
    var n = Counts(0)
    var left = max_iter
    if left >= STEPS:  # many points leave early: the first block is counted at once
        left -= STEPS
        comptime for _ in range(STEPS):
            count_step(x, y, n, cx, cy)
    var inside = x.fma(x, y * y).le(4)
    while left >= STEPS and any(inside):
        var start_x = x
        var start_y = y
        comptime for _ in range(STEPS):
            var t = (-y).fma(y, cx)
            y = x.fma(y + y, cy)
            x = x.fma(x, t)
        left -= STEPS
        var inside_now = x.fma(x, y * y).le(4)
        if all(inside_now.eq(inside)):
            n = inside.select(n + Counts(STEPS), n)
        else:
            x = start_x
            y = start_y
            comptime for _ in range(STEPS):
                count_step(x, y, n, cx, cy)
            inside = inside_now
    if any(inside):
        for _ in range(left):
            count_step(x, y, n, cx, cy)
    return n


@export("mandelbrot_rows")
def mandelbrot_rows(
    counts: Pointer[Int32, MutAnyOrigin],
    width: Int,
    height: Int,
    first: Int,
    last: Int,
    xmin: Float64,
    xmax: Float64,
    ymin: Float64,
    ymax: Float64,
    max_iter: Int,
) abi("C"):
    var lanes = iota[DType.int64, ACROSS * DOWN]()
    for row in range(first, last, DOWN):
        var rows = (lanes // Counts(ACROSS) + Counts(row)).cast[DType.float64]()
        var cy = ymin + (ymax - ymin) * rows / Float64(height)
        for column in range(0, width, ACROSS):
            var columns = (lanes % Counts(ACROSS) + Counts(column)).cast[DType.float64]()
            var cx = xmin + (xmax - xmin) * columns / Float64(width)
            var n = escape_counts(cx, cy, max_iter).cast[DType.int32]()
            comptime for down in range(DOWN):
                if row + down < last:
                    var line = counts.unsafe_offset((row + down) * width + column)
                    var part = n.slice[ACROSS, offset=down * ACROSS]()
                    if column + ACROSS <= width:
                        line.unsafe_store(0, part)
                    else:
                        for lane in range(width - column):
                            line[unsafe_offset=lane] = part[lane]
