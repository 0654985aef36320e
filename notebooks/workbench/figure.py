"""The style that all figures share: colours, sizes, ticks, labels that don't collide, and the finished picture."""

from __future__ import annotations

import io
import itertools
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox
from PIL import Image

from workbench.machine import machine
from workbench.show import duration, si, times

# From general to specific: the last name found in a label decides ("threads over C" is drawn as C). The first eight are
# the palette of Okabe and Ito (jfly.uni-koeln.de/color), made for colour-blind readers; the rest is Paul Tol's.
COLOURS = {
    "Python": "#7a7a7a",
    "thread": "#0072b2",
    "process": "#e69f00",
    "interpreter": "#009e73",
    "free-threaded": "#d55e00",
    "asyncio": "#cc79a7",
    "NumPy": "#56b4e9",
    "C": "#000000",
    "Numba": "#332288",
    "PyPy": "#aa4499",
    "JIT": "#999933",
    "Mojo": "#dd6633",
    "Taichi": "#bbaa33",
    "Dask": "#ee8866",
    "ctypes": "#cc79a7",
    "cffi": "#882255",
    "C extension": "#000000",
    "snek": "#000000",
    "Cython": "#e0a800",
    "pybind11": "#44aa99",
    "nanobind": "#117733",
    "Rust": "#a0522d",
    "Go": "#56b4e9",
}
OTHERS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#332288", "#882255", "#999933"]
INK, FAINT, GRID = "#222222", "#666666", "#dddddd"
WIDTH, DPI, HEAVIEST = 7.0, 100, 60_000  # inches, pixels per inch, bytes
PATCH = {
    "facecolor": "white",
    "edgecolor": "none",
    "alpha": 0.85,
    "pad": 1,
}  # behind text that may cross a line
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 10,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.5,
}


@dataclass(frozen=True)
class Figure:
    """A finished picture: `png` (bytes) and `alt`, the same facts in words."""

    png: bytes = field(repr=False)
    alt: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        return {"image/png": self.png, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}

    def __str__(self) -> str:
        return self.alt

    def save(self, path: str | Path) -> None:
        """Write the PNG to `path`, making its folder when it is missing."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(self.png)


def finished(
    kind: str, title: str, facts: list[str], height: float, body: Any,
    method: Image.Quantize = Image.Quantize.MEDIANCUT, on: str = "",
) -> Figure:  # fmt: skip
    """Draw `body` on a canvas with title and caption, and compress it to a palette.

    The caption names the machine and this Python, or `on`, the one that the figures come from.
    """
    caption = f"{machine().hardware}, {on}" if on else machine().caption
    heading = textwrap.fill(title, 68)
    with rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH, height + 0.2 * heading.count("\n")), dpi=DPI, layout="constrained")
        canvas.get_layout_engine().set(w_pad=0.09, h_pad=0.08)
        canvas.suptitle(heading, x=0.013, ha="left", fontsize=12, fontweight="bold", linespacing=1.25)
        canvas.supxlabel(caption, x=0.987, ha="right", fontsize=8, color=FAINT)
        body(canvas)
        raw = io.BytesIO()
        canvas.savefig(raw, format="png", dpi=DPI)
    picture = Image.open(raw).convert("RGB")
    for colours in (256, 64, 16):
        packed = io.BytesIO()
        picture.quantize(colours, method, dither=Image.Dither.NONE).save(packed, format="PNG", optimize=True)
        if packed.tell() < HEAVIEST:
            break
    alt = f"{title.rstrip('.')}. {kind}: {'; '.join(facts)}. Measured on {caption}."
    return Figure(packed.getvalue(), alt)


def colours_of(names: Iterable[str], distinct: bool = False) -> list[str]:
    """The colour of each name: its technique's; else one for all that differ only in digits ("worker 1", "worker 2").

    `distinct`: lines that cross need a colour each, so the second of a technique takes the next free one.
    """
    chosen: dict[str, str] = {}
    keys = {name: name if distinct else re.sub(r"\d+", "", name) for name in names}
    for name, key in keys.items():
        colour = next(
            (COLOURS[technique] for technique in reversed(COLOURS) if _mentions(name, technique)), None
        )
        if colour and not (distinct and colour in chosen.values()):
            chosen[key] = colour
    spare = [colour for colour in OTHERS if colour not in chosen.values()] or OTHERS
    for i, key in enumerate(dict.fromkeys(key for key in keys.values() if key not in chosen)):
        chosen[key] = spare[i % len(spare)]
    return [chosen[key] for key in keys.values()]


def _mentions(name: str, technique: str) -> bool:
    pattern = rf"(?<![a-z])(?:multi|sub)?{re.escape(technique)}(?:s|es|ing|ed)?(?![a-z+#])"
    as_written = technique in ("C", "Go")  # "code that lets go" is not Go
    return re.search(pattern, name, 0 if as_written else re.IGNORECASE) is not None


def darker(colour: str) -> str:
    """The same hue, dark enough to be read as text on white."""
    return "#" + "".join(f"{int(int(colour[i : i + 2], 16) * 0.7):02x}" for i in (1, 3, 5))


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)


def value_of(value: Any) -> float:
    return float(getattr(value, "value", value))


def interval_of(value: Any) -> tuple[float, float]:
    return float(getattr(value, "low", value)), float(getattr(value, "high", value))


def seconds_of(value: Any) -> float:
    return float(getattr(value, "median", value))


def positive(who: str, values: Mapping[str, float]) -> dict[str, float]:
    """Refuse what a logarithmic axis cannot show, by name."""
    if not values:
        raise ValueError(f"{who} needs at least one value; it got none.")
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{who} needs positive, finite numbers; {name!r} is {value}.")
    return dict(values)


def wrapped(label: str) -> str:
    return textwrap.fill(label, 30)


def rows_height(names: Iterable[str]) -> float:
    """Inches for one row a name, more for names that wrap."""
    return sum(0.34 + 0.15 * wrapped(name).count("\n") for name in names)


def name_rows(axes: Axes, names: list[str]) -> None:
    """Name the rows on the left, first on top, without ticks."""
    axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)


def log_ticks(axes: Axes, axis: str, show: Any) -> None:
    """Ticks at powers of ten, or at 1, 2, 5 where the axis spans less than one and a half."""
    low, high = getattr(axes, f"get_{axis}lim")()
    decades = math.log10(high / low)
    it = getattr(axes, f"{axis}axis")
    it.set_major_locator(
        LogLocator(10, subs=(1, 2, 5) if decades < 1.5 else (1,), numticks=6 if axis == "x" else 8)
    )
    it.set_minor_locator(NullLocator())
    it.set_major_formatter(tick_labels(show))


def reader_of(label: str) -> Callable[[float], str]:
    """How the numbers on an axis with this label are written."""
    units = {"time": duration, "size": lambda value: si(value, "B"), "speedup": times}
    found = next((show for start, show in units.items() if label.startswith(start)), number_text)
    return lambda value: found(value) if value > 0 else number_text(value)


def tick_labels(show: Callable[[float], str]) -> FuncFormatter:
    """Tick labels without the zeros that three significant digits bring: 10 ms rather than 10.0 ms."""
    return FuncFormatter(lambda value, _: re.sub(r"\.0+(?!\d)|(?<=\.\d)0+(?!\d)", "", show(value)))


def number_text(value: float) -> str:
    if math.isnan(value):
        return "nothing"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write_beside(
    axes: Axes, text: str, point: tuple[float, float], taken: list[Bbox], path: np.ndarray
) -> None:
    """Write `text` on the side of the point where it hides the least of the boxes `taken` and of `path`, in pixels."""
    frame, tried = axes.get_window_extent(), []
    for up, across in itertools.product((0, -14, 14, -29, 29, -44), (9, -9, 0)):
        if not up and not across:
            continue
        label = axes.annotate(text, point, (across, up), textcoords="offset points", va="center", bbox=PATCH, zorder=3,
                              ha="center" if not across else "left" if across > 0 else "right")  # fmt: skip
        box = label.get_window_extent()
        outside = max(0, frame.x0 - box.x0, box.x1 - frame.x1, frame.y0 - box.y0, box.y1 - frame.y1)
        hidden = sum(box.overlaps(other) for other in taken) + sum(box.contains(*spot) for spot in path) / 20
        tried.append((outside + 10 * hidden + abs(up) / 10, len(tried), box, label))
    _, chosen, box, _ = min(tried)
    taken.append(box)
    for _, i, _, label in tried:
        if i != chosen:
            label.remove()


def write_at_ends(canvas: Canvas, axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each (x, y, text, colour) beside the right edge at its height, pushed apart where they would overlap."""
    canvas.draw_without_rendering()  # the layout decides how high the axes are
    tall = axes.get_window_extent().height
    places = sorted((axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[1], wrapped(text), colour)
                    for x, y, text, colour in ends)  # fmt: skip
    top = 1.0
    heights = [17 * (1 + text.count("\n")) / tall for _, text, _ in places]
    lowest = 0.0
    spots = []
    for (y, _, _), high in zip(places, heights, strict=True):
        spots.append(max(y, lowest + high / 2 if spots else y))
        lowest = spots[-1] + high / 2
    for i in reversed(range(len(spots))):  # what was pushed out at the top moves back down
        spots[i] = min(spots[i], top)
        top = spots[i] - (heights[i] + heights[i - 1]) / 2 if i else top
    for (_, text, colour), y in zip(places, spots, strict=True):
        axes.annotate(text, (1, y), (7, 0), xycoords="axes fraction", textcoords="offset points", va="center",
                      color=darker(colour), annotation_clip=False)  # fmt: skip
