"""cffi in API mode, out of line: cffi reads the header, writes an extension module around it, and a C compiler checks both.

It converts as Python does: OverflowError for an integer that does not fit, TypeError for a wrong type. Each call releases
the GIL, the shortest ones, too.

cffi supports free-threaded Python from 3.14 on. On 3.13t it does not even install.
"""

import sys
import sysconfig
import types

NAME = "cffi, API mode"
SOURCE = "https://cffi.readthedocs.io/en/stable/overview.html#main-mode-of-usage"
REQUIRES = ("cffi", "setuptools")
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot", "mandelbrot_threaded")


def imported():
    """Return the module cffi. Raises Unavailable on a Python that cffi refuses."""
    import _build

    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14):
        raise _build.Unavailable("cffi does not support free-threaded Python before 3.14")
    import cffi

    return cffi


def version():
    import _build

    cffi = imported()
    return f"cffi {cffi.__version__}, {_build.compiler_version()}"


def compile_module(folder):
    import _build

    cffi = imported()
    if _build.extension_path(folder, "_kernels_cffi").exists():
        return
    builder = cffi.FFI()
    builder.cdef(_build.declarations())
    builder.set_source(
        "_kernels_cffi",
        '#include "kernels.h"',
        include_dirs=[str(_build.HERE)],
        sources=[str(path) for path in _build.SOURCES],
        extra_compile_args=_build.FLAGS,
        extra_link_args=["-pthread"],
    )
    builder.compile(tmpdir=str(folder))


def build(folder):
    import _build

    compile_module(folder)
    compiled = _build.extension(folder, "_kernels_cffi")
    ffi, lib = compiled.ffi, compiled.lib

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
