# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# distutils: extra_compile_args = -O3 -march=native -fopenmp
# distutils: extra_link_args = -fopenmp

"""Mandelbrot in tiles of points side by side in C arrays, with inner loops of fixed length that the C compiler vectorises.

STEPS steps are taken without a test. A point that is outside the circle |z| = 2 stays outside, so if the same points are inside
afterwards, none has left and the steps count for all of them. If not, they are taken again and counted one by one.
"""

from cython.parallel cimport prange
from libc.stdint cimport int64_t

cdef enum:
    ACROSS = 8
    DOWN = 4
    TILE = ACROSS * DOWN
    STEPS = 12

cdef struct Points:
    double x[TILE]
    double y[TILE]


cdef inline int count_steps(Points *z, const Points *c, int64_t *n, int64_t *inside, int steps) noexcept nogil:
    """Take `steps` steps, counting those that begin inside. Return how many points are left there."""
    cdef int k, left = 0
    cdef double x, y
    for _ in range(steps):
        for k in range(TILE):
            x, y = z.x[k], z.y[k]
            n[k] += x * x + y * y <= 4.0
            z.y[k] = (x + x) * y + c.y[k]
            z.x[k] = x * x + (c.x[k] - y * y)
    for k in range(TILE):
        x, y = z.x[k], z.y[k]
        inside[k] = x * x + y * y <= 4.0
        left += <int>inside[k]
    return left


cdef void escape_counts(const Points *c, int max_iter, int64_t *n) noexcept nogil:
    cdef Points z, after
    cdef int64_t inside[TILE]
    cdef double x, y
    cdef int k, changed, left = TILE
    for k in range(TILE):
        z.x[k] = z.y[k] = 0.0
        n[k], inside[k] = 0, 1
    if max_iter >= STEPS:  # many points leave early: the first block is counted at once
        max_iter -= STEPS
        left = count_steps(&z, c, n, inside, STEPS)
    while max_iter >= STEPS and left > 0:
        max_iter -= STEPS
        changed = 0
        after = z
        for _ in range(STEPS):
            for k in range(TILE):
                x, y = after.x[k], after.y[k]
                after.y[k] = (x + x) * y + c.y[k]
                after.x[k] = x * x + (c.x[k] - y * y)
        for k in range(TILE):
            x, y = after.x[k], after.y[k]
            changed += (x * x + y * y <= 4.0) != inside[k]
        if changed:
            left = count_steps(&z, c, n, inside, STEPS)
        else:
            z = after
            for k in range(TILE):
                n[k] += STEPS * inside[k]
    if left > 0:
        count_steps(&z, c, n, inside, max_iter)


cdef void draw_tile(
    int[:, ::1] counts, Py_ssize_t row, Py_ssize_t column, double xmin, double xmax, double ymin, double ymax, int max_iter
) noexcept nogil:
    cdef Py_ssize_t height = counts.shape[0], width = counts.shape[1]
    cdef Points c
    cdef int64_t n[TILE]
    cdef int k
    for k in range(TILE):
        c.x[k] = xmin + (xmax - xmin) * (column + k % ACROSS) / width
        c.y[k] = ymin + (ymax - ymin) * (row + k // ACROSS) / height
    escape_counts(&c, max_iter, n)
    for k in range(TILE):
        if row + k // ACROSS < height and column + k % ACROSS < width:
            counts[row + k // ACROSS, column + k % ACROSS] = <int>n[k]


def mandelbrot(int[:, ::1] counts, double xmin, double xmax, double ymin, double ymax, int max_iter, int threads):
    cdef Py_ssize_t height = counts.shape[0], width = counts.shape[1], j, i
    for j in prange((height + DOWN - 1) // DOWN, nogil=True, num_threads=threads, schedule="dynamic"):
        for i in range((width + ACROSS - 1) // ACROSS):
            draw_tile(counts, j * DOWN, i * ACROSS, xmin, xmax, ymin, ymax, max_iter)
