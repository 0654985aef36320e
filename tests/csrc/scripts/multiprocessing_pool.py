"""Worker processes that compute with `snek`, started in the way that is named."""

import multiprocessing

from _check_pictures import check
from _script import call_named

import snek


def job(n: int) -> int:
    return snek.fib(n)


def two_jobs(method: str) -> None:
    check()
    with multiprocessing.get_context(method).Pool(2) as pool:
        print(pool.map(job, [20, 21]))


if __name__ == "__main__":
    call_named(globals())
