"""Execute notebooks from top to bottom in a fresh kernel: `./build.sh run`, the tests and `--save` all come here.

    python tools/execute.py                    every notebook, in order; writes nothing
    python tools/execute.py 01 02              only these
    python tools/execute.py 02 --save          and store the outputs in the file: the way committed outputs are made;
                                               a picture of a cell tagged figure-NAME goes to figures/NAME.png, too
    python tools/execute.py 02 --solutions     and below each exercise the same again, solved (cannot be saved)

The kernel is the Python that runs this file, whatever other kernels are registered on the machine. It works in
notebooks/, with IPython's defaults (no start-up files, no history) and a folder of its own for temporary files, so that
what a notebook leaves behind can be seen. Exit status: 0, 1 when a cell fails, 2 when asked for what does not exist.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from notebook_files import FIGURES, NOTEBOOKS, ROOT, SOLUTIONS, canonical, course, read, write

CELL_TIMEOUT = 120  # seconds


@dataclass
class ExecutedNotebook:
    """What one run produced. `seconds` has one entry a cell (0.0 for Markdown)."""

    path: Path
    notebook: NotebookNode
    seconds: list[float] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    @property
    def outputs(self) -> list[NotebookNode]:
        """Every output of every cell, in order."""
        return [output for cell in self.notebook.cells for output in cell.get("outputs", [])]


class NotebookFailed(Exception):
    """A cell failed: says which, with its source and what it printed."""


def execute(
    path: Path,
    solutions: Path | None = None,
    quick: bool = False,
    *,
    wrong: Path | None = None,
    timeout: float = CELL_TIMEOUT,
    progress: Callable[[int, int], None] = lambda number, count: None,
) -> ExecutedNotebook:
    """Run the notebook at `path` and return it with its outputs; the file stays as it is.

    `solutions`: a file whose `# %% exercise-N` sections are tried where the notebook's own cells have been: see
    repeat_exercises. `wrong`: a file of answers that must be refused, tried before the solution of their exercise: see
    read_wrong_answers. `quick`: smaller measurements (FAST_SNEK_QUICK=1). `progress(number, count)` is called before each
    cell. Raises NotebookFailed.
    """
    notebook = read(path)
    if solutions:
        refused = read_wrong_answers(wrong) if wrong and wrong.exists() else {}
        repeat_exercises(notebook, read_solutions(solutions), refused)
    done = ExecutedNotebook(path, notebook)
    segments = _shared_memory()
    with _kernel(notebook, quick, timeout, done.left_behind) as client:
        count = 0
        for number, cell in enumerate(notebook.cells, 1):
            progress(number, len(notebook.cells))
            start = time.perf_counter()
            try:
                client.execute_cell(cell, number - 1)
            except CellTimeoutError:
                raise _failure(
                    path, number, cell, f"No end after {timeout:g} s: the run was stopped."
                ) from None
            except DeadKernelError:
                client.crash_report.seek(0)
                report = client.crash_report.read()[-4000:].rstrip()
                what = f"The kernel died: the cell crashed it or used all memory.\n\n{report}".rstrip()
                raise _failure(path, number, cell, what) from None
            except CellExecutionError:
                raise _failure(path, number, cell, "The cell raised an error.") from None
            done.seconds.append(time.perf_counter() - start)
            if cell.get("execution_count"):
                cell.execution_count = count = count + 1
                for output in cell.outputs:
                    if "execution_count" in output:
                        output.execution_count = count
    done.left_behind += [f"shared-memory segment {name}" for name in _wait_for(lambda: _orphans(segments))]
    return done


def read_solutions(path: Path) -> dict[str, str]:
    """{tag: source} of a solutions file; what stands before the first section is for its readers."""
    _, *parts = re.split(r"^# %% *(exercise-\d+) *\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {tag: source.strip() for tag, source in zip(parts[::2], parts[1::2], strict=True)}


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that the checker of its exercise must refuse, with a line that contains `reason`."""

    name: str
    reason: str
    source: str


def read_wrong_answers(path: Path) -> dict[str, list[WrongAnswer]]:
    """{tag of the exercise: its wrong answers}. Sections `# %% exercise-N: name`, with `# refused: reason` below."""
    section = r"^# %% *(exercise-\d+): (.+)\n# refused: (.+)\n"
    text = path.read_text(encoding="utf-8")
    _, *parts = re.split(section, text, flags=re.MULTILINE)
    if len(parts) // 4 != text.count("# %%"):
        raise ValueError(
            f"{path.name}: a section begins with `# %% exercise-N: name` and `# refused: reason`"
        )
    found: dict[str, list[WrongAnswer]] = {}
    for tag, name, reason, source in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True):
        found.setdefault(tag, []).append(WrongAnswer(name, reason, source.strip()))
    return found


def repeat_exercises(
    notebook: NotebookNode, solutions: dict[str, str], wrong: dict[str, list[WrongAnswer]] | None = None
) -> None:
    """Below each exercise put its cells once more, with the solution (tagged solution-N) in the place of the stub.

    So one run does what learners do, Run All and then the exercises. An exercise ends at the next text, or exercise.
    Every exercise needs its solution, and the reverse. Before the solution come the wrong answers, each with the cells
    of the exercise below it, too (tagged wrong-N-1, wrong-N-2...).
    """
    wrong = wrong or {}
    stubs = {tag for cell in notebook.cells for tag in exercise_tags(cell)}
    if stubs != solutions.keys():
        raise NotebookFailed(f"the notebook has {sorted(stubs)}, its solutions have {sorted(solutions)}")
    if unknown := wrong.keys() - stubs:
        raise NotebookFailed(f"the notebook has no {sorted(unknown)}, for which there are wrong answers")
    cells: list[NotebookNode] = []
    answers: list[NotebookNode] = []  # of the exercise at hand
    below: list[NotebookNode] = []  # its cells after the stub

    def end_exercise() -> None:
        for answer in answers:
            cells.append(answer)
            cells.extend(new_code_cell(cell.source, metadata=cell.metadata) for cell in below)
        answers.clear()
        below.clear()

    for cell in notebook.cells:
        tags = exercise_tags(cell)
        if tags or cell.cell_type != "code":
            end_exercise()
        cells.append(cell)
        if tags:
            (tag,) = tags
            for number, each in enumerate(wrong.get(tag, []), 1):
                label = f"{tag.replace('exercise', 'wrong')}-{number}"
                answers.append(new_code_cell(each.source, metadata={"tags": [label]}))
            label = tag.replace("exercise", "solution")
            answers.append(new_code_cell(solutions[tag], metadata={"tags": [label]}))
        elif answers:
            below.append(cell)
    end_exercise()
    notebook.cells = cells


def exercise_tags(cell: NotebookNode) -> list[str]:
    return [tag for tag in cell.metadata.get("tags", []) if re.fullmatch(r"exercise-\d+", tag)]


def figures(notebook: NotebookNode) -> dict[Path, bytes]:
    """{file: PNG} of the pictures that the README shows: the last picture of each cell tagged figure-NAME."""
    found = {}
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith("figure-"):
                *_, picture = (o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {}))
                found[FIGURES / f"{tag.removeprefix('figure-')}.png"] = base64.b64decode(picture)
    return found


class _ThisPython(KernelSpecManager):
    """Only one kernel exists: the Python that runs this."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3 (ipykernel)", language="python")


@contextlib.contextmanager
def _kernel(
    notebook: NotebookNode, quick: bool, timeout: float, left_behind: list[str]
) -> Iterator[NotebookClient]:
    """A running kernel. Ends with it and everything it started, whatever happens; a clean end notes what was left."""
    private = Path(tempfile.mkdtemp(prefix="fast-snek-"))
    (scratch := private / "tmp").mkdir()
    own = {"TQDM_DISABLE": "1", "IPYTHONDIR": str(private / "ipython"), "TMPDIR": str(scratch)}
    own |= {"FAST_SNEK_QUICK": "1"} if quick else {}
    inherited = {name: value for name, value in os.environ.items() if name != "FAST_SNEK_QUICK"}
    manager = AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=_ThisPython(),
        connection_file=str(private / "kernel.json"),
        transport="ipc",  # files in our own folder: no port that others on this machine could reach
        ip=str(private / "ipc"),
    )
    client = NotebookClient(
        notebook, km=manager, timeout=timeout, startup_timeout=60, iopub_timeout=30, record_timing=False
    )
    session = None
    # What the kernel process itself says: read when it dies, else noise of its shutdown.
    crash_report = client.crash_report = (private / "stderr").open("w+", encoding="utf-8", errors="replace")
    try:
        client.start_new_kernel(env=inherited | own, cwd=str(NOTEBOOKS), stderr=crash_report)
        session = manager.provisioner.pid
        client.start_new_kernel_client()
        client.shutdown_kernel = "immediate"
        yield client
        left_behind += [f"process {name}" for name in _wait_for(lambda: _children(session))]
        client.shutdown_kernel = "graceful"
    finally:
        if session:
            if client.shutdown_kernel == "graceful":
                client._cleanup_kernel()
            # Resource trackers last: they end by themselves, and remove shared memory, once nobody else is left.
            for trackers, patience in (False, 3.0 * (client.shutdown_kernel == "graceful")), (True, 3.0):
                for process in _wait_for(lambda every=trackers: _session(session, every), patience):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            if client.shutdown_kernel == "immediate":
                client._cleanup_kernel()
        left_behind += [
            f"temporary file {path.relative_to(scratch)}"
            for path in _wait_for(lambda: sorted(scratch.iterdir()))
            if not path.name.startswith("pymp-")  # multiprocessing's own: a kernel ends before it is removed
        ]
        crash_report.close()
        shutil.rmtree(private, ignore_errors=True)


def _failure(path: Path, number: int, cell: NotebookNode, what: str) -> NotebookFailed:
    lines = [
        f"{path.name}: cell {number}: {what}",
        "",
        *(f"    {line}" for line in cell.source.splitlines()),
        "",
    ]
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            lines.append("\n".join(output.traceback))
        elif output.output_type == "stream":
            lines.append(output.text.rstrip("\n"))
        else:
            lines.append(output.data.get("text/plain", f"({', '.join(output.data)})"))
    text = "\n".join(lines)
    return NotebookFailed(text if sys.stdout.isatty() else re.sub(r"\x1b\[[\d;]*m", "", text))


def _wait_for(running: Callable[[], list], patience: float = 3.0) -> list:
    """What still runs after `patience` seconds."""
    until = time.monotonic() + patience
    while (alive := running()) and time.monotonic() < until:
        time.sleep(0.05)
    return alive


def _children(kernel: int) -> list[str]:
    """Commands of the processes below the kernel, except the two that multiprocessing keeps until the kernel ends."""
    found = []
    for process in psutil.Process(kernel).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            kept = process.ppid() == kernel and re.search(
                r"multiprocessing\.(resource_tracker|forkserver) ", command
            )
            if not kept and process.status() != psutil.STATUS_ZOMBIE:
                found.append(command[:80])
    return found


def _session(session: int, trackers: bool) -> list[psutil.Process]:
    """Processes of this session that have not ended, with or without the resource trackers of multiprocessing."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                if trackers or "resource_tracker" not in " ".join(process.cmdline()):
                    found.append(process)
    return found


def _own(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_uid == os.getuid()
    return False


def _shared_memory() -> set[str]:
    """Named shared memory of this user (Linux lists it as files, beside semaphores; elsewhere it cannot be listed)."""
    folder = Path("/dev/shm")
    return (
        {path.name for path in folder.iterdir() if not path.name.startswith("sem.") and _own(path)}
        if folder.is_dir()
        else set()
    )


def _orphans(before: set[str]) -> list[str]:
    """New segments that no running process has mapped: other programs may have made some meanwhile."""
    if not (new := _shared_memory() - before):
        return []
    mapped = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mapped |= {
                Path(entry.path).name for entry in process.memory_maps() if entry.path.startswith("/dev/shm/")
            }
    return sorted(new & _shared_memory() - mapped)


def choose(wanted: list[str]) -> list[Path]:
    """Notebooks by number, name or path; all of them when none is named. SystemExit(2) for one that does not exist."""
    every = {path.name[:2]: path for path in course()}
    names = every | {str(int(number)): path for number, path in every.items()}
    names |= {path.stem: path for path in every.values()}
    chosen = []
    for name in wanted:
        if not (path := names.get(Path(name).name.removesuffix(".ipynb"))):
            print(f"There is no notebook {name}; there are {' '.join(every) or 'none yet'}.", file=sys.stderr)
            raise SystemExit(2)
        chosen.append(path)
    return sorted(set(chosen)) if wanted else list(every.values())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", metavar="NN", help="number or name; all when none is given")
    parser.add_argument("--save", action="store_true", help="store the outputs in the notebook")
    parser.add_argument("--solutions", action="store_true", help="and try the solutions, too")
    parser.add_argument("--quick", action="store_true", help="smaller measurements, as the tests use")
    options = parser.parse_args(arguments)
    if options.save and (options.solutions or options.quick):
        parser.error("--save stores a full run of the notebook as it is: without --solutions and --quick")
    for path in choose(options.notebooks):
        if not run(path, options):
            return 1
    return 0


def run(path: Path, options: argparse.Namespace) -> bool:
    """One notebook with its progress on the terminal; True when all went well."""
    live = sys.stdout.isatty()
    name = path.stem.replace("_", " ", 1)

    def progress(number: int, count: int) -> None:
        if live:
            print(f"\r\x1b[K{name}  cell {number}/{count}", end="", flush=True)

    if options.save:
        # so that the page shows what a first reader sees: the compiler at work
        shutil.rmtree(ROOT / "build" / "cells", ignore_errors=True)
    try:
        solutions = SOLUTIONS / f"{path.stem}.py" if options.solutions else None
        done = execute(path, solutions, options.quick, progress=progress)
    except NotebookFailed as failure:
        print("\r\x1b[K" * live + f"{name}  failed\n\n{failure}", flush=True)
        return False
    finally:
        if live:
            print("\r\x1b[K", end="", flush=True)
    slowest = max(range(len(done.seconds)), key=done.seconds.__getitem__)
    print(f"{name}  {len(done.seconds)} cells  {sum(done.seconds):.1f} s  "
          f"(cell {slowest + 1}: {done.seconds[slowest]:.1f} s)", flush=True)  # fmt: skip
    for thing in done.left_behind:
        print(f"  leaves behind: {thing}")
    noise = [output.text.strip() for output in done.outputs if output.get("name") == "stderr"]
    if options.save and noise:
        print(
            "  not saved, for a cell prints to stderr:\n    " + "\n    ".join("\n".join(noise).splitlines())
        )
        return False
    if options.save:
        write(path, canonical(done.notebook))
        for file, picture in figures(done.notebook).items():
            file.write_bytes(picture)
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the kernel ends with this program
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted; nothing half-written, no kernel left.", file=sys.stderr)
        sys.exit(130)
