"""Pure Python in as many processes as threads are asked for: each takes a piece of the file, then the next.

The pool is started beforehand and waits, as the thread pools of the libraries do; what is sent to a process and what it
returns is part of the job. More pieces than processes, so that none waits long for the last one. Within a piece: the code of
python_one.py. Tried, and no faster: slices of an `mmap` instead of reading.
"""

NAME = "Python, multiprocessing"
SOURCE = "https://docs.python.org/3/library/multiprocessing.html#using-a-pool-of-workers"
REQUIRES = ()
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("python_one.py", "_rows.py")

PIECES = 8  # for each process


def version():
    import platform

    return "CPython " + platform.python_version()


def work(job):
    """What a process does with a piece."""
    import python_one

    return python_one.aggregate(*job)


def prepare(task, threads, folder):
    import multiprocessing

    import _rows

    pool = multiprocessing.get_context("spawn").Pool(threads)
    pool.map(work, [(task.path, 0, 0)] * threads, chunksize=1)

    def run():
        jobs = [(task.path, *bounds) for bounds in _rows.pieces(task.path, PIECES * threads)]
        found = {}
        for more in pool.imap_unordered(work, jobs):
            _rows.merge(found, more)
        return _rows.result(found)

    return run
