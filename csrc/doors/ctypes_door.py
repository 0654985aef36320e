"""ctypes: a shared library, loaded and declared while the program runs. Nothing of it is compiled against Python.

argtypes and restype are declared: without them every argument is a C int, and a double cannot be passed. CDLL releases
the GIL around each call, the shortest ones, too.

Three things are ctypes' own. It takes an integer modulo 2**64, so fib(2**64 + 10) is fib(10). A wrong type raises
ctypes.ArgumentError, which is no TypeError. And total refuses what is read-only, since from_buffer wants writable
memory.
"""

import ctypes
import types

NAME = "ctypes"
SOURCE = "https://docs.python.org/3/library/ctypes.html"
REQUIRES = ()
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot", "mandelbrot_threaded")


def version():
    import _build

    return _build.compiler_version()


def build(folder):
    import _build

    library = ctypes.CDLL(str(_build.library(folder)))
    integer, real = ctypes.c_int64, ctypes.c_double

    nop = library.door_nop
    nop.argtypes = [integer]
    nop.restype = integer

    c_fib = library.door_fib
    c_fib.argtypes = [integer]
    c_fib.restype = integer

    c_total = library.door_total
    c_total.argtypes = [ctypes.c_void_p, integer]
    c_total.restype = real

    c_mandelbrot = library.door_mandelbrot
    c_mandelbrot.argtypes = [ctypes.c_void_p, integer, integer, real, real, real, real, integer]
    c_mandelbrot.restype = ctypes.c_int32

    c_mandelbrot_threaded = library.door_mandelbrot_threaded
    c_mandelbrot_threaded.argtypes = [*c_mandelbrot.argtypes, integer]
    c_mandelbrot_threaded.restype = ctypes.c_int32

    def fib(n):
        result = c_fib(n)
        if result < 0:
            raise ValueError("n is out of range")
        return result

    def total(values):
        view = _build.checked(values, "d", 1)
        return c_total((real * len(view)).from_buffer(view), len(view))

    def fill(function, counts, *rest):
        view = _build.checked(counts, "i", 2)
        height, width = view.shape
        # from_buffer refuses what is read-only, and keeps the memory where it is.
        memory = (ctypes.c_int32 * (height * width)).from_buffer(view)
        _build.done(function(memory, height, width, *rest))
        return counts

    def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter):
        return fill(c_mandelbrot, counts, xmin, xmax, ymin, ymax, max_iter)

    def mandelbrot_threaded(counts, xmin, xmax, ymin, ymax, max_iter, threads):
        return fill(c_mandelbrot_threaded, counts, xmin, xmax, ymin, ymax, max_iter, threads)

    return types.SimpleNamespace(
        nop=nop, fib=fib, total=total, mandelbrot=mandelbrot, mandelbrot_threaded=mandelbrot_threaded
    )
