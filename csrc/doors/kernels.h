/* kernels.h: what every door wraps. Each NAME_door.py beside this file brings these functions into Python in its own
   way: ctypes, cffi, an extension written by hand...

   Prototypes only, in types of a fixed width: no macros, no structs, no inline functions, not even a guard, for a
   prototype may be repeated. So cffi's cdef reads it without its #include; cgo, bindgen and Cython's `cdef extern`
   take it as it is.

   In Python: python_door.py.

   Threads: any function may be called from any number of threads at once; the two that draw must not be given the
   same counts. None of them calls Python, so a door may release the GIL meanwhile. None can be interrupted.
   Ownership: what a pointer leads to is the caller's and must stay until the function has returned. */

#include <stdint.h>

/* x: what a call costs when the function does nothing. */
int64_t door_nop(int64_t x);

/* The n-th Fibonacci number by double recursion, for n from 0 to 92; -1: n is out of that range. */
int64_t door_fib(int64_t n);

/* The sum of `count` doubles, added from the first to the last, each addition rounded; 0.0 when count < 1. */
double door_total(const double *values, int64_t count);

/* Fills `height` rows of `width` escape counts, row after row without gaps. Row j, column i is of the point
       (xmin + (xmax - xmin) * i / width,  ymin + (ymax - ymin) * j / height):
   the number of steps z -> z * z + c from z = 0 taken while |z| <= 2, at most max_iter.

   height, width: 0 or more, together at most as many counts as memory can hold.
   xmin, xmax, ymin, ymax: finite, and so are xmax - xmin and ymax - ymin.
   max_iter: 0 to 2**31 - 1.

   0: done. -1: a value is out of its range, nothing was written. */
int32_t door_mandelbrot(int32_t *counts, int64_t height, int64_t width, double xmin, double xmax, double ymin,
                        double ymax, int64_t max_iter);

/* The same counts by `threads` threads, the calling one among them: 1 to 1024. The threads take a row at a time.
   -2: no memory, nothing was written. */
int32_t door_mandelbrot_threaded(int32_t *counts, int64_t height, int64_t width, double xmin, double xmax, double ymin,
                                 double ymax, int64_t max_iter, int64_t threads);
