"""Ours: `snek.stations`, reading the file in segments that its threads take in turn, every line checked."""

NAME = "snek (ours)"
SOURCE = "csrc/README.md"
REQUIRES = ("snek",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = (
    "../../../csrc/kernels/stations*",
    "../../../csrc/kernels/pool.*",
    "../../../csrc/kernels/cpus.*",
    "../../../csrc/kernels/checkpoint.h",
    "../../../csrc/extensions/stations.*",
    "../../../csrc/extensions/snekmodule.*",
    "../../../csrc/extensions/detached.h",
    "../../../csrc/extensions/parser.h",
)
OURS = True


def version():
    return "stations.c"


def prepare(task, threads, folder):
    import snek

    return lambda: snek.stations(task.path, threads=threads)
