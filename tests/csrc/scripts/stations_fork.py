"""Forks after and in the middle of `snek.stations`."""

from _check_lines import check
from _forking import fork_in_the_middle, forked
from _lines import long_lines
from _script import call_named

import snek


def after_the_pool_has_run() -> None:
    check(3)
    forked(lambda: check(3))
    check(3)


def in_the_middle_of_a_call(threads: str) -> None:
    threads = int(threads)
    lines = long_lines(0.4)
    expected = snek.stations(lines)
    fork_in_the_middle(
        lambda: snek.stations(lines, threads=threads), expected, check, after=0.04, threads=threads
    )


if __name__ == "__main__":
    call_named(globals())
