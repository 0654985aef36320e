"""Does `snek.stations` still find what it should? For before, while and after something happens to the process."""

import twins

import snek

DATA = b"".join(b"%d;%d.5\n" % (n * n % 1013, n % 199 - 99) for n in range(200_000)) + b"last;0.5"
RIGHT = twins.stations(DATA)


def check(threads: int = 2) -> None:
    """Fail unless the table of 200,001 lines is right."""
    assert snek.stations(DATA, threads=threads) == RIGHT
