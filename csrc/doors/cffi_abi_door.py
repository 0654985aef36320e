"""cffi in ABI mode, in line: cffi reads the header while the program runs, and believes it. No compiler checks that the
library was made from the same declarations; it is the one that ctypes loads.

It converts as in API mode: OverflowError for an integer that does not fit, TypeError for a wrong type. Each call releases
the GIL, the shortest ones, too, and goes through libffi, as with ctypes.

A library is closed when its object is collected, and a function taken out of it does not hold that object: what is called
then is no longer there. Hence RTLD_NODELETE.

cffi supports free-threaded Python from 3.14 on. On 3.13t it does not even install.
"""

NAME = "cffi, ABI mode"
SOURCE = "https://cffi.readthedocs.io/en/stable/overview.html#simple-example-abi-level-in-line"
REQUIRES = ("cffi",)
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot", "mandelbrot_threaded")
FILES = ("_cffi.py",)


def version():
    import _cffi

    return _cffi.version()


def build(folder):
    import _build
    import _cffi

    ffi = _cffi.imported().FFI()
    ffi.cdef(_build.declarations())
    lib = ffi.dlopen(str(_build.library(folder)), ffi.RTLD_NOW | ffi.RTLD_NODELETE)
    return _cffi.kernels(ffi, lib)
