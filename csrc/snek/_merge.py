"""Merging what `stations_part` returned for the parts of a file.

It is Python, for a part has a row for each name, not for each line: there is little to do.
"""

from collections.abc import Iterable, Mapping
from operator import index
from typing import SupportsIndex


def stations_merge(
    parts: Iterable[Mapping[str, tuple[SupportsIndex, SupportsIndex, SupportsIndex, SupportsIndex]]],
) -> dict[str, tuple[float, float, float, int]]:
    """Merge parts: return the {name: (min, mean, max, count)} that stations would have made of all their lines.

    parts: what stations_part returned for each, or the same in other mappings: {name: (min, sum, max, count)},
        four integers, temperatures in tenths of a degree. Their order does not matter. Without any, the result
        is {}.

    The result is exactly that of stations: the same values and types, sorted by name. Python's integers are of any
    size, so nothing overflows. It takes about a microsecond for each name of each part.

    Raises TypeError for what is no part: a float, as in what stations returned, among others. ValueError for
    numbers that no lines have: not four; count < 1; a temperature beyond -999 and 999; a sum that count
    temperatures, min and max among them, don't come to.

    Threads: may be called from any number of threads at once. Nobody may change a part meanwhile. The GIL, where there
    is one, is held as by any Python code.
    """
    if isinstance(parts, Mapping):
        raise TypeError("parts must be an iterable of parts, not one part; pass [part]")
    merged: dict[str, tuple[int, int, int, int]] = {}
    for part in parts:
        if not isinstance(part, Mapping):
            raise TypeError(f"a part must be a mapping, as stations_part returns, not {type(part).__name__}")
        for name, numbers in part.items():
            low, total, high, count = row = _checked(name, numbers)
            known = merged.get(name)
            if known is not None:
                row = (min(known[0], low), known[1] + total, max(known[2], high), known[3] + count)
            merged[name] = row
    return {
        name: (low / 10, (2 * total + count) // (2 * count) / 10, high / 10, count)  # half a tenth goes up
        for name, (low, total, high, count) in sorted(merged.items())
    }


def _checked(name: object, numbers: Iterable[SupportsIndex]) -> tuple[int, int, int, int]:
    """Return (min, sum, max, count) as integers that lines may have come to."""
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    try:
        low, total, high, count = map(index, numbers)
    except TypeError as error:
        raise TypeError(f"{name!r:.120}: min, sum, max and count must be integers: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name!r:.120}: not min, sum, max and count: {error}") from error
    if not -999 <= low <= high <= 999:
        raise ValueError(f"{name!r:.120}: not -999 <= min <= max <= 999, in tenths of a degree")
    # One of the temperatures is min, one is max, and the others are between. A single one is both.
    if count < 1 or not low * (count - 1) + high <= total <= low + high * (count - 1):
        raise ValueError(f"{name!r:.120}: count temperatures from min to max do not come to sum")
    return low, total, high, count
