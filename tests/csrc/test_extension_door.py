"""csrc/doors/kernels_extension.c, the extension written by hand: what tests/race/test_doors.py asks of every door, it asks too.

Here is what C may get wrong besides: hostile arguments, leaks, several interpreters, no GIL; under sanitizers as well. The
calls are in scripts/extension.py and run in a child.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import builds
import children
import pytest
from test_other_interpreters import on_path
from test_snek_leaks import NO_CACHES, needs_linux

SOURCE = "doors/kernels_extension.c"
needs_own_gil = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="interpreters share one GIL before 3.12"
)


def call(folder: Path, *words: str, **variables: str) -> str:
    """Call a function of the script with the extension of that folder; return what it printed."""
    path = os.pathsep.join([str(folder), children.ENVIRONMENT["PYTHONPATH"]])
    with mock.patch.dict(children.ENVIRONMENT, variables, PYTHONPATH=path):
        return children.run("extension.py", *words)


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the extension as it is."""
    return builds.extension("plain", cc=builds.compiler())


def test_hostile_arguments(built: Path) -> None:
    call(built, "hostile")


@needs_linux
@pytest.mark.parametrize("work", ["good", "bad"])
def test_nothing_leaks(built: Path, work: str) -> None:
    assert call(built, "hunt", work, **NO_CACHES).strip() == ""


def test_interpreters_with_a_gil_of_their_own(built: Path) -> None:
    call(built, "interpreters")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor came with 3.14")
def test_interpreters_of_a_pool(built: Path) -> None:
    call(built, "executor")


def test_it_can_be_loaded_twice(built: Path) -> None:
    call(built, "twice")


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="has a GIL")
def test_the_gil_stays_off(built: Path) -> None:
    call(built, "without_the_gil")


def test_nothing_but_the_table_of_slots_depends_on_the_version() -> None:
    """One file for 3.11 to 3.15: test_snek_build compiles it without warnings here, the others do below."""
    text = (builds.CSRC / SOURCE).read_text(encoding="utf-8")
    assert text.count("PY_VERSION_HEX") == text.count("#if ") == 2


@pytest.mark.slow
def test_hostile_arguments_under_sanitizers() -> None:
    folder = builds.extension("asan", *builds.SANITIZERS)
    call(folder, "hostile", **builds.preloading())


OTHERS = [
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.15",
    "python3.13t",
    "python3.14t",
    "python3.15t",
]


def call_on(python: str, folder: Path, *functions: str, plant: builds.Plant | None = None) -> None:
    """Compile the extension into a folder, with defects, for that Python, and call functions of the script there."""
    builds.copy_of_kernels(folder, plant)
    path = [folder, folder / "doors", Path(__file__).parent, children.SCRIPTS]
    env = {"PYTHONPATH": os.pathsep.join(map(str, path)), "CC": f"{builds.compiler()} -Wall -Wextra -Werror"}
    compiling = f"import extension_door; extension_door.compile_module({str(folder)!r})"
    builds.command(python, "-c", compiling, env=env)
    for function in functions:
        builds.command(python, "-W", "error", children.SCRIPTS / "extension.py", function, env=env)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_on_another_python(name: str, tmp_path: Path) -> None:
    """Compiled there, called there. A free-threaded one keeps its GIL off, with eight threads that call at once."""
    gil = ["without_the_gil"] if name.endswith("t") else []
    call_on(on_path(name), tmp_path, "hostile", "interpreters", "twice", *gil)


@pytest.mark.mutant
@pytest.mark.parametrize("name", [name for name in OTHERS if name.endswith("t")])
def test_a_gil_that_is_turned_on_is_found(name: str, tmp_path: Path) -> None:
    slot = {SOURCE: {"    {Py_mod_gil, Py_MOD_GIL_NOT_USED},\n": ""}}
    with pytest.raises(AssertionError, match="The global interpreter lock"):
        call_on(on_path(name), tmp_path, "without_the_gil", plant=slot)


# What the checks above are for: each of these defects must be found, by that function, and by what is named.
DEFECTS: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "a cast to int": ("hostile", r"assert nop\(x\) ==", {"*value = PyLong_AsLongLong(object);": "*value = (int)PyLong_AsLong(object);"}),
    "-1 taken for an error": ("hostile", "SystemError", {"*value == -1 && PyErr_Occurred()": "*value == -1"}),
    "an error taken for -1": ("hostile", "the child ended with status", {"*value == -1.0 && PyErr_Occurred()": "*value == -1.5"}),
    "any format": ("hostile", "not TypeError", {"strchr(kind->formats, format[0]) == NULL": "format[0] == 'x'"}),
    "the other byte order": ("hostile", "its items are others", {"(PY_LITTLE_ENDIAN ? '<' : '>')": "'>'"}),
    "any itemsize": ("hostile", "not TypeError", {"bytes != kind->itemsize": "bytes == 0"}),
    "any number of dimensions": ("hostile", "not TypeError", {"view->ndim != kind->dimensions": "view->ndim == 9"}),
    "a product that overflows": ("hostile", "not TypeError", {"view->shape[k] < 0 || (view->shape[k] > 0 && bytes > PY_SSIZE_T_MAX / view->shape[k])": "view->shape[k] < -9"}),
    "a length below zero": ("hostile", "not TypeError", {"view->shape[k] < 0 || ": ""}),
    "a shape beyond the memory": ("hostile", "not TypeError", {"bytes != view->len": "bytes < 0"}),
    "gaps": ("hostile", "not TypeError", {"!PyBuffer_IsContiguous(view, 'C')": "view->ndim == 9"}),
    "an odd address": ("hostile", "not TypeError", {"(uintptr_t)view->buf % (size_t)kind->itemsize != 0": "view->ndim == 9"}),
    "a read-only picture": ("hostile", "not BufferError", {"buffer of int32\", PyBUF_FULL,": "buffer of int32\", PyBUF_FULL_RO,"}),
    "any number of arguments": ("hostile", "the child ended with status -", {"nargs != (threaded ? ALL : THREADS)": "nargs == 99"}),
    "a picture held too early": ("hostile", "not ValueError", {
        "    if (convert_integer(args[MAX_ITER], &max_iter) < 0 || ": "    if (buffer_acquire(args[COUNTS], &picture, &view) < 0 || convert_integer(args[MAX_ITER], &max_iter) < 0 || ",
        " ||\n        buffer_acquire(args[COUNTS], &picture, &view) < 0) {": ") {",
    }),
    "a result in spite of an error": ("hostile", "not ValueError", {"    if (status == 0) {": "    if (status <= 0) {"}),
    "a fib in spite of an error": ("hostile", "not ValueError", {"    if (result < 0) {": "    if (result < -1) {"}),
    "a picture that is not released": ("hunt good", "references to counts", {"    }\n    PyBuffer_Release(&view);\n    return result;": "    }\n    return result;"}),
    "doubles that are not released": ("hunt good", "references to ones", {"    PyBuffer_Release(&view);\n    return PyFloat": "    return PyFloat"}),
    "what will not do is not released": ("hunt bad", "references to ones", {"    PyBuffer_Release(view);\n": ""}),
    "one reference too many": ("hunt good", "references to counts", {"result = Py_NewRef(args[COUNTS]);": "result = Py_NewRef(Py_NewRef(args[COUNTS]));"}),
    "a number that is not released": ("hunt good", "blocks of Python's memory", {"return convert_integer(argument, &x) < 0 ? NULL": "return Py_NewRef(argument), convert_integer(PyNumber_Index(argument), &x) < 0 ? NULL"}),
    "no word of interpreters": ("interpreters", "does not support loading in subinterpreters", {"    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},\n": ""}),
    "one module for all": ("twice", "AssertionError", {"    return PyModuleDef_Init(&extension_module);": "    static PyObject *only;\n\n    if (only == NULL) {\n        extension_module.m_slots = NULL;\n        only = PyModule_Create(&extension_module);\n    }\n    return Py_XNewRef(only);"}),
}  # fmt: skip


def with_defect(name: str) -> Path:
    number = list(DEFECTS).index(name)
    return builds.extension(f"defect{number}", cc=builds.compiler(), plant={SOURCE: DEFECTS[name][2]})


@pytest.mark.mutant
@needs_linux
@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defects_are_found(name: str, defective) -> None:
    words, complaint, _ = DEFECTS[name]
    if words == "interpreters" and sys.version_info < (3, 12):
        pytest.skip("interpreters share one GIL before 3.12")
    if words.startswith("hunt"):
        assert complaint in call(defective(name), *words.split(), **NO_CACHES).splitlines()
    else:
        with pytest.raises(AssertionError, match=complaint):
            call(defective(name), words)


@pytest.mark.mutant
@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("double at[MAX_ITER];", "double at[YMAX];", "stack-buffer-overflow"),
        ("bytes > PY_SSIZE_T_MAX / view->shape[k]", "bytes * view->shape[k] < 0", "signed integer overflow"),
    ],
    ids=["out of bounds", "overflow"],
)
def test_the_sanitizers_find_a_defect(good: str, bad: str, complaint: str) -> None:
    name = f"asan-{complaint.split()[0]}"
    folder = builds.extension(name, *builds.SANITIZERS, plant={SOURCE: {good: bad}})
    with pytest.raises(AssertionError, match=complaint):
        call(folder, "hostile", **builds.preloading())
