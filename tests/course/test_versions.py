"""Statements that hold for some versions of Python only: still in the notebooks, and not outgrown by this Python."""

from __future__ import annotations

import sys

import pytest

import policy


def problems(claims, running, markdown):
    """The lines of the policy about these claims."""
    return [policy._line(policy.VERSIONS, finding) for finding in policy.versions(claims, running, markdown)]


def test_no_claim_is_lost_or_outgrown():
    assert problems(policy.claims(), sys.version_info[:2], policy.prose_of) == []


def test_pre_commit_and_the_command_line_see_them(monkeypatch, capsys):
    lost = CLAIM | {"notebook": policy.course()[0].stem, "text": "what no notebook says"}
    monkeypatch.setattr(policy, "claims", lambda: [lost])
    assert policy.main([]) == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "what no notebook says" in line)
    assert line.startswith("notebooks/versions.toml: ")
    assert "not word for word" in line


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
    assert problems([CLAIM], running, markdown) == []


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
    found = problems([CLAIM | change], running, markdown)
    assert len(found) == 1
    assert expected in found[0]
