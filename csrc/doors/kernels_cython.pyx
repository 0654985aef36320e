# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True

"""The functions of kernels.h for Python, as python_door.py describes them.

Threads: as in kernels.h. Nothing is kept from call to call, so the module can do without the GIL. The last
directive above says so; without it, importing the module turns the GIL of a free-threaded Python on.
Ownership: a memoryview holds the caller's buffer until the function returns.
"""

from libc.stdint cimport int32_t, int64_t


cdef extern from "kernels.h" nogil:
    int64_t door_nop(int64_t x) noexcept
    int64_t door_fib(int64_t n) noexcept
    double door_total(const double *values, int64_t count) noexcept
    int32_t door_mandelbrot(
        int32_t *counts, int64_t height, int64_t width,
        double xmin, double xmax, double ymin, double ymax, int64_t max_iter,
    ) noexcept
    int32_t door_mandelbrot_threaded(
        int32_t *counts, int64_t height, int64_t width,
        double xmin, double xmax, double ymin, double ymax, int64_t max_iter, int64_t threads,
    ) noexcept


# An integer argument is a Py_ssize_t: Cython converts to it by __index__. To an int64_t it converts by __int__,
# which makes 10 of 10.7.


def nop(Py_ssize_t x):
    return door_nop(x)


def fib(Py_ssize_t n):
    cdef int64_t result
    with nogil:
        result = door_fib(n)
    if result < 0:
        raise ValueError("n is out of range")
    return result


def total(values):
    cdef const double[::1] view
    cdef double result
    try:
        view = values
    except (ValueError, BufferError) as wrong:
        raise TypeError("needs a C-contiguous buffer of doubles in one dimension") from wrong
    if view is None:  # which a memoryview may be
        raise TypeError("needs a buffer, not None")
    with nogil:
        result = door_total(&view[0], view.shape[0])
    return result


cdef int32_t[:, ::1] rows_of(counts):
    """The picture's memory. A buffer of another kind is a TypeError, as through the other doors."""
    if counts is None:  # which a memoryview may be
        raise TypeError("needs a buffer, not None")
    try:
        return counts
    except (ValueError, BufferError) as wrong:
        raise TypeError("needs a writable C-contiguous buffer of int32 in two dimensions") from wrong


cdef int done(int32_t status) except -1:
    """Raise what a status of kernels.h other than 0 stands for."""
    if status == -1:
        raise ValueError("a value is out of range")
    if status != 0:
        raise MemoryError("no memory for the threads")
    return 0


def mandelbrot(counts, double xmin, double xmax, double ymin, double ymax, Py_ssize_t max_iter):
    cdef int32_t[:, ::1] rows = rows_of(counts)
    cdef int32_t status
    with nogil:
        status = door_mandelbrot(&rows[0, 0], rows.shape[0], rows.shape[1], xmin, xmax, ymin, ymax, max_iter)
    done(status)
    return counts


def mandelbrot_threaded(
    counts, double xmin, double xmax, double ymin, double ymax, Py_ssize_t max_iter, Py_ssize_t threads
):
    cdef int32_t[:, ::1] rows = rows_of(counts)
    cdef int32_t status
    with nogil:
        status = door_mandelbrot_threaded(
            &rows[0, 0], rows.shape[0], rows.shape[1], xmin, xmax, ymin, ymax, max_iter, threads
        )
    done(status)
    return counts
