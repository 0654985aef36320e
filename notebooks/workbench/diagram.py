"""Diagrams with measured numbers in them: where data lives, who maps it, and how many bytes cross."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from workbench.figure import COLOURS, FAINT, INK, Figure, finished, positive
from workbench.show import si

__all__ = ["Way", "crossings"]

DATA = "#56b4e9"


@dataclass(frozen=True)
class Way:
    """One way to let two workers see the data of a notebook.

    home: "notebook" (only this process has the data, workers get copies), "threads" (the workers are threads of this
        process), or the name of a place outside all processes ("segment", "file") that every process maps
    sent, returned: bytes that crossed to the workers and back
    """

    home: str
    sent: int = 0
    returned: int = 0


def crossings(ways: Mapping[str, Way], *, title: str) -> Figure:
    """One panel for each of `ways`: boxes are processes, blue is the data; arrows are bytes that are sent (thicker for
    more), and a dotted line joins data to those who see it where it lies.
    """
    positive("crossings", {name: 1 + way.sent + way.returned for name, way in ways.items()})
    rows = math.ceil(len(ways) / 2)

    def body(canvas: Canvas) -> None:
        panels = canvas.subplots(rows, 2, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, (name, way) in zip(panels, ways.items(), strict=False):
            axes.set(xlim=(0, 10), ylim=(0, 6.3))
            axes.text(0.1, 6.1, name, fontweight="bold", va="top")
            _panel(axes, way)

    facts = [f"{name}: {_in_words(way)}" for name, way in ways.items()]
    return finished("Diagram of who owns what", title, facts, 0.6 + 1.85 * rows, body)


def _panel(axes: Axes, way: Way) -> None:
    if way.home == "threads":
        _box(axes, 0.2, 0.4, 9.6, 4.6, "one process", COLOURS["thread"])
        _data(axes, 1.0, 1.2, 2.6, 2.4, "data")
        for y, label in ((2.9, "thread 1"), (1.3, "thread 2")):
            axes.text(8.2, y, label, ha="center", va="center")
            _sees(axes, (3.6, 2.4), (7.1, y))
        axes.text(5.4, 3.0, f"{si(way.sent, 'B')} sent", ha="center", va="bottom")
        return
    copied = way.home == "notebook"
    _box(axes, 0.2, 0.4, 3.0, 4.6, "notebook", COLOURS["Python"])
    for y, label in ((2.9, "worker 1"), (0.4, "worker 2")):
        _box(axes, 7.0, y, 2.8, 2.1, label, COLOURS["process"])
    middle = f"{si(way.sent, 'B')}\nsent"
    if copied:
        _data(axes, 0.7, 0.9, 2.0, 2.9, "data")
        for y in (3.05, 0.55):
            _data(axes, 7.5, y, 1.8, 1.1, "copy", hatch=True)
            _arrow(axes, (2.75, 2.35), (7.4, y + 0.55), way.sent)
        axes.text(5.0, 3.35, middle, ha="center", va="bottom", linespacing=1.1)
        return
    _data(axes, 4.0, 0.4, 2.1, 1.7, way.home)
    for x, y in ((3.2, 1.2), (7.0, 3.2), (7.0, 1.2)):
        _sees(axes, (4.0 if x < 4 else 6.1, 1.2), (x, y))
    for y in (4.3, 2.3):
        _arrow(axes, (3.2, 4.3), (7.0, y), way.sent)
    axes.text(5.1, 4.5, middle.replace("\n", " "), ha="center", va="bottom")


def _box(axes: Axes, x: float, y: float, width: float, height: float, label: str, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.2",
            fill=False,
            edgecolor=colour,
            linewidth=1.6,
        )
    )
    axes.text(x + width / 2, y + height - 0.12, label, ha="center", va="top", fontsize=9, color=FAINT)


def _data(
    axes: Axes, x: float, y: float, width: float, height: float, label: str, hatch: bool = False
) -> None:
    pattern = "////" if hatch else None
    axes.add_patch(
        Rectangle((x, y), width, height, facecolor="white" if hatch else DATA, edgecolor=DATA, hatch=pattern)
    )
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1} if hatch else None
    axes.text(
        x + width / 2, y + height / 2, label, ha="center", va="center", fontsize=9, color=INK, bbox=patch
    )


def _sees(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.plot(*zip(start, end, strict=True), color=DATA, linewidth=1.8, linestyle=(0, (2, 2)))


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], size: int) -> None:
    """Thicker by a point for every factor of ten above a kilobyte."""
    width = 1.0 + max(0.0, math.log10(max(1, size) / 1000))
    style = f"-|>,head_width={0.12 + 0.03 * width},head_length={0.3 + 0.05 * width}"
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=10 + 2 * width,
            linewidth=width,
            color=INK,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _in_words(way: Way) -> str:
    crossed = f"{si(way.sent, 'B')} sent, {si(way.returned, 'B')} returned"
    if way.home == "notebook":
        return f"the data is the notebook's, each worker gets a copy of its share, {crossed}"
    if way.home == "threads":
        return f"the workers are threads of the process that has the data, {crossed}"
    return f"the data is in a {way.home} that all processes map, {crossed}"
