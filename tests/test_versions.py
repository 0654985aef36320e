"""Statements that hold for some versions of Python only: still in the notebooks, and not outgrown by this Python."""

from __future__ import annotations

import sys
import tomllib

import pytest

import notebook_files


def version(text):
    return tuple(int(part) for part in text.split("."))


def problems(claims, running, markdown):
    """What is wrong with these claims; `markdown(notebook)` returns the sources of its Markdown cells, or None."""
    for claim in claims:
        name = f"{claim['notebook']}: {claim['text'][:60]!r}"
        cells = markdown(claim["notebook"])
        if cells is None:
            yield f"{name}: there is no such notebook"
        elif not any(claim["text"] in cell for cell in cells):
            yield f"{name}: is not word for word in a Markdown cell: change notebooks/versions.toml with the sentence"
        if version(claim["first"]) > version(claim["last"]):
            yield f"{name}: first {claim['first']} is after last {claim['last']}"
        if running > version(claim["last"]):
            yield (
                f"{name}: was checked up to Python {claim['last']}, this is {running[0]}.{running[1]}: read {claim['source']}"
                " again, then change the sentence or `last`"
            )
        if not claim["source"].startswith("https://"):
            yield f"{name}: the source is not an address"


def markdown_of(name):
    path = notebook_files.NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        return None
    return [cell.source for cell in notebook_files.read(path).cells if cell.cell_type == "markdown"]


def test_no_claim_is_lost_or_outgrown():
    claims = tomllib.loads((notebook_files.NOTEBOOKS / "versions.toml").read_text(encoding="utf-8")).get(
        "claim", []
    )
    assert list(problems(claims, sys.version_info[:2], markdown_of)) == []


CLAIM = {
    "notebook": "02_the_gil",
    "text": "the default since 3.14",
    "first": "3.14",
    "last": "3.15",
    "source": "https://docs.python.org/3/whatsnew/3.14.html",
}


def markdown(name):
    return {"02_the_gil": ["# The GIL", "forkserver is the default since 3.14 on Linux."]}.get(name)


@pytest.mark.parametrize("running", [(3, 11), (3, 14), (3, 15)])
def test_a_true_claim_passes(running):
    assert list(problems([CLAIM], running, markdown)) == []


@pytest.mark.parametrize(
    ("change", "running", "expected"),
    [
        ({}, (3, 16), "was checked up to Python 3.15, this is 3.16"),
        ({"last": "3.9", "first": "3.8"}, (3, 10), "was checked up to Python 3.9"),  # not compared as text
        ({"text": "the default since 3.13"}, (3, 14), "not word for word"),
        ({"notebook": "99_gone"}, (3, 14), "no such notebook"),
        ({"first": "3.16"}, (3, 14), "is after last"),
        ({"source": "a colleague"}, (3, 14), "not an address"),
    ],
)
def test_a_claim_that_does_not_hold_is_flagged(change, running, expected):
    found = list(problems([CLAIM | change], running, markdown))
    assert len(found) == 1
    assert expected in found[0]
