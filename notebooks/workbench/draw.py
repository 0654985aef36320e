"""The course's figures, in one style.

Every function takes plain dictionaries or what `measure` returns, and a `title`: the figure's message, as a sentence.
Every function returns a `Figure`: a PNG picture on white ground, 700 pixels wide and under 60 kB, with an alternative
text made from the same data. `on` names the Python in the caption when the figures come from another than this one
(`python.label`). Nothing here touches matplotlib's global state, so nothing is displayed twice and no
backend has to be chosen.

    ladder({"pure Python": 1, "NumPy": 38}, title="NumPy removes the interpreter from the loop")
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox
from PIL import Image

from workbench.figure import (
    COLOURS,
    FAINT,
    GRID,
    INK,
    PATCH,
    WIDTH,
    Figure,
    colours_of,
    finished,
    interval_of,
    log_ticks,
    name_rows,
    plural,
    positive,
    reader_of,
    rows_height,
    seconds_of,
    tick_labels,
    value_of,
    wrapped,
    write_at_ends,
    write_beside,
)
from workbench.machine import machine
from workbench.show import duration, si, times

__all__ = [
    "COLOURS", "Figure", "cost_strip", "curve", "distribution", "image", "ladder", "roofline", "scaling_curve", "timeline",
]  # fmt: skip


def ladder(
    values: Any,
    *,
    title: str,
    ceiling: float | None = None,
    ceiling_label: str = "",
    unit: str = "x",
    on: str = "",
) -> Figure:
    """Bars on a logarithmic axis: a `Race`, or {name: value}, first on top.

    `unit="x"`: values are "N times as fast" and bars start at 1x. Any other unit (say "FLOP/s"): values are rates, and
    bars start at the power of ten below the smallest. `ceiling`: the machine's own limit, in the same unit.
    """
    seconds = {}
    if hasattr(values, "timings"):
        seconds = {name: seconds_of(timing) for name, timing in values.timings.items()}
        values = {name: values.ratio(name) for name in values.timings}
    centre = positive("ladder", {name: value_of(value) for name, value in values.items()})
    spread = {name: interval_of(value) for name, value in values.items()}
    if ceiling is not None:
        positive("ladder", {"ceiling": ceiling})
    show = times if unit == "x" else lambda value: si(value, unit)
    every = [bound for pair in spread.values() for bound in pair] + ([ceiling] if ceiling else [])
    start = 1.0 if unit == "x" else 10 ** math.floor(math.log10(min(every)))

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for row, (name, colour) in enumerate(zip(centre, colours_of(centre), strict=True)):
            low, high = spread[name]
            axes.barh(row, centre[name] - start, left=start, height=0.62, color=colour)
            if centre[name] == start:  # the baseline has no length: mark where it stands
                axes.plot(start, row, "|", color=colour, markersize=14, markeredgewidth=3, clip_on=False)
            elif high > low:
                axes.plot([low, high], [row, row], color=INK, linewidth=1.2, solid_capstyle="butt")
                axes.plot([low, high], [row, row], "|", color=INK, markersize=6, markeredgewidth=1.2)
            text = show(centre[name]) + (f"  ({duration(seconds[name])})" if name in seconds else "")
            right = max(start, high)
            axes.annotate(
                text, (right, row), (7, 0), textcoords="offset points", va="center", bbox=PATCH, zorder=5
            )
        name_rows(axes, list(centre))
        axes.set_xscale("log")
        lowest, highest = min([start, *every]), max([start, *every])
        axes.set_xlim(lowest / 1.15 if lowest < start else lowest, max(highest * 1.02, lowest * 3))
        log_ticks(axes, "x", show)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(lowest == start)
        if lowest < start:
            axes.axvline(start, color=FAINT, linewidth=0.8)
        if ceiling is not None:
            label = f"{ceiling_label or 'the limit of this machine'}: {show(ceiling)}"
            axes.axvline(ceiling, color=INK, linewidth=1.4, linestyle=(0, (5, 2)))
            axes.annotate(label, (ceiling, 1.0), (-2, 4), xycoords=("data", "axes fraction"),
                          textcoords="offset points", ha="right", va="bottom", color=INK)  # fmt: skip

    facts = [f"{name} {show(value)}" + (f" ({duration(seconds[name])})" if name in seconds else "")
             for name, value in centre.items()]  # fmt: skip
    if ceiling is not None:
        facts.append(f"{ceiling_label or 'limit of this machine'} {show(ceiling)}")
    return finished("Bar chart, logarithmic", title, facts, 1.15 + rows_height(centre), body, on=on)


def cost_strip(values: Mapping[str, Any], *, title: str, on: str = "") -> Figure:
    """What one call costs: {name: seconds or Timing}, cheapest on top, on a logarithmic axis of time."""
    centre = positive("cost_strip", {name: seconds_of(value) for name, value in values.items()})
    spread = {name: interval_of(value) for name, value in values.items()}
    names = sorted(centre, key=centre.__getitem__)
    colours = dict(zip(centre, colours_of(centre), strict=True))

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for row, name in enumerate(names):
            low, high = spread[name]
            axes.plot(
                [low, high], [row, row], color=colours[name], linewidth=3, alpha=0.45, solid_capstyle="butt"
            )
            axes.plot(centre[name], row, "o", color=colours[name], markersize=8)
            axes.annotate(duration(centre[name]), (max(high, centre[name]), row), (9, 0), textcoords="offset points",
                          va="center", bbox=PATCH, zorder=5)  # fmt: skip
        name_rows(axes, names)
        axes.set_xscale("log")
        lowest, highest = min(low for low, _ in spread.values()), max(high for _, high in spread.values())
        axes.set_xlim(10 ** math.floor(math.log10(lowest * 0.9)), highest * 1.3)
        log_ticks(axes, "x", duration)
        axes.grid(axis="both")
        axes.spines["left"].set_visible(False)

    facts = [f"{name} {duration(centre[name])}" for name in names]
    return finished("Cost of one call, logarithmic", title, facts, 1.15 + rows_height(names), body, on=on)


def scaling_curve(values: Any, *, title: str, on: str = "") -> Figure:
    """Speedup against workers: a `Scaling`, {label: Scaling}, or {label: {workers: seconds}}.

    Shows the spread, the ideal line, the fitted curve of Amdahl's law (dotted) and where the physical cores end.
    """
    if hasattr(values, "workers") or (
        isinstance(values, Mapping) and all(isinstance(key, int) for key in values)
    ):
        values = {"": values}
    lines = {label: _speedups(label, value) for label, value in values.items()}
    if not lines:
        raise ValueError("scaling_curve needs at least one line; it got none.")
    most = max(max(line) for line in lines.values())
    fewest = min(min(line) for line in lines.values())
    # One round alone has an endless interval: its bar leaves the picture at the top.
    top = max(
        high if math.isfinite(high) else centre
        for line in lines.values()
        for centre, _, high in line.values()
    )
    cores = machine().physical_cores
    fits = {}
    for label, value in values.items():
        with contextlib.suppress(AttributeError, ValueError):  # a plain dictionary; too few points for a fit
            fits[label] = value.amdahl()

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        every = np.linspace(fewest, most, 200)
        height = max(top * 1.12, 2.2)
        ideal = every / fewest
        axes.plot(every, ideal, color=FAINT, linewidth=1.2, linestyle=(0, (5, 2)))
        seen = int(np.flatnonzero(ideal <= height * 0.93)[-1])
        axes.annotate(
            "ideal", (every[seen], ideal[seen]), (-6, 0), textcoords="offset points", ha="right", color=FAINT
        )
        ends = []
        for (label, line), colour in zip(lines.items(), colours_of(lines, distinct=True), strict=True):
            x, y = list(line), [centre for centre, _, _ in line.values()]
            error = [
                [max(0, c - low) for c, low, _ in line.values()],
                [max(0, min(high, 2 * height) - c) for c, _, high in line.values()],
            ]
            axes.errorbar(x, y, yerr=error, color=colour, marker="o", capsize=3, elinewidth=1.2)
            share = f", {fits[label]:.0%} parallel" if label in fits else ""
            if label in fits:
                axes.plot(
                    every,
                    1 / (1 - fits[label] + fits[label] / every),
                    color=colour,
                    linewidth=1.2,
                    linestyle=":",
                )
            ends.append((x[-1], y[-1], f"{label} {times(y[-1])}".strip() + share, colour))
        if fewest < cores < most:
            axes.axvline(cores, color=GRID, linewidth=1.2)
            axes.annotate(f"{cores} physical cores", (cores, 1.0), (0, 2), xycoords=("data", "axes fraction"),
                          textcoords="offset points", ha="center", va="bottom", color=FAINT)  # fmt: skip
        counts = sorted({n for line in lines.values() for n in line})
        axes.set_ylim(0, height)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        if most > 16:
            axes.set_xscale("log", base=2)
            axes.set_yscale("log", base=2)
            axes.set_ylim(
                min(1, *(low for line in lines.values() for _, low, _ in line.values())) * 0.9, height
            )
        axes.xaxis.set_major_locator(FixedLocator(counts[:: math.ceil(len(counts) / 14)]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        axes.set_xlabel("workers" + " (dotted: Amdahl's law, fitted)" * bool(fits))
        axes.set_ylabel(f"speedup over {plural(fewest, 'worker')}")
        axes.grid(axis="y")
        write_at_ends(canvas, axes, ends)

    facts = [f"{label or 'measured'}: " + ", ".join(f"{plural(n, 'worker')} {times(centre)}" for n, (centre, _, _) in line.items())
             + (f", parallel share fitted {fits[label]:.0%}" if label in fits else "")
             for label, line in lines.items()]  # fmt: skip
    return finished("Speedup against workers", title, facts, 3.6, body, on=on)


def timeline(
    lanes: Mapping[str, Iterable[tuple[float, float]]], *, title: str,
    marks: Mapping[str, float] | None = None, on: str = "",
) -> Figure:  # fmt: skip
    """Who ran when: {lane: [(start, end), ...]} in seconds, on one clock; the earliest start becomes zero.

    A pixel is as dark as the share of it that the lane was running, so spans shorter than a pixel are shown honestly:
    two threads that take turns every microsecond appear half dark, not both busy. `marks` are moments: {label: seconds}.
    """
    spans = {lane: _union(lane, spans) for lane, spans in lanes.items()}
    marks = dict(marks or {})
    moments = [edge for union in spans.values() for edge in union.ravel()] + list(marks.values())
    if not any(len(union) for union in spans.values()):
        raise ValueError("timeline needs at least one span; it got none.")
    zero, length = min(moments), max(moments) - min(moments)
    if length <= 0:
        raise ValueError("timeline needs spans that take time; all start and end at the same moment.")
    busy = {lane: float((union[:, 1] - union[:, 0]).sum()) for lane, union in spans.items()}
    row_height = 0.34 if len(spans) <= 12 else max(0.09, 4.5 / len(spans))

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for row, (union, colour) in enumerate(zip(spans.values(), colours_of(spans), strict=True)):
            axes.axhline(row, color=GRID, linewidth=0.8)
            if not len(union):
                continue
            share = _running(union, zero, length, 1000)
            picture = np.ones((1, 1000, 4))
            picture[0, :, :3] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            picture[0, :, 3] = np.where(share > 0, np.maximum(share, 0.2), 0)  # the shortest span can be seen
            axes.imshow(picture, extent=(0, length, row + 0.36, row - 0.36), aspect="auto", interpolation="nearest",
                        zorder=2)  # fmt: skip
        every = math.ceil(0.17 / row_height)
        names = [wrapped(lane) if row % every == 0 else "" for row, lane in enumerate(spans)]
        name_rows(axes, names)
        for row, lane in enumerate(spans):
            if row % every == 0:
                axes.annotate(f"{busy[lane] / length:.0%}", (1, row), (6, 0), xycoords=("axes fraction", "data"),
                              textcoords="offset points", va="center")  # fmt: skip
        axes.annotate(
            "running", (1, 1), (6, 3), xycoords="axes fraction", textcoords="offset points", color=FAINT
        )
        for label, moment in marks.items():
            axes.axvline(moment - zero, color=INK, linewidth=1.2, zorder=3)
            right = moment - zero > 0.6 * length
            axes.annotate(label, (moment - zero, 1), (2 if right else -2, 3), xycoords=("data", "axes fraction"),
                          textcoords="offset points", ha="right" if right else "left", va="bottom")  # fmt: skip
        axes.set_xlim(0, length)
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            tick_labels(lambda value: duration(value) if value > 1e-12 * length else "0")
        )
        axes.spines["left"].set_visible(False)

    facts = [
        f"{lane} ran {busy[lane] / length:.0%} of {duration(length)} in {plural(len(spans[lane]), 'span')}"
        for lane in spans
    ]
    facts += [f"{label} at {duration(moment - zero)}" for label, moment in marks.items()]
    return finished("Timeline", title, facts, 1.2 + row_height * len(spans) + 0.1 * bool(marks), body, on=on)


def roofline(peak: Any, points: Mapping[str, tuple[float, float]], *, title: str) -> Figure:
    """What the machine allows, and where programs stand: {name: (FLOP per byte, FLOP/s)} under the roofs of `peak`."""
    positive("roofline", {f"{name} {axis}": value for name, point in points.items()
                           for axis, value in zip(("FLOP per byte", "FLOP/s"), point, strict=True)})  # fmt: skip
    roofs = {"every core": (peak.flops_all, peak.bandwidth_all), "one core": (peak.flops, peak.bandwidth)}
    if abs(math.log(peak.flops_all / peak.flops)) < 0.05:
        del roofs["every core"]

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        ridges = [flops / bandwidth for flops, bandwidth in roofs.values()]
        intensities = [x for x, _ in points.values()]
        left = 10 ** math.floor(math.log10(min([*ridges, *intensities]) * 0.3))
        right = 10 ** math.ceil(math.log10(max([*ridges, *intensities]) * 3))
        rates = [y for _, y in points.values()] + [bandwidth * left for _, bandwidth in roofs.values()]
        x = np.geomspace(left, right, 400)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(left, right)
        axes.set_ylim(min(rates) * 0.5, peak.flops_all * 2.2)
        ends = []
        for label, (flops, bandwidth) in roofs.items():
            axes.plot(x, np.minimum(flops, bandwidth * x), color=FAINT, linewidth=1.6)
            ends.append((right, flops, f"{label}: {si(flops, 'FLOP/s')}", INK))
        axes.axhline(peak.flops_scalar, color=FAINT, linewidth=1.0, linestyle=(0, (5, 2)))
        ends.append((right, peak.flops_scalar, f"one core, scalar: {si(peak.flops_scalar, 'FLOP/s')}", INK))
        log_ticks(axes, "x", lambda value: f"{value:,g}")
        log_ticks(axes, "y", lambda value: si(value, "FLOP/s"))
        axes.set_xlabel("arithmetic intensity: FLOP per byte moved from main memory")
        axes.grid()
        write_at_ends(canvas, axes, ends)
        canvas.draw_without_rendering()
        for i, (_, bandwidth) in enumerate(roofs.values()):  # along the slope: outer side of each roof
            (x0, y0), (x1, y1) = axes.transData.transform(
                [(left, bandwidth * left), (left * 10, bandwidth * left * 10)]
            )
            axes.annotate(si(bandwidth, "B/s"), (left * 1.3, bandwidth * left * 1.3), (0, -4 if i else 4),
                          textcoords="offset points", rotation=math.degrees(math.atan2(y1 - y0, x1 - x0)),
                          rotation_mode="anchor", va="top" if i else "bottom", color=INK)  # fmt: skip
        taken = [artist.get_window_extent() for artist in axes.texts]
        taken += [
            Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in axes.transData.transform(list(points.values()))
        ]
        path = np.concatenate(
            [axes.transData.transform(line.get_xydata()) for line in axes.lines if len(line.get_xdata()) > 2]
        )
        for (name, (intensity, rate)), colour in zip(points.items(), colours_of(points), strict=True):
            axes.plot(intensity, rate, "o", color=colour, markersize=8, zorder=4)
            write_beside(axes, f"{name}: {si(rate, 'FLOP/s')}", (intensity, rate), taken, path)

    facts = [
        f"roof of {label} {si(flops, 'FLOP/s')} and {si(bandwidth, 'B/s')}"
        for label, (flops, bandwidth) in roofs.items()
    ]
    facts.append(f"one core, scalar {si(peak.flops_scalar, 'FLOP/s')}")
    facts += [f"{name} {si(rate, 'FLOP/s')} at {x:.3g} FLOP per byte" for name, (x, rate) in points.items()]
    return finished("Roofline, both axes logarithmic", title, facts, 4.2, body)


def distribution(values: Any, *, title: str) -> Figure:
    """Every sample of a `Timing`, a sequence of seconds, or several as {name: ...}: in order, and as a histogram."""
    if not isinstance(values, Mapping):
        values = {"": values}
    samples = {
        name: np.asarray(getattr(value, "seconds", value), dtype=float) for name, value in values.items()
    }
    for name, seconds in samples.items():
        positive("distribution", {f"sample {i} of {name or 'the timing'}": s for i, s in enumerate(seconds)})
    together = np.concatenate(list(samples.values()))
    wide = together.max() > 12 * together.min()

    def body(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, sharey=True, width_ratios=(2.2, 1))
        edge = (together.min(), together.max() + 1e-12)
        bins = np.geomspace(*edge, 41) if wide else np.linspace(*edge, 41)
        ends = []
        for (name, seconds), colour in zip(samples.items(), colours_of(samples, distinct=True), strict=True):
            left.plot(np.arange(1, len(seconds) + 1), seconds, ".", color=colour, markersize=6, alpha=0.8)
            right.hist(
                seconds,
                bins=bins,
                orientation="horizontal",
                color=colour,
                alpha=1 if len(samples) == 1 else 0.6,
            )
            median = float(np.median(seconds))
            for axes in (left, right):
                axes.axhline(
                    median, color=colour if len(samples) > 1 else INK, linewidth=1.2, linestyle=(0, (5, 2))
                )
            ends.append(
                (1, median, f"{name} median {duration(median)}".strip(), colour if len(samples) > 1 else INK)
            )
            if len(samples) == 1:
                ends.append((1, float(seconds.min()), f"best {duration(seconds.min())}", FAINT))
                ends.append((1, float(seconds.max()), f"worst {duration(seconds.max())}", FAINT))
        if wide:
            left.set_yscale("log")
            log_ticks(left, "y", duration)
        else:
            left.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            left.yaxis.set_major_formatter(tick_labels(lambda value: duration(value) if value > 0 else "0"))
        left.set_xlabel("sample, in the order measured")
        right.set_xlabel("samples")
        left.grid(axis="y")
        right.grid(axis="y")
        write_at_ends(canvas, right, ends)

    facts = [f"{name or 'timing'}: {plural(len(s), 'sample')}, best {duration(s.min())}, median {duration(float(np.median(s)))}, "
             f"95th percentile {duration(float(np.percentile(s, 95)))}, worst {duration(s.max())}"
             for name, s in samples.items()]  # fmt: skip
    return finished("Every sample in order, and their histogram", title, facts, 3.4, body)


def image(counts: Any, *, title: str) -> Figure:
    """A 2-D array of counts (escape counts, say) as a picture, row 0 on top: brighter is more, black is the most."""
    values = np.asarray(counts)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"image needs a 2-D array with at least one element; it got shape {values.shape}.")
    low, high = float(values.min()), float(values.max())
    height, width = values.shape
    tall = (WIDTH - 0.2) * height / width

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        brightness = np.log1p(values - low) / max(math.log1p(high - low), 1e-9)
        colours = colormaps["magma"](0.12 + 0.88 * brightness)
        colours[values == high] = (0, 0, 0, 1)
        axes.imshow(colours, interpolation="antialiased")
        axes.set_axis_off()

    share = float((values == high).mean())
    facts = [f"{width:,} by {height:,} pixels, from {low:g} (dark) to {high:g} (black, {share:.1%} of them)"]
    # Covering the whole range of colours, rather than the frequent ones, keeps the letters of the title grey.
    return finished("Picture of counts", title, facts, tall + 0.6, body, Image.Quantize.MAXCOVERAGE)


def curve(
    x: Sequence[float], lines: Mapping[str, Any], *, title: str, xlabel: str, ylabel: str,
    logx: bool = False, logy: bool = False, hline: float | tuple[float, str] | None = None, on: str = "",
) -> Figure:  # fmt: skip
    """Lines over `x`: {label: y} or {label: (y, low, high)} with a band. NaN or None leaves a gap. `hline`: (y, label).

    Axes whose label starts with "time" take seconds and show 10 ms; "size", bytes and 1 MB; "speedup", ratios and 10x.
    """
    across = np.asarray(x, dtype=float)
    bands = {}
    for label, value in lines.items():
        banded = isinstance(value, tuple) and len(value) == 3 and np.ndim(value[0]) == 1
        bands[label] = tuple(np.asarray(part, dtype=float) for part in (value if banded else (value,) * 3))
        if any(part.shape != across.shape for part in bands[label]):
            raise ValueError(
                f"curve: {label!r} has {len(bands[label][0])} values for {len(across)} values of x."
            )
    if not bands or not len(across):
        raise ValueError("curve needs at least one line with at least one point; it got none.")
    show = {axis: reader_of(label) for axis, label in (("x", xlabel), ("y", ylabel))}
    level, level_label = hline if isinstance(hline, tuple) else (hline, "")
    if logx:
        positive("curve with logx", {f"x[{i}]": value for i, value in enumerate(across)})
    if logy:
        found = {
            f"{label}[{i}]": v for label, band in bands.items() for part in band for i, v in enumerate(part)
        }
        positive("curve with logy", {name: v for name, v in found.items() if not math.isnan(v)})

    def body(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        ends = []
        for (label, (y, low, high)), colour in zip(
            bands.items(), colours_of(bands, distinct=True), strict=True
        ):
            axes.plot(across, y, color=colour, marker="o" if len(across) <= 40 else None)
            if low is not y:
                axes.fill_between(across, low, high, color=colour, alpha=0.2, linewidth=0)
            known = np.flatnonzero(~np.isnan(y))
            if len(known):
                ends.append((across[known[-1]], y[known[-1]], label, colour))
        axes.set_xscale("log" if logx else "linear")
        axes.set_yscale("log" if logy else "linear")
        if level is not None:
            axes.axhline(level, color=INK, linewidth=1.2, linestyle=(0, (5, 2)))
            axes.annotate(
                level_label,
                (0, level),
                (4, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
            )
        for axis, log in (("x", logx), ("y", logy)):
            if log:
                log_ticks(axes, axis, show[axis])
            else:
                getattr(axes, f"{axis}axis").set_major_formatter(tick_labels(show[axis]))
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid()
        write_at_ends(canvas, axes, ends)

    shown = range(0, len(across), math.ceil(len(across) / 20))
    facts = [f"{label}: " + ", ".join(f"{show['x'](across[i])} gives {show['y'](y[i])}" for i in shown)
             for label, (y, _, _) in bands.items()]  # fmt: skip
    if level is not None:
        facts.append(f"line {level_label} at {show['y'](level)}".replace("  ", " "))
    return finished(f"Curves of {ylabel} over {xlabel}", title, facts, 3.6, body, on=on)


def _speedups(label: str, value: Any) -> dict[int, tuple[float, float, float]]:
    """{workers: (speedup, low, high)} of a Scaling or of {workers: seconds}."""
    if hasattr(value, "speedup"):
        ratios = {n: value.speedup(n) for n in sorted(value.workers)}
        return {n: (value_of(ratio), *interval_of(ratio)) for n, ratio in ratios.items()}
    seconds = positive(
        "scaling_curve", {f"{label}, {plural(n, 'worker')}": seconds_of(s) for n, s in value.items()}
    )
    times_by_workers = dict(zip(value, seconds.values(), strict=True))
    base = times_by_workers[min(times_by_workers)]
    return {n: (base / times_by_workers[n],) * 3 for n in sorted(times_by_workers)}


def _union(lane: str, spans: Iterable[tuple[float, float]]) -> np.ndarray:
    """Spans of one lane, sorted and merged where they touch: shape (n, 2), seconds."""
    pairs = np.asarray(sorted(spans), dtype=float).reshape(-1, 2)
    if not np.isfinite(pairs).all() or (pairs[:, 1] < pairs[:, 0]).any():
        raise ValueError(f"timeline: a span of {lane!r} ends before it starts, or is not a number.")
    if not len(pairs):
        return pairs
    reached = np.maximum.accumulate(pairs[:, 1])
    first = np.concatenate([[True], pairs[1:, 0] > reached[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.column_stack([pairs[first, 0], reached[last]])


def _running(union: np.ndarray, zero: float, length: float, columns: int) -> np.ndarray:
    """The share of each column of time in which the lane ran, 0 to 1: shape (columns,)."""
    # seconds run until each moment: a broken line through the ends of the spans, whose slope is the share
    clock = (union - zero).ravel()
    ran = np.concatenate([[0], np.cumsum(np.diff(clock) * (np.arange(len(clock) - 1) % 2 == 0))])
    share = np.diff(np.interp(np.linspace(0, length, columns + 1), clock, ran)) * columns / length
    return np.where(share > 1e-9, np.minimum(share, 1), 0)
