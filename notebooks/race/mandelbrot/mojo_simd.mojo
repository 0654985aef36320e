"""Mandelbrot with explicit SIMD, in the form of Modular's own example: one test a step, until all lanes have escaped."""

from std.math import iota

comptime LANES = 32
comptime Reals = SIMD[DType.float64, LANES]
comptime Counts = SIMD[DType.int64, LANES]


@always_inline
def escape_counts(cx: Reals, cy: Reals, max_iter: Int) -> Counts:
    var x = Reals(0)
    var y = Reals(0)
    var n = Counts(0)
    for _ in range(max_iter):
        var yy = y * y
        var bounded = x.fma(x, yy).le(4)
        if not any(bounded):
            break
        n = bounded.select(n + 1, n)
        y = x.fma(y + y, cy)
        x = x.fma(x, cx - yy)
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
    for row in range(first, last):
        var line = counts.unsafe_offset(row * width)
        var cy = ymin + (ymax - ymin) * Float64(row) / Float64(height)
        for column in range(0, width, LANES):
            var columns = iota[DType.float64, LANES](Float64(column))
            var cx = xmin + (xmax - xmin) * columns / Float64(width)
            var n = escape_counts(cx, cy, max_iter).cast[DType.int32]()
            if column + LANES <= width:
                line.unsafe_store(column, n)
            else:
                for lane in range(width - column):
                    line[unsafe_offset=column + lane] = n[lane]
