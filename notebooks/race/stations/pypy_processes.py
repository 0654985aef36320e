"""PyPy: the bytes are scanned one at a time, which its tracing JIT turns into machine code; one process for each thread.

The pool is started beforehand and waits, with its code compiled after the first call, as the thread pools of the libraries do.
Tried, and slower: lines with `partition` and a look-up instead of parsing (1.5 times), blocks of 1 MB; and no faster: an `mmap`, a
hash table of our own.
"""

NAME = "PyPy, multiprocessing"
SOURCE = "https://pypy.org/performance.html"
REQUIRES = ()
PYTHON = "pypy"
THREADS = "any"
WORK = "all"
FILES = ("_rows.py",)

PIECES = 8  # for each process


def version():
    import platform
    import sys

    return "PyPy {}.{}.{}, Python {}".format(*sys.pypy_version_info[:3], platform.python_version())


def scan(block, found):
    """Add the rows of a block to {name: [min, sum, max, count]}, in tenths of a degree."""
    at = 0
    end = len(block)
    while at < end:
        semicolon = block.find(b";", at)
        name = block[at:semicolon]
        at = semicolon + 1
        negative = block[at] == ord("-")
        if negative:
            at += 1
        if block[at + 1] == ord("."):
            tenths = 10 * block[at] + block[at + 2] - 11 * ord("0")
            at += 4
        else:
            tenths = 100 * block[at] + 10 * block[at + 1] + block[at + 3] - 111 * ord("0")
            at += 5
        if negative:
            tenths = -tenths
        if name in found:
            station = found[name]
            if tenths < station[0]:
                station[0] = tenths
            if tenths > station[2]:
                station[2] = tenths
            station[1] += tenths
            station[3] += 1
        else:
            found[name] = [tenths, tenths, tenths, 1]


def work(job):
    """What a process does with a piece."""
    import _rows

    found = {}
    for block in _rows.blocks(*job):
        scan(block, found)
    return found


def prepare(task, threads, folder):
    import multiprocessing

    import _rows

    pool = multiprocessing.get_context("spawn").Pool(threads)

    def run():
        jobs = [(task.path, *bounds) for bounds in _rows.pieces(task.path, PIECES * threads)]
        found = {}
        for more in pool.imap_unordered(work, jobs):
            _rows.merge(found, more)
        return _rows.result(found)

    run()
    return run
