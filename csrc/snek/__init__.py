r"""The C kernels of the fast-snek course as Python functions.

    >>> import array, snek
    >>> snek.fib(30)
    832040
    >>> out = memoryview(bytearray(4 * 600 * 800)).cast("i", (600, 800))
    >>> snek.mandelbrot(out, threads=0) is out
    True
    >>> snek.stations(b"Hamburg;12.0\nBulawayo;8.9\nHamburg;-2.5\n")
    {'Bulawayo': (8.9, 8.9, 8.9, 1), 'Hamburg': (-2.5, 4.8, 12.0, 2)}
    >>> snek.stations_merge([snek.stations_part(b"Hamburg;12.0\nBulawayo;8.9\n"), snek.stations_part(b"Hamburg;-2.5\n")])
    {'Bulawayo': (8.9, 8.9, 8.9, 1), 'Hamburg': (-2.5, 4.8, 12.0, 2)}

Every function may be called from any thread and any interpreter; those in C that compute detach the thread state (release
the GIL) meanwhile. `stations_merge` is Python. The C is in `csrc/` of the course, which explains it.
"""

from ._merge import stations_merge
from ._snek import fib, kernels, mandelbrot, nop, stations, stations_part

__all__ = ["fib", "kernels", "mandelbrot", "nop", "stations", "stations_merge", "stations_part"]
