"""ctypes: a shared library, loaded and declared while the program runs. Nothing of it is compiled against Python.

argtypes and restype are declared: without them every argument is a C int, and a double cannot be passed. CDLL releases
the GIL around each call, the shortest ones, too.

Two things are ctypes' own. It takes an integer modulo 2**64, so fib(2**64 + 10) is fib(10). And a wrong type raises
ctypes.ArgumentError, which is no TypeError.
"""

import ctypes
import types

NAME = "ctypes"
SOURCE = "https://docs.python.org/3/library/ctypes.html"
REQUIRES = ()
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot")


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

    def fib(n):
        result = c_fib(n)
        if result < 0:
            raise ValueError("n is out of range")
        return result

    def total(values):
        view = _build.checked(values, "d", 1)
        return c_total((real * len(view)).from_buffer(view), len(view))

    def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter):
        view = _build.checked(counts, "i", 2)
        height, width = view.shape
        # from_buffer refuses what is read-only, and keeps the memory where it is.
        memory = (ctypes.c_int32 * (height * width)).from_buffer(view)
        if c_mandelbrot(memory, height, width, xmin, xmax, ymin, ymax, max_iter):
            raise ValueError("a value is out of range")
        return counts

    return types.SimpleNamespace(nop=nop, fib=fib, total=total, mandelbrot=mandelbrot)
