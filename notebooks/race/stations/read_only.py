"""The ceiling: every byte of the file is read out of the page cache into a small buffer, and nothing is done with it.

`os.preadv` lets go of the GIL while the kernel copies. Blocks of 256 KiB stay in the second-level cache.
"""

NAME = "read only"
SOURCE = "https://docs.python.org/3/library/os.html#os.preadv"
REQUIRES = ()
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
CEILING = True

BLOCK = 256 * 1024


def version():
    return "os.preadv"


def prepare(task, threads, folder):
    import os
    from concurrent.futures import ThreadPoolExecutor

    size = os.path.getsize(task.path)
    pool = ThreadPoolExecutor(threads)

    def read(file, begin, end):
        buffer = bytearray(BLOCK)
        while begin < end:
            got = os.preadv(file, [memoryview(buffer)[: end - begin]], begin)
            if got == 0:
                raise EOFError("the file has become shorter")
            begin += got

    def run():
        file = os.open(task.path, os.O_RDONLY)
        try:
            bounds = [size * n // threads for n in range(threads + 1)]
            list(pool.map(read, [file] * threads, bounds, bounds[1:]))
        finally:
            os.close(file)

    return run
