"""Do two results say the same? And if not, where do they differ first?

Works on numbers, strings, bytes, nested lists, tuples and dicts, and NumPy arrays, without importing NumPy itself.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from workbench.show import shortened


def exact(a: Any, b: Any) -> bool:
    """Equal throughout: by `==`, elementwise in containers and arrays; NaN equals NaN."""
    return difference(a, b) is None


def close(rtol: float) -> Callable[[Any, Any], bool]:
    """A comparison in which floats may differ by the relative tolerance `rtol`; the rest must be equal."""
    return lambda a, b: difference(a, b, rtol) is None


def difference(got: Any, expected: Any, rtol: float = 0.0, where: str = "") -> str | None:
    """The first difference in words ("at [3]: 5 instead of 4"); None when there is none."""
    at = f"at {where}: " if where else ""
    if _equal(got, expected):
        return None
    numpy = sys.modules.get("numpy")
    if numpy is not None and (isinstance(got, numpy.ndarray) or isinstance(expected, numpy.ndarray)):
        return _array_difference(numpy, got, expected, rtol, at)
    if isinstance(got, Mapping) and isinstance(expected, Mapping):
        if missing := [key for key in expected if key not in got]:
            return f"{at}the key {shortened(missing[0])} is missing"
        if extra := [key for key in got if key not in expected]:
            return f"{at}the key {shortened(extra[0])} should not be there"
        pairs = ((key, got[key], expected[key]) for key in expected)
        return _first(pairs, rtol, where)
    if isinstance(got, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(got) != len(expected):
            return f"{at}{len(got)} elements instead of {len(expected)}"
        return _first(((i, a, b) for i, (a, b) in enumerate(zip(got, expected, strict=True))), rtol, where)
    try:
        if math.isclose(got, expected, rel_tol=rtol) or (math.isnan(got) and math.isnan(expected)):
            return None
    except (TypeError, OverflowError):  # not two real numbers: equality has already said no
        pass
    return f"{at}{shortened(got)} instead of {shortened(expected)}"


def _equal(a: Any, b: Any) -> bool:
    """Plain `==`, where it gives a plain answer."""
    try:
        return (a == b) is True
    except Exception:
        return False


def _first(pairs: Any, rtol: float, where: str) -> str | None:
    for key, a, b in pairs:
        if found := difference(a, b, rtol, f"{where}[{shortened(key, 20)}]"):
            return found
    return None


def _array_difference(numpy: Any, got: Any, expected: Any, rtol: float, at: str) -> str | None:
    got, expected = numpy.asarray(got), numpy.asarray(expected)
    if got.shape != expected.shape:
        return f"{at}shape {got.shape} instead of {expected.shape}"
    if got.dtype.kind in "fc" or expected.dtype.kind in "fc":
        equal = numpy.isclose(got, expected, rtol=rtol, atol=0.0, equal_nan=True)
    else:
        equal = numpy.asarray(got == expected)
    if equal.all():
        return None
    wrong = numpy.argwhere(~equal)
    index = tuple(int(i) for i in wrong[0])
    place = f"at [{', '.join(map(str, index))}]: " if index else at
    count = f"{len(wrong):,} of {got.size:,} elements differ, first " if got.size > 1 else ""
    return f"{count}{place}{shortened(got[index].item())} instead of {shortened(expected[index].item())}"
