"""Numbers as words, results as tables: one place, so that the whole course speaks alike.

Needs nothing but the standard library. Whatever the workbench displays comes as Markdown (JupyterLab, GitHub) and as
plain text (a terminal); `Shown` gives a class both.
"""

from __future__ import annotations

import math
import re
import reprlib
import sys
from collections.abc import Iterable, Sequence


def three_digits(value: float) -> str:
    """`value` to three significant digits, thousands separated: 3.14, 31.4, 314, 3,142."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    # The exponent after rounding: 9.996 becomes 10.0, not 10.00.
    exponent = int(f"{value:.2e}".partition("e")[2])
    return f"{value:,.{max(0, 2 - exponent)}f}"


def _scaled(value: float, prefixes: dict[int, str]) -> tuple[float, str]:
    """`value` divided by the largest power of ten in `prefixes` that it reaches once rounded, and its prefix."""
    rounded = abs(float(f"{value:.2e}"))
    power = max((p for p in prefixes if rounded >= 10.0**p), default=min(prefixes))
    return value / 10.0**power, prefixes[power]


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them: `duration(0.0123)` is "12.3 ms"."""
    if seconds == 0 or not math.isfinite(seconds):
        return f"{seconds:g} s"
    value, prefix = _scaled(seconds, {-9: "n", -6: "µ", -3: "m", 0: ""})
    return f"{three_digits(value)} {prefix}s"


def si(value: float, unit: str) -> str:
    """`value` with a decimal prefix: `si(3.2e9, "B/s")` is "3.20 GB/s"."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    prefixes = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}
    scaled, prefix = _scaled(value, prefixes)
    return f"{three_digits(scaled)} {prefix}{unit}"


def times(ratio: float) -> str:
    """A ratio to three significant digits: "3.40x", "1,234x". Takes a number or a `Ratio`."""
    return f"{three_digits(float(ratio))}x"


def shortened(value: object, width: int = 60) -> str:
    """`repr(value)` on one line of at most about `width` characters, the middle left out."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = width
    try:
        text = " ".join((short.repr(value)).split())
    except Exception as error:  # a __repr__ that raises must not hide what went wrong before it
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= width else f"{text[: width * 2 // 3]} ... {text[-(width // 4) :]}"


class Shown:
    """Gives a class its displays, from `_markdown()` and `_plain()`."""

    def _markdown(self) -> str:
        raise NotImplementedError

    def _plain(self) -> str:
        return plain(self._markdown())

    def __str__(self) -> str:
        return self._plain()

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": self._plain(), "text/markdown": self._markdown()}


class _Sentence(Shown):
    def __init__(self, text: str) -> None:
        self.text = text

    def _markdown(self) -> str:
        return self.text


def show(thing: Shown) -> None:
    """Display `thing`: rendered in a notebook, printed elsewhere."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(thing)
    else:
        print(thing)


def say(text: str) -> None:
    """Display a sentence (Markdown) that was written with measured values.

    `say(f"Two threads took **{times(r)}** as long.")`: so no figure in the prose is ever typed in.
    """
    show(_Sentence(text))


def plain(markdown: str) -> str:
    """Markdown emphasis and code marks taken away; fit for the sentences of the workbench, not for any Markdown."""
    return re.sub(r"\*\*|`|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)", "", markdown)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> str:
    """A table with pipes; the columns marked in `numeric` are aligned right."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---:" if right else ":---" for right in numeric) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def plain_table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> str:
    """The same table for a terminal, in columns of equal width."""
    lines = [[plain(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, numeric, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(lines[0]), "  ".join("-" * w for w in widths), *map(line, lines[1:])])
