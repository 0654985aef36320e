"""An extension module, written by hand against Python's C API: kernels_extension.c, compiled by one command.

nop and fib take their one argument as it is (METH_O), the functions that draw theirs as a C array (METH_FASTCALL): no tuple
is built for a call. Integers are converted by __index__, OverflowError beyond 64 bits. The GIL is released by fib from
n = 16 on, by total from 1024 doubles on, by those that draw always, by nop never.

Buffers of doubles and of int32 are taken however the struct module spells them in this machine's byte order. For a
read-only picture the error is its owner's: BufferError, with NumPy ValueError.
"""

import sys
import sysconfig
import types

NAME = "extension (by hand)"
SOURCE = "https://docs.python.org/3/extending/index.html"
REQUIRES = ()
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot", "mandelbrot_threaded")
FILES = ("kernels_extension.c",)


def version():
    import _build

    return _build.compiler_version()


def compile_module(folder):
    import _build

    # Python's functions are found when the module is loaded; macOS wants to be told so.
    late = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    _build.compiled(
        _build.extension_path(folder, "kernels_extension"),
        *late,
        "-I" + sysconfig.get_path("include"),
        str(_build.HERE / "kernels_extension.c"),
    )


def build(folder):
    import _build

    compile_module(folder)
    compiled = _build.extension(folder, "kernels_extension")
    return types.SimpleNamespace(
        nop=compiled.nop,
        fib=compiled.fib,
        total=compiled.total,
        mandelbrot=compiled.mandelbrot,
        mandelbrot_threaded=compiled.mandelbrot_threaded,
    )
