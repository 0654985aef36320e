"""The figures: what they show, what they say in words, what they refuse."""

from __future__ import annotations

import io
import math
import random
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import notebook_files
from workbench import draw
from workbench.machine import machine
from workbench.measure import measure, race, scaling
from workbench.results import Scaling, Timing

PEAK = SimpleNamespace(
    flops=5.8e10,
    flops_all=1.15e11,
    flops_scalar=7e9,
    bandwidth=1.4e10,
    bandwidth_all=2.2e10,
    bandwidth_cache=1e11,
)


def spans(count, step=1e-5):
    return [(2 * i * step, (2 * i + 1) * step) for i in range(count)]


def noise(count=200, centre=1e-3):
    seeded = random.Random(1)
    return [centre * (1 + abs(seeded.gauss(0, 0.1))) for _ in range(count)]


# name: (function, arguments, what the alternative text must say)
FIGURES = {
    "ladder": (draw.ladder, [{"pure Python": 1, "NumPy": 38.2, "C": 812}], ["pure Python 1.00x", "NumPy 38.2x", "C 812x"]),
    "ladder of one": (draw.ladder, [{"one": 1}], ["one 1.00x"]),
    "ladder of many": (draw.ladder, [{f"v{i}": 10 ** (i * 6 / 14) for i in range(15)}], ["v0 1.00x", "v14 1,000,000x"]),
    "ladder that is slower": (draw.ladder, [{"one": 1, "slow": 0.01}], ["slow 0.0100x"]),
    "ladder with long labels": (draw.ladder, [{"a very long label " * 6: 1, "b": 3}], ["b 3.00x"]),
    "cost_strip": (draw.cost_strip, [{"C": 2e-8, "process": 1e-4}], ["C 20.0 ns", "process 100 µs"]),
    "scaling_curve": (draw.scaling_curve, [{"threads": {1: 2.0, 3: 1.0, 6: 0.5}}], ["3 workers 2.00x", "6 workers 4.00x"]),
    "scaling_curve of 64": (draw.scaling_curve, [{n: 1 / n for n in (1, 2, 12, 64)}], ["64 workers 64.0x"]),
    "scaling_curve of 1": (draw.scaling_curve, [{1: 1.0}], ["1 worker 1.00x"]),
    "timeline": (draw.timeline, [{"a": [(5, 6)], "b": [(6, 9)]}], ["a ran 25% of 4.00 s in 1 span", "b ran 75%"]),
    "timeline of many": (draw.timeline, [{"a": spans(20_000)}], ["a ran 50% of 400 ms in 20,000 spans"]),
    "timeline of 64 lanes": (draw.timeline, [{f"w{i}": [(i, i + 9)] for i in range(64)}], ["w63 ran 12% of 72.0 s"]),
    "timeline with an idle lane": (draw.timeline, [{"a": [(0, 1)], "idle": []}], ["idle ran 0% of 1.00 s in 0 spans"]),
    "roofline": (draw.roofline, [PEAK, {"C": (300, 9e10), "sum": (0.125, 1e9)}], ["C 90.0 GFLOP/s at 300 FLOP", "14.0 GB/s"]),
    "distribution": (draw.distribution, [noise()], ["200 samples", "best 1.00 ms"]),
    "distribution of two": (draw.distribution, [{"a": noise(), "b": noise(50, 0.1)}], ["b: 50 samples, best 100 ms"]),
    "distribution of equals": (draw.distribution, [[1e-6] * 5], ["5 samples, best 1.00 µs, median 1.00 µs"]),
}  # fmt: skip
CURVE = {"xlabel": "elements", "ylabel": "time per call"}
every_figure = pytest.mark.parametrize("name", FIGURES)


def figure(name):
    function, arguments, _ = FIGURES[name]
    return function(*arguments, title="A sentence about it")


@every_figure
def test_is_a_small_opaque_picture_on_white(name):
    drawn = figure(name)
    assert len(drawn.png) < 60_000
    picture = Image.open(io.BytesIO(drawn.png))
    assert picture.width == 700
    assert 100 < picture.height < 900
    pixels = picture.convert("RGBA")
    assert all(
        pixels.getpixel(spot) == (255, 255, 255, 255) for spot in [(0, 0), (699, 0), (0, picture.height - 1)]
    )
    ink = np.asarray(picture.convert("L")) < 128
    assert ink.mean() > 0.005
    assert not ink[:, [0, -1]].any(), "something is cut off at the left or right"
    assert not ink[[0, -1]].any(), "something is cut off at the top or bottom"


@every_figure
def test_says_in_words_what_it_shows(name):
    drawn = figure(name)
    assert drawn.alt.startswith("A sentence about it.")
    assert machine().caption in drawn.alt
    for fact in FIGURES[name][2]:
        assert fact in drawn.alt


def test_displays_as_a_picture_with_alternative_text():
    drawn = figure("ladder")
    data, metadata = drawn._repr_mimebundle_()
    assert data == {"image/png": drawn.png, "text/plain": drawn.alt}
    assert metadata == {"image/png": {"alt": drawn.alt}}
    assert str(drawn) == drawn.alt


def test_the_same_data_give_the_same_picture(tmp_path):
    figure("roofline").save(tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").read_bytes() == figure("roofline").png


def test_leaves_pyplot_alone():
    check = "import sys; from workbench.draw import ladder; ladder({'a': 1}, title='t'); print('matplotlib.pyplot' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", check],
        cwd=notebook_files.NOTEBOOKS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "False\n"


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "draw_it",
    [
        lambda bad: draw.ladder({"good": 1, "bad one": bad}, title="t"),
        lambda bad: draw.ladder({"bad one": 1}, title="t", ceiling=bad),
        lambda bad: draw.cost_strip({"bad one": bad}, title="t"),
        lambda bad: draw.scaling_curve({"bad one": {1: 1.0, 2: bad}}, title="t"),
        lambda bad: draw.roofline(PEAK, {"bad one": (bad, 1e9)}, title="t"),
        lambda bad: draw.distribution([1e-3, bad], title="t"),
        lambda bad: draw.curve([1, bad], {"a": [1, 2]}, title="t", logx=True, **CURVE),
    ],
)
def test_what_a_logarithm_cannot_show_is_refused_by_name(draw_it, bad):
    with pytest.raises(ValueError, match=rf"needs positive.*is {re.escape(str(bad))}"):
        draw_it(bad)


@pytest.mark.parametrize(
    "draw_it",
    [
        lambda: draw.ladder({}, title="t"),
        lambda: draw.scaling_curve({}, title="t"),
        lambda: draw.timeline({"a": []}, title="t"),
        lambda: draw.timeline({"a": [(1, 1)]}, title="t"),
        lambda: draw.timeline({"a": [(2, 1)]}, title="t"),
        lambda: draw.distribution([], title="t"),
        lambda: draw.curve([1, 2], {"a": [1]}, title="t", **CURVE),
        lambda: draw.curve([1, 2], {}, title="t", **CURVE),
    ],
)
def test_nothing_to_draw_is_refused(draw_it):
    with pytest.raises(ValueError, match=r"needs|ends before|values for"):
        draw_it()


def test_a_timeline_shows_turns_shorter_than_a_column_as_half_dark():
    turns = np.array([(i * 2e-5, i * 2e-5 + 1e-5) for i in range(50_000)]) + 7
    assert np.allclose(draw._running(turns, 7, 1, 1000), 0.5, atol=0.01)


def test_a_timeline_is_dark_where_the_lane_ran():
    share = draw._running(np.array([(7.2, 7.5), (7.9, 8.0)]), 7, 1, 10)
    assert np.allclose(share, [0, 0, 1, 1, 1, 0, 0, 0, 0, 1])
    assert np.allclose(draw._running(np.array([(7.25, 7.5)]), 7, 1, 2), [0.5, 0])


def test_spans_that_overlap_count_once():
    drawn = draw.timeline({"a": [(0, 2), (1, 3), (6, 8), (6.5, 7)], "b": [(0, 10)]}, title="t")
    assert "a ran 50% of 10.0 s in 2 spans" in drawn.alt


def test_accepts_what_measure_returns():
    thunks = {"sum": lambda: sum(range(200)), "loop": lambda: sum(i + 0 for i in range(200))}
    raced = race(thunks, budget=0.05)
    drawn = draw.ladder(raced, title="t")
    assert f"sum {draw.times(1)}" in drawn.alt
    assert f"loop {draw.times(float(raced.ratio('loop')))}" in drawn.alt
    timing = measure(sum, range(100), budget=0.02)
    assert f"{len(timing.seconds)} samples" in draw.distribution(timing, title="t").alt
    assert draw.duration(timing.median) in draw.cost_strip({"sum": timing}, title="t").alt
    scaled = scaling(lambda n: sum(range(1000)), [1, 2], budget=0.05)
    assert "2 workers" in draw.scaling_curve(scaled, title="t").alt
    assert "threads: 1 worker" in draw.scaling_curve({"threads": scaled}, title="t").alt


def test_curve_with_bands_gaps_and_units():
    lines = {
        "threads": ([1e-6, 2e-6, 4e-3], [0.9e-6, 1e-6, 3e-3], [2e-6, 3e-6, 5e-3]),
        "process": [None, 1e-3, 1e-3],
    }
    drawn = draw.curve(
        [1, 10, 100], lines, title="t", logx=True, logy=True, hline=(1e-3, "a millisecond"), **CURVE
    )
    assert "threads: 1 gives 1.00 µs, 10 gives 2.00 µs, 100 gives 4.00 ms" in drawn.alt
    assert "line a millisecond at 1.00 ms" in drawn.alt
    assert "nan" not in drawn.alt


@pytest.mark.parametrize(
    ("name", "technique"),
    [
        ("pure Python", "Python"), ("two threads", "thread"), ("multiprocessing", "process"), ("4 processes", "process"),
        ("sub-interpreters", "interpreter"), ("C, one core", "C"), ("Python threads over C", "C"),
        ("free-threaded threads", "free-threaded"), ("hand-written C extension", "C extension"), ("Cython", "Cython"),
    ],
)  # fmt: skip
def test_a_technique_keeps_its_colour(name, technique):
    assert draw.colours_of([name]) == [draw.COLOURS[technique]]


def test_other_names_get_colours_of_their_own():
    first, second, again = draw.colours_of(["load 1", "store", "load 2"])
    assert first == again != second
    assert len(set(draw.colours_of(["threads", "threads, small tasks", "a", "b"], distinct=True))) == 4
    assert draw.colours_of(["Cache", "Cpp"])[0] != draw.COLOURS["C"]


def test_scaling_of_one_round_can_be_drawn():
    timings = {n: Timing(seconds=(1 / n,), calls=1) for n in (1, 2)}
    assert math.isinf(Scaling(timings, cores=2).speedup(2).high)
    assert "2 workers 2.00x" in draw.scaling_curve(Scaling(timings, cores=2), title="t").alt


@pytest.mark.parametrize(
    ("function", "values", "more"),
    [
        (draw.ladder, {"a": 1, "b": 2}, {}),
        (draw.cost_strip, {"a": 1e-6}, {}),
        (draw.scaling_curve, {"threads": {1: 2.0, 2: 1.0}}, {}),
        (draw.timeline, {"a": [(0, 1)]}, {}),
        (draw.curve, [1, 2], {"lines": {"y": [1, 2]}, "xlabel": "n", "ylabel": "m"}),
    ],
)
def test_the_caption_names_the_python_that_was_measured(function, values, more):
    here = function(values, title="A title", **more)
    elsewhere = function(values, title="A title", **more, on="CPython 9.9.9")
    assert here.alt.endswith(f"Measured on {machine().caption}.")
    assert elsewhere.alt.endswith(f"Measured on {machine().hardware}, CPython 9.9.9.")
    assert here.png != elsewhere.png
