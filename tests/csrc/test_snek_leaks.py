"""Nothing leaks: references, blocks of Python's memory, C memory, threads or file descriptors.

By the idea of CPython's `regrtest -R`: run a piece of work a few times to warm up, then several times more, and look at
what grew each time. Growth in every single round is a leak; growth in some of them is a cache or chance.
"""

import os
import sys
from unittest import mock

import ahead
import builds
import children
import pytest

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and mallinfo2")

# What glibc's malloc keeps in a thread's cache counts as in use, and the caches fill up for a dozen rounds.
NO_CACHES = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


def hunt(work: str) -> str:
    """Run one of the pieces of work in a child and return what leaks, a line each."""
    with mock.patch.dict(children.ENVIRONMENT, NO_CACHES):
        return children.run("leaks.py", "hunt", work).strip()


@needs_linux
@pytest.mark.parametrize("work", ["good", "bad", "interrupted"])
def test_nothing_leaks(work):
    assert hunt(work) == ""


# The hunt is worth something if it finds what was lost on purpose.
LEAKS = {
    "a buffer that is not released": (
        {"extensions/mandelbrot.c": {"    PyBuffer_Release(&view);\n": ""}},
        "good",
        "references to out",
    ),
    "a buffer not released after an error": (
        {"extensions/buffers.h": {"    PyBuffer_Release(view);\n": ""}},
        "bad",
        "blocks of Python's memory",
    ),
    "a number not released": (
        {"extensions/parser.h": {"    Py_DECREF(integer);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
    "one reference too many": (
        {"extensions/fib.c": {"    return Py_NewRef(x);": "    Py_INCREF(x);\n    return Py_NewRef(x);"}},
        "good",
        "references to out",
    ),
    "C memory": ({"kernels/pool.c": {"    free(job);\n": "    (void)job;\n"}}, "good", "bytes of C memory"),
    "a file of lines": (
        {"extensions/stations.c": {"        close(self->lines.file);\n": ""}},
        "good",
        "file descriptors",
    ),
    "a file that will not do": (
        {
            "extensions/stations.c": {
                "        close(lines->file);\n        return why;": "        return why;"
            }
        },
        "bad",
        "file descriptors",
    ),
    "a buffer of lines": (
        {"extensions/stations.c": {"        PyBuffer_Release(&self->view);\n    }\n}": "    }\n}"}},
        "good",
        "references to lines",
    ),
    "a buffer of every other byte": (
        {
            "extensions/stations.c": {
                "        PyBuffer_Release(&self->view);\n        return": "        return"
            }
        },
        "bad",
        "references to lines",
    ),
    "what the lines come to": (
        {"extensions/stations.c": {"    stations_release(found);\n": ""}},
        "good",
        "bytes of C memory",
    ),
    "what a name is given": (
        {"extensions/stations.c": {"        Py_XDECREF(value);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
    "a name": (
        {"extensions/stations.c": {"        Py_XDECREF(name);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
    "an encoded path": (
        {"extensions/stations.c": {"    Py_XDECREF(encoded);\n": ""}},
        "good",
        "blocks of Python's memory",
    ),
}


def with_defect(number, plant):
    """Return the folder of a build of snek that has a defect."""
    return builds.snek(f"leak{number}", "-O1", cc=builds.compiler(), plant={**builds.PORTABLE_ONLY, **plant})


@pytest.fixture(scope="module")
def defective(request):
    """Give the folder of a build of snek with that leak."""
    return ahead.outcomes(
        request,
        ["test_planted_leaks_are_found"],
        "name",
        lambda name: with_defect(list(LEAKS).index(name), LEAKS[name][0]),
    )


def hunt_in(monkeypatch, folder, work):
    """Run the work with the snek of that folder."""
    path = os.pathsep.join([str(folder), children.ENVIRONMENT["PYTHONPATH"]])
    monkeypatch.setitem(children.ENVIRONMENT, "PYTHONPATH", path)
    return work()


@pytest.mark.mutant
@needs_linux
@pytest.mark.parametrize("name", LEAKS)
def test_planted_leaks_are_found(name, monkeypatch, defective):
    _, work, found = LEAKS[name]
    assert found in hunt_in(monkeypatch, defective(name), lambda: hunt(work)).splitlines()


# An import leaves blocks behind whatever is imported, textwrap for one: so a module's state is watched by name.


def references_to_the_state() -> int:
    """Return how many references to a module's state are left when the module is gone."""
    return int(children.run("module_state.py", "references_left"))


def test_a_module_lets_go_of_its_state():
    assert references_to_the_state() == 1  # the name


@pytest.mark.mutant
def test_a_state_that_is_not_let_go_is_found(monkeypatch):
    plant = {
        "extensions/snekmodule.c": {
            "    Py_CLEAR(snek_get_state(module)->kernel_names);\n": "    (void)module;\n"
        }
    }
    assert hunt_in(monkeypatch, with_defect(len(LEAKS), plant), references_to_the_state) == 2
