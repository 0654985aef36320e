"""`workbench.compile`: what `cc` builds, says and remembers, and the magics `%%c` and `%%cext`."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import uuid
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from traitlets.config import Config

from workbench import compile as under_test
from workbench.compile import CompileError, Library, cc, load_extension
from workbench.compiler import find_compiler
from workbench.run import run_python

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
pytestmark = pytest.mark.skipif(find_compiler() is None, reason="no C compiler")

TWICE = "int twice(int x) { return 2 * x; }\n"
MODULE = """#include <Python.h>
static PyObject *value(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored)) { return PyLong_FromLong(VALUE); }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "NAME", .m_size = SIZE, .m_methods = methods};
PyMODINIT_FUNC PyInit_NAME(void) { return CREATE(&definition); }
"""


def module(name: str, value: str, create: str = "PyModuleDef_Init") -> str:
    """C of an extension module with one function, initialised in several phases or in one (`PyModule_Create`)."""
    size = "0" if create == "PyModuleDef_Init" else "-1"
    replaced = {"NAME": name, "VALUE": value, "CREATE": create, "SIZE": size}
    return re.sub(r"\b(NAME|VALUE|CREATE|SIZE)\b|(?<=PyInit_)NAME", lambda m: replaced[m[0]], MODULE)


@pytest.fixture(autouse=True)
def cells(tmp_path, monkeypatch) -> Path:
    """Builds go to a fresh folder, so nothing is built already."""
    folder = tmp_path / "a folder" / "cells"
    folder.mkdir(parents=True)
    monkeypatch.setattr(under_test, "_cells", lambda: folder)
    return folder


# cc ----------------------------------------------------------------------------------------------------------


def test_the_lower_half_of_a_module_can_be_included():
    half = "#include <Python.h>\nstatic PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};\n"
    strict = ["-I", NOTEBOOKS / "workbench", "-Werror", "-Wmissing-prototypes", "-Wconversion", "-Wshadow"]
    path = cc(
        f'{half}#define MODULE nether\n#include "module.h"\n', kind="extension", name="nether", flags=strict
    )
    assert load_extension("nether", path).__name__ == "nether"
    with pytest.raises(CompileError, match="#define MODULE name"):
        cc(f'{half}#include "module.h"\n', kind="extension", name="nether", flags=strict)


def test_a_shared_library_can_be_loaded():
    assert ctypes.CDLL(str(cc(TWICE))).twice(21) == 42


def test_an_executable_runs():
    program = cc('#include <stdio.h>\nint main(void) { puts("hello"); }', kind="executable", name="greet")
    assert program.name == "greet"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "hello\n"


def test_libraries_are_linked():
    path = cc("#include <math.h>\ndouble f(double x) { return cos(x); }", libraries=["m"])
    f = ctypes.CDLL(str(path)).f
    f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double]
    assert f(0.0) == 1.0


@pytest.mark.parametrize("kind", ["shared", "extension", "executable"])
def test_the_printed_command_builds_the_same_thing_when_it_is_pasted(kind, capsys):
    source = "int main(void) { return 0; }" if kind == "executable" else module("spam", "1")
    if kind == "shared":
        source = TWICE
    path = cc(source, kind=kind, name="spam")
    command = capsys.readouterr().out.removeprefix("$ ").rpartition("\nspam")[0]
    built = path.read_bytes()
    path.unlink()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", command], cwd=path.parent, env=environment, check=True)
    assert path.read_bytes() == built


def test_nothing_printed_shows_where_this_machine_keeps_things(capsys):
    cc(module("spam", "1"), kind="extension", name="spam")
    cc(NOTEBOOKS / "workbench" / "probe.c", kind="executable", flags="-pthread")
    out = capsys.readouterr().out
    assert not re.search(r"(?<![\w.])/\w+/", re.sub(r"\.\./[\w./ -]*", "", out)), out


def test_the_second_time_nothing_is_compiled_and_the_warnings_are_shown_again(capsys):
    source = "int f(void) { int unused; return 1; }\n"
    first = cc(source)
    out = capsys.readouterr().out
    made = first.stat().st_mtime_ns
    assert cc(source) == first
    again = capsys.readouterr().out
    assert first.stat().st_mtime_ns == made
    assert "cell.c:1:" in out
    assert "unused variable" in out
    assert ", compiled in " in out
    assert ", already built, " in again
    assert out.rpartition("\ncell.")[0] == again.rpartition("\ncell.")[0]


def test_show_false_prints_nothing(capsys):
    cc("int f(void) { int unused; return 1; }\n", show=False)
    assert capsys.readouterr().out == ""


def test_every_ingredient_changes_the_build():
    builds = [
        cc(TWICE),
        cc(TWICE + " "),
        cc(TWICE, name="other"),
        cc(TWICE, flags="-O0"),
        cc(TWICE, flags=["-g"]),
        cc(TWICE, libraries=["m"]),
        cc("int main(void) { return 0; }", kind="executable"),
    ]
    assert len({path.parent for path in builds}) == len(builds)


def test_the_compiler_changes_the_build(monkeypatch):
    first = cc(TWICE)
    compiler = find_compiler()
    newer = type(compiler)(compiler.command, compiler.name, compiler.version + ".1")
    monkeypatch.setattr(under_test, "find_compiler", lambda: newer)
    assert cc(TWICE) != first


@pytest.mark.parametrize(("flags", "expected"), [("", "-O3"), ("-O0", "-O0"), ("-g -Os", "-Os")])
def test_a_level_of_optimisation_replaces_the_default(flags, expected, capsys):
    cc(TWICE, flags=flags)
    command = capsys.readouterr().out.partition("\n")[0]
    assert re.findall(r" (-O\w)", command) == [expected]


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "text"])
def test_a_changed_header_compiles_again(as_file, tmp_path):
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "outer.h").write_text('#include "inner.h"\n')
    inner = tmp_path / "include" / "inner.h"
    source = "#  include <outer.h>\nint value(void) { return VALUE; }\n"
    if as_file:
        (tmp_path / "v.c").write_text(source)
        source = tmp_path / "v.c"
    found = []
    for value in (1, 2):
        inner.write_text(f"#define VALUE {value}\n")
        found.append(ctypes.CDLL(str(cc(source, flags=[f"-I{tmp_path / 'include'}"]))).value())
    assert found == [1, 2]


def test_paths_among_the_flags_are_relative_to_the_current_directory(tmp_path, monkeypatch):
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "one.c").write_text('#include "one.h"\nint one(void) { return ONE; }\n')
    (tmp_path / "helpers" / "one.h").write_text("#define ONE 1\nint one(void);\n")
    monkeypatch.chdir(tmp_path)
    source = '#include "one.h"\nint two(void) { return one() + ONE; }\n'
    for flags in ("-Ihelpers helpers/one.c", "-I helpers helpers/one.c"):
        assert ctypes.CDLL(str(cc(source, flags=flags))).two() == 2
    Path("helpers/one.c").write_text('#include "one.h"\nint one(void) { return 10; }\n')
    assert ctypes.CDLL(str(cc(source, flags=flags))).two() == 11


def test_several_files_make_one_library(tmp_path):
    (tmp_path / "a.c").write_text("int a(void);\nint a(void) { return 1; }\n")
    (tmp_path / "b.c").write_text("int a(void);\nint b(void) { return a() + 1; }\n")
    path = cc([tmp_path / "a.c", tmp_path / "b.c"])
    assert path.stem == "a"
    assert ctypes.CDLL(str(path)).b() == 2


def test_an_error_is_the_compilers_own_with_a_short_name():
    with pytest.raises(CompileError, match=r"(?m)^square\.c:2:\d+: error: ") as caught:
        cc("double square(double x) {\n    return x * y;\n}\n", name="square")
    shown = caught.value._render_traceback_()
    assert len(shown) == 1
    assert shown[0].startswith("CompileError: square.c:")


def test_a_build_that_was_interrupted_starts_again():
    path = cc(TWICE)
    path.write_bytes(b"half a library")
    (path.parent / under_test.MESSAGES).unlink()
    assert ctypes.CDLL(str(cc(TWICE))).twice(1) == 2
    path.unlink()
    assert cc(TWICE).exists()


def test_processes_that_build_the_same_thing_at_once_compile_it_once(cells, tmp_path):
    slow = tmp_path / "slow-cc"
    slow.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || sleep 1\nexec {shlex.join(find_compiler().command)} "$@"\n'
    )
    slow.chmod(0o755)
    code = f"""
import ctypes
from pathlib import Path
from workbench import compile
compile._cells = lambda: Path({str(cells)!r})
assert ctypes.CDLL(str(compile.cc({TWICE!r}))).twice(1) == 2
"""
    command = [sys.executable, "-c", code]
    environment = os.environ | {
        "PYTHONPATH": str(NOTEBOOKS),
        "CC": str(slow),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(", compiled in " in output for output in outputs) == 1


@pytest.mark.parametrize(
    "arguments", [{"kind": "object"}, {"name": "../x"}, {"name": "a b"}, {"name": "-o"}], ids=str
)
def test_what_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match=r"kind is|name is"):
        cc(TWICE, **arguments)


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.c"):
        cc(Path("nowhere.c"))


def test_without_a_compiler_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(under_test, "find_compiler", lambda: None)
    with pytest.raises(CompileError, match=r"no C compiler .*`\./build\.sh setup`"):
        cc(TWICE)


def test_without_headers_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(under_test.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(CompileError, match=r"no C headers .*`.*3\.\d+.*` brings them"):
        cc(module("spam", "1"), kind="extension", name="spam")


def test_where_the_repository_cannot_be_written_a_folder_of_ones_own_is_used(monkeypatch, tmp_path):
    monkeypatch.undo()
    (tmp_path / "build").write_text("not a folder")
    monkeypatch.setattr(under_test, "REPOSITORY", tmp_path)
    monkeypatch.setattr(under_test.tempfile, "tempdir", str(tmp_path))
    path = cc(TWICE, show=False)
    mine = path.parents[2]
    assert mine.parent == tmp_path.resolve()
    assert mine.stat().st_mode & 0o077 == 0
    assert ctypes.CDLL(str(path)).twice(3) == 6


def test_builds_go_to_an_ignored_folder_of_the_repository(monkeypatch):
    monkeypatch.undo()
    assert under_test._cells() == (NOTEBOOKS.parent / "build" / "cells").resolve()


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed")
def test_zig_compiles_without_another_compiler(monkeypatch, capsys):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert ctypes.CDLL(str(cc("int over(int x) { return x + 1; }", flags="-O0"))).over(2**31 - 1) == -(2**31)
    assert capsys.readouterr().out.startswith("$ python3 -m ziglang cc ")
    assert cc(module("spam", "1"), kind="extension", name="spam").exists()


# Loading ------------------------------------------------------------------------------------------------------


def test_a_library_hides_its_folder():
    library = Library(cc(TWICE, name="twice"))
    assert repr(library) == f"<Library {library.path.name}>"
    with pytest.raises(AttributeError) as caught:
        library.thrice  # noqa: B018
    assert "thrice" in str(caught.value)
    assert str(library.path.parent) not in str(caught.value)


def test_a_library_can_be_given_to_a_child():
    library = Library(cc(TWICE, name="twice"))
    report = run_python("import ctypes; found = ctypes.CDLL(there).twice(21)", give={"there": library}, take=["found"])
    assert report.values == {"found": 42}


def test_a_library_that_does_not_load_says_so_in_one_line(tmp_path):
    (tmp_path / "broken.so").write_bytes(b"not a library")
    with pytest.raises(CompileError, match="doesn't load: ") as caught:
        Library(tmp_path / "broken.so")
    assert str(tmp_path) not in str(caught.value)


# The magics ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shell():
    """An IPython with `%load_ext workbench`, that leaves no history file behind."""
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    made.run_line_magic("load_ext", "workbench")
    yield made
    for name in ("spam", "eggs"):
        sys.modules.pop(name, None)


def run(shell: InteractiveShell, cell: str) -> BaseException | None:
    """Run a cell as the notebook does; what it raised."""
    return shell.run_cell(cell).error_in_exec


def test_a_cell_becomes_a_library_and_a_changed_cell_replaces_it(shell):
    for factor in (2, 3, 2):
        assert run(shell, f"%%c times\nint times(int x) {{ return {factor} * x; }}\n") is None
        assert shell.user_ns["times"].times(7) == 7 * factor
        assert shell.user_ns["times"].path.is_file()


def test_flags_on_the_line_reach_the_compiler_and_changing_them_compiles_again(shell):
    source = "\nint value(void) { return VALUE; }\nconst char *text(void) { return TEXT; }\n"
    paths = set()
    for line in ("%%c v -DVALUE=1 '-DTEXT=\"a b\"'", "%%c v -DVALUE=2 '-DTEXT=\"a b\"' -l m -O0"):
        assert run(shell, line + source) is None
        library = shell.user_ns["v"]
        library.text.restype = ctypes.c_char_p
        paths.add(library.path)
        assert library.text() == b"a b"
    assert library.value() == 2
    assert len(paths) == 2


@pytest.mark.parametrize("magic", ["c", "cext"])
def test_errors_have_the_line_numbers_of_the_cell(shell, magic):
    cell = f"%%{magic} spam -O0\n#include <stddef.h>\nint f(void) {{\n    return nothing;\n}}\n"
    wrong = 1 + next(i for i, line in enumerate(cell.splitlines()) if "nothing" in line)
    error = run(shell, cell)
    assert isinstance(error, CompileError)
    assert re.search(rf"spam\.c:{wrong}:\d+: error: ", str(error))
    assert "spam" not in shell.user_ns


@pytest.mark.parametrize("create", ["PyModuleDef_Init", "PyModule_Create"])
def test_a_changed_extension_module_is_loaded_without_a_restart(shell, create):
    seen = []
    for value in ("1", "2", "1"):
        assert run(shell, "%%cext spam\n" + module("spam", value, create)) is None
        assert shell.user_ns["spam"] is sys.modules["spam"]
        run(shell, "import spam\nvalue = spam.value()")
        seen.append(shell.user_ns["value"])
    assert seen == [1, 2, 1]


def test_an_unchanged_extension_module_is_the_same_object(shell):
    cell = "%%cext spam\n" + module("spam", "1")
    run(shell, cell)
    first = shell.user_ns["spam"]
    run(shell, "%%cext eggs\n" + module("eggs", "5"))
    run(shell, cell)
    assert shell.user_ns["spam"] is first
    assert (first.value(), shell.user_ns["eggs"].value()) == (1, 5)


def test_an_extension_that_does_not_load_says_why_in_one_line(shell, cells):
    error = run(shell, "%%cext spam\n" + module("eggs", "1"))
    assert isinstance(error, CompileError)
    assert "PyInit_spam" in str(error)
    error = run(
        shell,
        "%%cext spam\n#define nowhere() nowhere_()\nextern long nowhere_(void);\n"
        + module("spam", "nowhere()"),
    )
    assert isinstance(error, CompileError)
    assert "nowhere_" in str(error)
    assert str(cells) not in str(error)


def test_an_exception_of_the_module_itself_comes_through(shell):
    failing = 'static PyModuleDef *fail(PyModuleDef *d) { (void)d; PyErr_SetString(PyExc_KeyError, "mine"); return NULL; }\n'
    source = module("spam", "1").replace("PyMODINIT_FUNC", failing + "PyMODINIT_FUNC")
    source = source.replace("return PyModuleDef_Init(&definition)", "return (PyObject *)fail(&definition)")
    assert isinstance(run(shell, "%%cext spam\n" + source), KeyError)


@pytest.mark.parametrize(
    "line",
    ["%%c", "%%c 3", "%%c -O0", "%%cext", "%%cext math", "%%cext numpy", "%%cext workbench", "%%c 'x"],
    ids=str,
)
def test_a_line_without_a_usable_name_is_refused_before_compiling(shell, cells, line, capsys):
    pytest.importorskip("numpy")
    assert run(shell, f"{line}\nint x;\n") is not None
    assert "UsageError" in capsys.readouterr().err
    assert not list(cells.iterdir())
    assert sys.modules["math"].sqrt(4) == 2


def test_in_a_notebook_an_error_in_c_shows_no_python(tmp_path):
    unique = uuid.uuid4().hex
    cells = [
        "%load_ext workbench",
        f"%%c spam\n/* {unique} */\nint f(void) {{ return y; }}\n",
        f"%%c spam\n/* {unique} */\nint f(void) {{ return 8; }}\n",
        "spam, spam.f()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    client = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(NOTEBOOKS)}})
    client.execute()
    *_, error = notebook.cells[1].outputs
    assert (error.output_type, error.ename) == ("error", "CompileError")
    assert "spam.c:3:" in error.evalue
    assert "Traceback" not in "".join(error.traceback)
    assert ".py" not in "".join(error.traceback)
    assert re.fullmatch(r"\(<Library spam\.\w+>, 8\)", notebook.cells[3].outputs[0].data["text/plain"])
    assert str(NOTEBOOKS.parent) not in str([cell.outputs for cell in notebook.cells])
