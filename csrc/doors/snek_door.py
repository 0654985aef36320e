"""Ours: the extension module written by hand against Python's C API, as ./build.sh setup installs it.

Its nop hands back the object itself, whatever it is: no integer is converted. It has no total. fib releases the GIL from
n = 16 on, and both kernels that take long can be interrupted, for which they ask now and then.
"""

import types

NAME = "extension (ours)"
SOURCE = "csrc/README.md"
REQUIRES = ("snek",)
PYTHON = ">=3.11"
OURS = True
RELEASES = ("fib", "mandelbrot")
FILES = (
    "../extensions/snekmodule.c",
    "../extensions/fib.*",
    "../extensions/mandelbrot.*",
    "../extensions/state.h",
    "../extensions/buffers.h",
    "../extensions/detached.h",
    "../extensions/parser.h",
)


def version():
    return "as installed"


def build(folder):
    import snek

    def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter):
        return snek.mandelbrot(
            counts, xmin=xmin, xmax=xmax, ymin=ymin, ymax=ymax, max_iter=max_iter, threads=1, kernel="scalar"
        )

    return types.SimpleNamespace(nop=snek.nop, fib=snek.fib, mandelbrot=mandelbrot)
