"""tools/execute.py on small notebooks: what it runs, what it reports, what it leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import execute
import notebook_files

pytestmark = pytest.mark.slow


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Writes 98_test.ipynb with these code cells into a course of its own."""
    monkeypatch.setattr(execute, "course", lambda: [tmp_path / "98_test.ipynb"])
    monkeypatch.setattr(execute, "SOLUTIONS", tmp_path)

    def write(*sources, tags=()):
        cells = [new_markdown_cell("# Test"), *(new_code_cell(source) for source in sources)]
        cells[-1].metadata["tags"] = list(tags)
        path = tmp_path / "98_test.ipynb"
        path.write_text(notebook_files.canonical(new_notebook(cells=cells)), encoding="utf-8")
        return path

    return write


def text(done):
    return "".join(output.get("text", "") for output in done.outputs)


def test_the_kernel_is_this_python_in_the_notebooks_folder(notebook):
    path = notebook(
        "import os, sys\nprint(sys.executable)",
        "print(os.getcwd())",
        "print(os.environ['TQDM_DISABLE'], os.environ.get('FAST_SNEK_QUICK'))",
    )
    before = path.read_bytes()
    assert text(execute.execute(path)).splitlines() == [
        sys.executable,
        str(notebook_files.NOTEBOOKS),
        "1 None",
    ]
    assert text(execute.execute(path, quick=True)).split()[-1] == "1"
    assert path.read_bytes() == before


def test_save_stores_one_clean_run_in_canonical_form(notebook):
    path = notebook("print('a', flush=True)\nprint('b')", "2 + 2", "")
    stale = notebook_files.read(path)
    stale.cells[2].outputs = [new_output("stream", name="stderr", text="old")]
    stale.cells[2].metadata["execution"] = {"iopub.execute_input": "2020"}
    path.write_text(notebook_files.canonical(stale), encoding="utf-8")
    names = [cell.id for cell in stale.cells]
    assert execute.main(["98", "--save"]) == 0
    saved = notebook_files.read(path)
    assert path.read_text(encoding="utf-8") == notebook_files.canonical(saved)
    assert [cell.id for cell in saved.cells] == names
    assert [cell.get("execution_count") for cell in saved.cells] == [None, 1, 2, None]
    assert [output.text for output in saved.cells[1].outputs] == ["a\nb\n"]
    assert [output.output_type for output in saved.cells[2].outputs] == ["execute_result"]
    assert all(set(cell.metadata) <= {"tags"} for cell in saved.cells)


def test_a_failing_cell_is_shown_and_nothing_is_saved(notebook, capsys):
    path = notebook("x = 1", "print('before')\nx / 0", "never = True")
    before = path.read_bytes()
    assert execute.main(["98", "--save"]) == 1
    shown = capsys.readouterr().out
    assert "98_test.ipynb: cell 3" in shown
    assert re.search(r"x / 0.*before.*ZeroDivisionError", shown, re.DOTALL)
    assert "\x1b" not in shown
    assert path.read_bytes() == before


def test_an_error_on_purpose_passes(notebook):
    done = execute.execute(notebook("1 / 0", tags=["raises-exception"]))
    assert [output.output_type for output in done.outputs] == ["error"]


def test_what_prints_to_stderr_is_not_saved(notebook, capsys):
    path = notebook("import warnings\nwarnings.warn('old')")
    before = path.read_bytes()
    assert execute.main(["98", "--save"]) == 1
    assert "stderr" in capsys.readouterr().out
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "reason"),
    [("import time\ntime.sleep(60)", "No end after 1 s"), ("import os\nos._exit(3)", "The kernel died")],
)
def test_hangs_and_crashes_are_reported_in_a_sentence(notebook, source, reason):
    start = time.monotonic()
    with pytest.raises(execute.NotebookFailed, match=reason):
        execute.execute(notebook(source), timeout=1)
    assert time.monotonic() - start < 50  # far from the 60 s that the cell sleeps


def test_what_is_left_behind_is_seen(notebook):
    done = execute.execute(
        notebook(
            "import subprocess, tempfile\nfrom multiprocessing import resource_tracker, shared_memory",
            "sleeper = subprocess.Popen(['sleep', '600'])\nfile = tempfile.mkstemp(prefix='litter')",
            "segment = shared_memory.SharedMemory(create=True, size=10)\n"
            "resource_tracker.unregister(segment._name, 'shared_memory')\nprint(segment.name, sleeper.pid)",
        )
    )
    segment, sleeper = text(done).split()
    kinds = {" ".join(thing.split()[:2]) for thing in done.left_behind}
    assert {"process sleep"} <= kinds
    assert any("litter" in thing for thing in done.left_behind)
    assert (
        not psutil.pid_exists(int(sleeper)) or psutil.Process(int(sleeper)).status() == psutil.STATUS_ZOMBIE
    )
    if os.path.isdir("/dev/shm"):
        assert f"shared-memory segment {segment}" in done.left_behind
        os.unlink(f"/dev/shm/{segment}")


def test_a_tidy_notebook_leaves_nothing(notebook):
    done = execute.execute(
        notebook(
            "import multiprocessing as m\nwith m.get_context('spawn').Pool(2) as pool: print(pool.map(abs, [-1]))",
            "from multiprocessing import shared_memory\ns = shared_memory.SharedMemory(create=True, size=9)",
            "s.close()\ns.unlink()",
        )
    )
    assert done.left_behind == []


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="this system doesn't list shared memory")
def test_a_failing_cell_leaves_no_shared_memory(notebook):
    path = notebook(
        "import multiprocessing as m, os\nfrom multiprocessing.shared_memory import SharedMemory",
        "segment = SharedMemory(create=True, size=9)\npool = m.get_context('spawn').Pool(2)\npool.map(abs, [-1, -2])",
        "raise SystemError(segment.name)",
    )
    with pytest.raises(execute.NotebookFailed) as failure:
        execute.execute(path)
    name = re.search(r"SystemError: (psm_\w+)", re.sub(r"\x1b\[[\d;]*m", "", str(failure.value)))[1]
    assert not os.path.exists(f"/dev/shm/{name}")


def test_solutions_are_tried_below_the_exercises(notebook, tmp_path):
    """Stub and checker, then solution and checker, exercise by exercise; the file and its cells stay as they are."""
    path = notebook(
        "answer = None", "print(answer)", "# text", "answer = 0", "print(-answer)", "print('end')"
    )
    course = notebook_files.read(path)
    course.cells[1].metadata["tags"] = ["exercise-1"]
    course.cells[3] = new_markdown_cell("# text")
    course.cells[4].metadata["tags"] = ["exercise-2"]
    course.cells.insert(6, new_markdown_cell("# more"))
    path.write_text(notebook_files.canonical(course), encoding="utf-8")
    before = path.read_bytes()
    solutions = tmp_path / "98_test.py"
    solutions.write_text(
        '"""Solutions."""\n\n# %% exercise-1\nanswer = 1\n\n# %% exercise-2\nanswer = 2\n', encoding="utf-8"
    )
    done = execute.execute(path, solutions)
    assert text(done).split() == ["None", "1", "0", "-2", "end"]
    assert [cell.metadata.tags for cell in done.notebook.cells if cell.metadata.get("tags")] == [
        ["exercise-1"], ["solution-1"], ["exercise-2"], ["solution-2"]
    ]  # fmt: skip
    assert path.read_bytes() == before
    solutions.write_text("# %% exercise-2\nprint()\n", encoding="utf-8")
    with pytest.raises(execute.NotebookFailed, match=r"exercise-1.*exercise-2"):
        execute.execute(path, solutions)


@pytest.mark.parametrize("wanted", ["98", "98_test", "notebooks/98_test.ipynb"])
def test_notebooks_are_named_in_several_ways(notebook, wanted):
    assert execute.choose([wanted]) == [notebook("1")]


@pytest.mark.parametrize("wanted", ["42", "98_other", "nonsense", "982"])
def test_an_unknown_notebook_is_one_plain_line(notebook, capsys, wanted):
    notebook("1")
    with pytest.raises(SystemExit) as stop:
        execute.main([wanted])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"There is no notebook {wanted}; there are 98.\n"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_kernel(notebook, tmp_path, end):
    path = notebook("print('started')\nimport os, pathlib, time", f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))", "time.sleep(600)")  # fmt: skip
    before = path.read_bytes()
    script = f"import runpy, sys, pathlib, notebook_files; notebook_files.course = lambda: [pathlib.Path({str(path)!r})]; sys.argv = ['execute.py', '--save']; runpy.run_module('execute', run_name='__main__')"
    run = subprocess.Popen(
        [sys.executable, "-c", script], cwd=notebook_files.ROOT / "tools", stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.1)
    kernel = int((tmp_path / "pid").read_text())
    run.send_signal(end)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in said
    assert not psutil.pid_exists(kernel)
    assert path.read_bytes() == before
