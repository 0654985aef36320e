"""Does `snek.mandelbrot` still draw what it should? For before, while and after something happens to the process."""

import array

import twins
from _pictures import blank

import snek

# As bytes, for they have no lock. A list has, without the GIL: where threads compare it all the time, a forked child of
# 3.13t may find it locked for ever, by a thread that it doesn't have (seen).
RIGHT = b"".join(array.array("i", row) for row in twins.mandelbrot(40, 50, max_iter=60))

# So long that helpers are invited, and drawn by one thread: without helpers.
LONG = {"xmin": -0.8, "xmax": 0.2, "ymin": -0.5, "ymax": 0.5, "max_iter": 500}
ALONE = snek.mandelbrot(blank(60, 60), **LONG, threads=1).tobytes()


def check(threads: int = 2) -> None:
    """Fail unless two pictures are right, one that is over at once and one that helpers come to."""
    out = blank(40, 50)
    snek.mandelbrot(out, max_iter=60, threads=threads)
    assert out.tobytes() == RIGHT
    out = blank(60, 60)
    snek.mandelbrot(out, **LONG, threads=threads)
    assert out.tobytes() == ALONE
