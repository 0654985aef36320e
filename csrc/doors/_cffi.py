"""What the two doors of cffi share: which Python it refuses, and the kernels around its functions.

cffi converts as Python does: OverflowError for an integer that does not fit, TypeError for a wrong type or a wrong number
of arguments. It releases the GIL around each call, the shortest ones, too.
"""

import sys
import sysconfig
import types


def imported():
    """Return the module cffi. Raises Unavailable on a Python that cffi refuses."""
    import _build

    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14):
        raise _build.Unavailable("cffi does not support free-threaded Python before 3.14")
    import cffi

    return cffi


def version():
    """Return the versions of cffi and of the compiler."""
    import _build

    cffi = imported()
    return f"cffi {cffi.__version__}, {_build.compiler_version()}"


def kernels(ffi, lib):
    """Return the kernels of a door: the functions of kernels.h in lib, and around them what C does not do."""
    import _build

    def fib(n):
        result = lib.door_fib(n)
        if result < 0:
            raise ValueError("n is out of range")
        return result

    def total(values):
        view = _build.checked(values, "d", 1)
        return lib.door_total(ffi.from_buffer("double[]", view), len(view))

    def fill(function, counts, *rest):
        view = _build.checked(counts, "i", 2)
        memory = ffi.from_buffer("int32_t[]", view, require_writable=True)
        _build.done(function(memory, *view.shape, *rest))
        return counts

    def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter):
        return fill(lib.door_mandelbrot, counts, xmin, xmax, ymin, ymax, max_iter)

    def mandelbrot_threaded(counts, xmin, xmax, ymin, ymax, max_iter, threads):
        return fill(lib.door_mandelbrot_threaded, counts, xmin, xmax, ymin, ymax, max_iter, threads)

    return types.SimpleNamespace(
        nop=lib.door_nop,
        fib=fib,
        total=total,
        mandelbrot=mandelbrot,
        mandelbrot_threaded=mandelbrot_threaded,
    )
