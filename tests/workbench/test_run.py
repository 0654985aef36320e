"""`workbench.run` and `workbench.interpreters`: children that crash, hang and fork, and the other Pythons found."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from workbench import interpreters as looking
from workbench.interpreters import Interpreter, MissingInterpreter, find_python, interpreters, missing
from workbench.run import KEPT, run_python

REPOSITORY = Path(__file__).resolve().parents[2]
OTHERS = [each for each in interpreters() if each.path != sys.executable]


def gone(pid: int) -> bool:
    """Whether the process ends within two seconds; a zombie, waiting to be collected, has ended."""
    for _ in range(40):
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True
        ).stdout.strip()
        if not state or state.startswith("Z"):
            return True
        time.sleep(0.05)
    return False


# How a child ends -----------------------------------------------------------------------------------------------


def test_a_normal_end_shows_the_output_alone():
    report = run_python("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (report.stdout, report.stderr, report.returncode) == ("out\n", "err\n", 0)
    assert (report.signal, report.timed_out, report.left_behind) == (None, False, False)
    assert str(report) == repr(report) == "out\nerr"


def test_a_segmentation_fault_is_reported_with_the_line_of_the_cell():
    pytest.importorskip("numpy")
    report = run_python("\nimport ctypes, numpy\nprint('before')\nctypes.string_at(0)\n", take=["ctypes"])
    assert "Extension modules: numpy" in report.stderr
    assert (report.signal, report.returncode) == ("SIGSEGV", -signal.SIGSEGV)
    assert report.values == {}
    output, ending, _, crash = str(report).split("\n", 3)
    assert output == "before"
    assert ending.startswith("The child process died of SIGSEGV (signal 11) after ")
    assert 'File "cell.py", line 4 in <module>' in crash
    assert "0x" not in crash
    assert "C stack" not in crash
    assert "Extension modules" not in crash


def test_an_abort_deep_in_python_code_is_reported_too():
    report = run_python("def f(): os.abort()\nimport os\nf()\n")
    assert report.signal == "SIGABRT"
    assert "in f" in report.stderr


def test_a_hang_is_stopped_and_the_report_says_where_every_thread_was():
    source = """
import threading
lock = threading.Lock()
def wait_for_ever():
    lock.acquire()
lock.acquire()
threading.Thread(target=wait_for_ever, daemon=True).start()
print("so far", flush=True)
lock.acquire()
"""
    report = run_python(source, timeout=1.5)
    assert report.timed_out
    assert 1.5 <= report.seconds < 30
    assert str(report).startswith("so far\nStopped after 1.5")
    assert 'File "cell.py", line 5 in wait_for_ever' in report.stderr
    assert 'File "cell.py", line 9 in <module>' in report.stderr


def test_a_hang_that_ignores_signals_is_stopped_with_its_children():
    source = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), sleeper.pid)
time.sleep(600)
"""
    report = run_python(source, timeout=2)
    assert report.timed_out
    pids = [int(pid) for pid in report.stdout.split()]
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_a_fork_where_both_go_on_shows_both_and_brings_back_the_parents_values():
    source = """
import os, time
pid = os.fork()
if pid == 0:
    time.sleep(0.3)
who = "parent" if pid else "child"
print(who)
"""
    report = run_python(source, take=["who"])
    assert sorted(report.stdout.split()) == ["child", "parent"]
    assert report.values == {"who": "parent"}
    assert not report.left_behind
    assert str(report) == report.stdout.strip()


def test_a_process_left_behind_is_killed_and_mentioned():
    source = "import subprocess, sys\np = subprocess.Popen(['sleep', '600'])\nprint(p.pid)"
    report = run_python(source)
    assert report.left_behind
    assert "left a process behind" in str(report)
    assert gone(int(report.stdout))


def test_a_process_that_leaves_the_group_does_not_block_the_kernel():
    source = "import subprocess\np = subprocess.Popen(['sleep', '20'], start_new_session=True)\nprint(p.pid)"
    start = time.perf_counter()
    report = run_python(source)
    try:
        assert time.perf_counter() - start < 15
        assert report.left_behind
    finally:
        os.kill(int(report.stdout), signal.SIGKILL)


@pytest.mark.parametrize(("call", "status"), [("os._exit(3)", 3), ("raise SystemExit(4)", 4), ("1 / 0", 1)])
def test_an_exit_status_is_reported(call, status):
    report = run_python(f"import os\n{call}\n")
    assert report.returncode == status
    assert f"ended with exit status {status}." in str(report)


def test_of_ten_megabytes_the_beginning_and_the_end_are_kept():
    report = run_python("print('first'); print('x' * 10_000_000); print('last')")
    assert report.returncode == 0
    assert report.stdout.startswith("first\n")
    assert report.stdout.endswith("last\n")
    assert "bytes cut here" in report.stdout
    assert KEPT <= len(report.stdout) < KEPT + 100


def test_just_what_fits_is_kept_whole():
    report = run_python(f"import sys; sys.stdout.write('x' * {KEPT})")
    assert report.stdout == "x" * KEPT


def test_printing_for_ever_fills_no_memory():
    report = run_python("while True: print('x' * 1000)", timeout=1)
    assert report.timed_out
    assert len(report.stdout) < KEPT + 100


def test_input_ends_at_once():
    assert "EOFError" in run_python("input()").stderr


def test_output_is_utf8_whatever_the_locale(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run_python("print('µ → ✓')").stdout == "µ → ✓\n"
    assert run_python("import os; os.write(1, b'\\xff')").stdout == "\ufffd"


def test_an_interrupted_kernel_leaves_no_child(tmp_path):
    note = tmp_path / "pid"
    source = f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"

    def interrupt() -> None:
        while not (note.exists() and note.read_text()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_python(source)
    assert gone(int(note.read_text()))


def test_a_crash_leaves_no_core_file_and_no_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        assert run_python("import resource as r; print(r.getrlimit(r.RLIMIT_CORE)[0])").stdout == "0\n"
        run_python("import os; os.abort()")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


# The script -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("1 / 0", 1),
        ("# a comment\n1 / 0", 2),
        ("\n\n1 / 0", 3),
        ("x = '''\n'''\n1 / 0", 3),
        ("'''a docstring\n'''\nfrom __future__ import annotations  # a comment\nx: nonsense\n1 / 0", 5),
    ],
)
def test_tracebacks_have_the_lines_of_the_source(source, line):
    stderr = run_python(source).stderr
    assert f'File "cell.py", line {line}, in <module>' in stderr
    assert "ZeroDivisionError" in stderr


@pytest.mark.parametrize(
    "first", ["for i in range(2):", "def f():", "@staticmethod\ndef f():", "if 1:", "with a() as b:"]
)
def test_a_first_line_that_opens_a_block_is_left_alone(first):
    source = f"{first}\n    pass\nprint('ran')"
    defined = "a = __import__('contextlib').nullcontext\n" if "a()" in first else ""
    assert run_python(defined + source).stdout == "ran\n"
    if not defined:
        assert run_python(source).stdout == "ran\n"


def test_a_syntax_error_shows_its_line():
    stderr = run_python("\nx = = 2\n").stderr
    assert 'File "cell.py", line 2' in stderr
    assert "SyntaxError" in stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing_works_and_workers_have_what_was_given(method):
    source = f"""
import multiprocessing
def shifted(x):
    return x + offset
if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        found = pool.map(shifted, range(4))
    assert __name__ == "__main__"
"""
    report = run_python(source, give={"offset": 10}, take=["found"])
    assert report.values == {"found": [10, 11, 12, 13]}, report
    assert str(report) == ""


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor came with 3.14")
def test_a_pool_of_interpreters_works():
    source = """
from concurrent.futures import InterpreterPoolExecutor
if __name__ == "__main__":
    with InterpreterPoolExecutor(2) as pool:
        print(list(pool.map(abs, [-1, -2])))
"""
    assert run_python(source).stdout == "[1, 2]\n"


def test_values_go_in_and_come_back():
    report = run_python("total = sum(a) + b['c']", give={"a": [1, 2], "b": {"c": 0.5}}, take=["total", "a"])
    assert report.values == {"total": 3.5, "a": [1, 2]}
    assert report.lost == {}


def test_numpy_values_go_in_and_come_back_as_lists():
    np = pytest.importorskip("numpy")
    report = run_python(
        "import numpy as np\ny = np.array(x) * 2\nz = y.sum()", give={"x": np.arange(3)}, take=["y", "z"]
    )
    assert report.values == {"y": [0, 2, 4], "z": 6}


def test_a_path_goes_in_and_comes_back_as_text():
    assert run_python("there = [path]", give={"path": Path("a/b")}, take=["there"]).values == {"there": ["a/b"]}


def test_values_that_cannot_come_back_are_named():
    report = run_python("a = {1}\nb = 2", take=["a", "b", "c"])
    assert report.values == {"b": 2}
    assert set(report.lost) == {"a", "c"}
    assert "a could not be brought back: a set is not JSON." in str(report)
    assert "c could not be brought back: the cell doesn't define it." in str(report)


def test_values_come_back_after_an_exception_but_not_after_a_crash():
    assert run_python("a = 1\n1 / 0", take=["a"]).values == {"a": 1}
    assert run_python("a = 1\nimport os; os._exit(0)", take=["a"]).values == {}


def test_a_module_is_given_as_the_path_of_its_file():
    report = run_python("found = given", give={"given": json}, take=["found"])
    assert report.values["found"] == json.__file__


def test_what_cannot_be_given_is_refused():
    with pytest.raises(TypeError, match="a set is not JSON"):
        run_python("print(a)", give={"a": {1}})


def test_the_kernels_python_settings_are_not_passed_on_and_those_given_are(monkeypatch):
    for name in ("PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHON_JIT", "MPLBACKEND", "FORCE_COLOR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    source = "import os\nnames = [n for n in os.environ if n.startswith(('PYTHON', 'MPL', 'FORCE', 'MINE'))]"
    report = run_python(source, env={"PYTHON_GIL": "1", "MINE": "x"}, take=["names"])
    assert set(report.values["names"]) == {
        "PYTHONHASHSEED", "PYTHON_GIL", "MINE", "PYTHONPATH", "PYTHONIOENCODING"
    }  # fmt: skip


def test_a_child_has_the_packages_of_the_kernel_and_the_workbench(monkeypatch, tmp_path):
    (tmp_path / "only_here.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    source = "import sys, IPython, only_here, workbench.show\nsame = sys.prefix"
    assert run_python(source, take=["same"]).values == {"same": sys.prefix}


def test_outputs_show_no_folder_of_this_machine(tmp_path):
    source = f"""
import json, os, sys, tempfile, threading
import IPython
for path in (__file__, threading.__file__, IPython.__file__, os.getcwd(), {str(REPOSITORY)!r},
             {str(REPOSITORY / "build" / "cells" / "0123abcd" / "x.c")!r}, {str(tmp_path)!r}, os.path.expanduser("~/x")):
    print(path)
print("/usr/libexec", "a" + sys.base_prefix + "/lib/b", {str(REPOSITORY)!r} + "-other", file=sys.stderr)
json.loads("[")
"""
    report = run_python(source)
    cell, module, package, here, repository, build, temporary, home = report.stdout.splitlines()
    assert cell == "cell.py"
    assert module == f"lib/python{sys.version_info.major}.{sys.version_info.minor}/threading.py"
    if sys.prefix != sys.base_prefix:
        assert package.startswith("<venv>/lib/")
    assert here == (os.path.relpath(os.getcwd(), REPOSITORY))
    assert (repository, build) == (".", "x.c")
    assert temporary.startswith("<tmp>/")
    assert home == "~/x"
    assert f"/usr/libexec a{sys.base_prefix}/lib/b" in report.stderr
    assert "-other" in report.stderr
    assert f'"{sys.base_prefix}/' not in report.stderr


# Other interpreters ---------------------------------------------------------------------------------------------


def made_up(
    version: str, implementation: str = "CPython", free_threaded=False, jit=False, path=""
) -> Interpreter:
    path = path or f"/somewhere/{implementation}{version}{'t' * free_threaded}"
    return Interpreter(path, version, implementation, free_threaded, jit, "/somewhere")


SOME = [
    made_up("3.13.0", path=sys.executable),
    made_up("3.9.18"),
    made_up("3.10.13"),
    made_up("3.13.5"),
    made_up("3.13.5", free_threaded=True),
    made_up("3.14.2", jit=True),
    made_up("3.14.0", free_threaded=True),
    made_up("3.11.13", "PyPy"),
    made_up("3.10.16", "PyPy"),
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("3.14", SOME[5]),
        ("3.13", SOME[0]),  # the one that runs, although there is a newer 3.13
        ("3.13.5", SOME[3]),
        ("3.10", SOME[2]),
        ("3.1", None),
        ("3.13t", SOME[4]),
        ("3.12t", None),
        ("free-threaded", SOME[6]),
        ("t", SOME[6]),
        ("newest", SOME[5]),
        ("jit", SOME[5]),
        ("pypy", SOME[7]),
        ("pypy3.10", SOME[8]),
        ("pypy3.9", None),
    ],
)
def test_a_specification_finds_the_interpreter_meant(spec, expected, monkeypatch):
    monkeypatch.setattr(looking, "interpreters", lambda: tuple(SOME))
    assert find_python(spec) == expected


@pytest.mark.parametrize("spec", ["", "python", "4.1", "3", "3.14x", "3.14 t", "; ls"])
def test_a_wrong_specification_is_refused(spec):
    with pytest.raises(ValueError, match="names no Python"):
        find_python(spec)


@pytest.mark.parametrize(
    ("spec", "name", "install"),
    [
        ("3.14t", "CPython 3.14t", "uv python install 3.14t"),
        ("t", "CPython 3.14t", "uv python install 3.14t"),
        ("pypy", "PyPy 3.11", "uv python install pypy3.11"),
        ("pypy3.10", "PyPy 3.10", "uv python install pypy3.10"),
    ],
)
def test_a_missing_interpreter_comes_with_the_command_that_brings_it(spec, name, install):
    assert missing(spec) == f"{name} isn't on this machine; `{install}` brings it. Skipped."


def test_the_running_interpreter_is_known_as_it_is():
    here = interpreters()[0]
    assert here.path == sys.executable
    assert here.key == sys.version_info[:3]
    assert here.free_threaded == ("t" in sys.abiflags)
    assert find_python("{}.{}".format(*sys.version_info) + "t" * here.free_threaded) == here


def test_interpreters_are_looked_for_on_the_path_with_uv_with_pyenv_and_where_the_user_says(
    tmp_path, monkeypatch
):
    answer = '["3.{}.1", "CPython", false, false, "/nowhere"]'
    names = {
        "user/my-python": 20,
        "on path/python3.21": 21,
        "uv/cpython-3.22.1-linux/bin/python3.22": 22,
        "pyenv/versions/3.23.1/bin/python3": 23,
        "on path/python3-config": 24,  # not an interpreter
        "on path/python2.7": 25,
        "shims/python3.26": 26,  # a shim of pyenv starts whatever pyenv means just now
    }
    for name, minor in names.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{answer.format(minor)}'\n")
        path.chmod(0o755)
    (tmp_path / "on path" / "python3.27").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "on path" / "python3.27").chmod(0o755)
    (tmp_path / "on path" / "python3.28").write_text("not executable")
    (tmp_path / "on path" / "python3.29").symlink_to("nowhere")
    monkeypatch.setenv("PATH", f"{tmp_path / 'on path'}{os.pathsep}{tmp_path / 'shims'}{os.pathsep}/bin")
    monkeypatch.setenv(
        "FAST_SNEK_PYTHONS", f"{tmp_path / 'user/my-python'}{os.pathsep}{tmp_path / 'missing'}"
    )
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    looking.interpreters.cache_clear()
    try:
        found = {each.key[1] for each in looking.interpreters() if each.key >= (3, 20)}
    finally:
        looking.interpreters.cache_clear()
    assert found == {20, 21, 22, 23}


def test_without_the_interpreter_run_python_says_what_to_do():
    with pytest.raises(MissingInterpreter, match=r"uv python install 3\.99t"):
        run_python("pass", "3.99t")


@pytest.mark.slow
@pytest.mark.parametrize("python", OTHERS, ids=lambda each: each.label)
def test_every_interpreter_found_runs_a_cell(python):
    source = "import platform, sys\nprint(sys.argv, given)\nversion = platform.python_version()"
    if python.key >= (3, 11):
        source += "\nfrom workbench.show import three_digits"
    report = run_python(source, python, give={"given": [1]}, take=["version"])
    assert report.stdout == "['cell.py'] [1]\n", report
    assert report.values == {"version": python.version}
    crash = run_python("\nimport os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", python)
    assert crash.signal == "SIGSEGV"
    place = (
        'File "cell.py"' if "PyPy" in python.label else 'File "cell.py", line 3'
    )  # PyPy: "approximate line numbers"
    assert place in crash.stderr
    assert python.prefix + "/lib" not in crash.stderr
    hang = run_python("\nimport time\ntime.sleep(600)\n", python, timeout=2)
    assert place in hang.stderr


@pytest.mark.skipif(find_python("free-threaded") is None, reason="no free-threaded Python")
def test_a_free_threaded_python_runs_without_the_gil():
    report = run_python("import sys; gil = sys._is_gil_enabled()", "free-threaded", take=["gil"])
    assert report.values == {"gil": False}


@pytest.mark.skipif(find_python("jit") is None, reason="no Python with the JIT")
def test_the_environment_turns_the_jit_on():
    for value in (False, True):
        env = {"PYTHON_JIT": str(int(value))}
        report = run_python("import sys; on = sys._jit.is_enabled()", "jit", env=env, take=["on"])
        assert report.values == {"on": value}


# The magics -----------------------------------------------------------------------------------------------------


@pytest.fixture
def shell():
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    made.run_line_magic("load_ext", "workbench")
    return made


def test_child_gives_takes_and_shows(shell, capsys):
    shell.user_ns["n"] = 20
    shell.run_cell(
        "%%child --give n --take a,b --env MINE=1=2\nimport os\na = n + 1\nprint(a, os.environ['MINE'])"
    )
    output = capsys.readouterr()
    assert output.out == "21 1=2\nb could not be brought back: the cell doesn't define it.\n"
    assert output.err == ""
    assert (shell.user_ns["a"], shell.user_ns["b"]) == (21, None)


def test_child_survives_a_crash_and_numbers_lines_as_the_cell_does(shell, capsys):
    shell.user_ns["a"] = "old"
    shell.run_cell("%%child --take a\n\nimport ctypes\nctypes.string_at(0)\n")
    out = capsys.readouterr().out
    assert "died of SIGSEGV" in out
    assert 'File "cell.py", line 4 in <module>' in out
    assert shell.user_ns["a"] is None


def test_child_stops_a_hang(shell, capsys):
    shell.run_cell("%%child --timeout 0.8\nwhile True:\n    pass\n")
    assert "Stopped after 0.8" in capsys.readouterr().out


def test_runon_says_who_ran(shell, capsys):
    here = interpreters()[0]
    spec = here.version + "t" * here.free_threaded
    shell.run_cell(f"%%runon {spec} --take v\nimport sys\nv = list(sys.version_info[:2])\nprint('hello')\n")
    assert capsys.readouterr().out == f"[{here.label}]\nhello\n"
    assert shell.user_ns["v"] == list(sys.version_info[:2])


def test_runon_without_the_interpreter_goes_on(shell, capsys):
    assert shell.run_cell("%%runon 3.99t --take x,y\nx = y = 1\n").success
    assert capsys.readouterr().out.startswith(
        "CPython 3.99t isn't on this machine; `uv python install 3.99t`"
    )
    assert (shell.user_ns["x"], shell.user_ns["y"]) == (None, None)


@pytest.mark.parametrize(
    "line",
    [
        "%%runon",
        "%%runon nonsense",
        "%%child --tim 3",
        "%%child --timeout soon",
        "%%child --give nothing_of_that_name",
        "%%child --give a_set",
        "%%child --env NAME",
        "%%child 3.14",
        "%%child 'x",
    ],
)
def test_a_wrong_line_is_refused_without_a_traceback(shell, line, capsys):
    shell.user_ns["a_set"] = {1}
    assert not shell.run_cell(f"{line}\nprint('ran')\n").success
    output = capsys.readouterr()
    assert "UsageError" in output.err
    assert "ran" not in output.out
    assert "Traceback" not in output.out


def test_the_modules_need_only_the_standard_library():
    code = "import sys, workbench.run\nprint(*sorted({m.partition('.')[0] for m in sys.modules}))"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY / 'notebooks')!r})\n{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    foreign = set(answer.stdout.split()) - set(sys.stdlib_module_names) - {"workbench", "__main__"}
    assert {name for name in foreign if not name.startswith("_")} == set()
