# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# distutils: extra_compile_args = -O3 -march=native -fopenmp
# distutils: extra_link_args = -fopenmp

from cython.parallel cimport prange


cdef int escape_count(double cx, double cy, int max_iter) noexcept nogil:
    cdef double x = 0.0, y = 0.0, xx = 0.0, yy = 0.0
    cdef int n = 0
    while n < max_iter and xx + yy <= 4.0:
        y = 2.0 * x * y + cy
        x = xx - yy + cx
        xx = x * x
        yy = y * y
        n += 1
    return n


def mandelbrot(int[:, ::1] counts, double xmin, double xmax, double ymin, double ymax, int max_iter, int threads):
    cdef Py_ssize_t height = counts.shape[0], width = counts.shape[1], i, j
    cdef double cx, cy
    for j in prange(height, nogil=True, num_threads=threads, schedule="dynamic"):
        cy = ymin + (ymax - ymin) * j / height
        for i in range(width):
            cx = xmin + (xmax - xmin) * i / width
            counts[j, i] = escape_count(cx, cy, max_iter)
