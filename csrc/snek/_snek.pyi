from os import PathLike
from typing import SupportsFloat, SupportsIndex, TypeVar

from typing_extensions import Buffer

_T = TypeVar("_T")
_B = TypeVar("_B", bound=Buffer)
_Real = SupportsFloat | SupportsIndex

def nop(x: _T, /) -> _T: ...
def fib(n: SupportsIndex, /) -> int: ...
def mandelbrot(
    out: _B,
    *,
    xmin: _Real = -2.0,
    xmax: _Real = 0.47,
    ymin: _Real = -1.12,
    ymax: _Real = 1.12,
    max_iter: SupportsIndex = 1000,
    threads: SupportsIndex = 1,
    kernel: str = "auto",
) -> _B: ...
def stations(
    source: str | PathLike[str] | PathLike[bytes] | Buffer, *, threads: SupportsIndex = 0
) -> dict[str, tuple[float, float, float, int]]: ...
def stations_part(
    source: str | PathLike[str] | PathLike[bytes] | Buffer, *, threads: SupportsIndex = 0
) -> dict[str, tuple[int, int, int, int]]: ...
def kernels() -> tuple[str, ...]: ...
