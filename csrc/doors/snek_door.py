"""Ours: the extension module written by hand against Python's C API, as ./build.sh setup installs it.

A buffer of another kind is a ValueError. nop hands back the object itself, whatever it is: no integer is converted.
There is no total. fib releases the GIL from n = 16 on. What takes long can be interrupted: it asks now and then.
"""

import types

NAME = "extension (ours)"
SOURCE = "csrc/README.md"
REQUIRES = ("snek",)
PYTHON = ">=3.11"
OURS = True
RELEASES = ("fib", "mandelbrot", "mandelbrot_threaded")
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

    def mandelbrot_threaded(counts, xmin, xmax, ymin, ymax, max_iter, threads):
        if threads == 0:
            raise ValueError("threads must be from 1 to 1024")  # to snek, 0 means as many as there are CPUs
        return snek.mandelbrot(
            counts,
            xmin=xmin,
            xmax=xmax,
            ymin=ymin,
            ymax=ymax,
            max_iter=max_iter,
            threads=threads,
            kernel="scalar",
        )

    def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter):
        return mandelbrot_threaded(counts, xmin, xmax, ymin, ymax, max_iter, 1)

    return types.SimpleNamespace(
        nop=snek.nop, fib=snek.fib, mandelbrot=mandelbrot, mandelbrot_threaded=mandelbrot_threaded
    )
