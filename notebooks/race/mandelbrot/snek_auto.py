"""Ours: `snek.mandelbrot`, the fastest kernel for this processor, chosen when the program runs."""

NAME = "snek (ours)"
SOURCE = "csrc/README.md"
REQUIRES = ("snek", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = (
    "../../../csrc/kernels/mandelbrot*",
    "../../../csrc/kernels/pool.*",
    "../../../csrc/kernels/cpus.*",
    "../../../csrc/kernels/simd.*",
    "../../../csrc/kernels/checkpoint.h",
    "../../../csrc/extensions/snekmodule.*",
    "../../../csrc/extensions/buffers.h",
    "../../../csrc/extensions/detached.h",
    "../../../csrc/extensions/parser.h",
)
OURS = True


def version():
    import snek

    return f"kernel {snek.kernels()[-1]}"


def prepare(task, threads, folder):
    import numpy

    import snek

    window = {"xmin": task.xmin, "xmax": task.xmax, "ymin": task.ymin, "ymax": task.ymax}

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        return snek.mandelbrot(counts, max_iter=task.max_iter, threads=threads, **window)

    run()
    return run
