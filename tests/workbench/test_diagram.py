"""The diagrams: what they say in words is what they were given, and they stay small."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from workbench.diagram import Way, crossings

WAYS = {
    "pickled": Way("notebook", sent=201_000_000, returned=50_000),
    "shared memory": Way("segment", sent=645, returned=50_000),
    "memory-mapped file": Way("file", sent=893, returned=50_000),
    "threads": Way("threads"),
}


def test_says_who_has_the_data_and_what_crossed():
    alt = crossings(WAYS, title="Pickling sends everything").alt
    assert alt.startswith("Pickling sends everything. ")
    assert "each worker gets a copy of its share, 201 MB sent, 50.0 kB returned" in alt
    assert "shared memory: the data is in a segment that all processes map, 645 B sent" in alt
    assert "the data is in a file that all processes map, 893 B sent" in alt
    assert "threads of the process that has the data, 0 B sent" in alt


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_is_a_small_picture_700_pixels_wide(count):
    figure = crossings(dict(list(WAYS.items())[:count]), title="One panel a way")
    assert len(figure.png) < 60_000
    assert Image.open(io.BytesIO(figure.png)).width == 700


def arrow_pixels(sent):
    figure = crossings({"pickled": Way("notebook", sent)}, title="")
    picture = Image.open(io.BytesIO(figure.png)).convert("L")
    return sum(picture.histogram()[:60])


def test_more_bytes_make_a_thicker_arrow():
    assert arrow_pixels(10**9) > arrow_pixels(10**6) > arrow_pixels(10**3)


def test_refuses_nonsense():
    with pytest.raises(ValueError, match="at least one"):
        crossings({}, title="Nothing")
    with pytest.raises(ValueError, match="pickled"):
        crossings({"pickled": Way("notebook", sent=-5)}, title="Less than nothing")
