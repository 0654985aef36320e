"""cffi in API mode, out of line: cffi reads the header, writes an extension module around it, and a C compiler checks both.

It converts as Python does: OverflowError for an integer that does not fit, TypeError for a wrong type. Each call releases
the GIL, the shortest ones, too.

cffi supports free-threaded Python from 3.14 on. On 3.13t it does not even install.
"""

NAME = "cffi, API mode"
SOURCE = "https://cffi.readthedocs.io/en/stable/overview.html#main-mode-of-usage"
REQUIRES = ("cffi", "setuptools")
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot", "mandelbrot_threaded")
FILES = ("_cffi.py",)


def version():
    import _cffi

    return _cffi.version()


def compile_module(folder):
    import _build
    import _cffi

    cffi = _cffi.imported()
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
    import _cffi

    compile_module(folder)
    compiled = _build.extension(folder, "_kernels_cffi")
    return _cffi.kernels(compiled.ffi, compiled.lib)
