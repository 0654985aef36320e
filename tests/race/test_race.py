"""The race: wrong results are caught, failures are contained, rounds are fair, and the tables say what was measured."""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import bench
from race import contract, entries, report, rounds
from race import task as tasks
from race.contract import BrokenContract, Competitor, allows, competitors, lines_of_code
from race.entries import Entry, Field
from race.mandelbrot import _task as mandelbrot
from race.rounds import Outcome, Runner, schedule
from race.stations import _task as stations
from workbench.results import Ratio

ROOT = Path(__file__).resolve().parents[2]
RACES = tasks.races()
EVERY = [pytest.param(each, id=f"{race}-{each.key}") for race in RACES for each in competitors(race)]
CEILING = Outcome.ceiling  # the real one; see no_probe
REQUIRED = [name for name in os.environ.get("FAST_SNEK_REQUIRE_PEERS", "").split(",") if name]

FILE = '''"""Planted."""
NAME = "{name}"
SOURCE = "https://example.org"
REQUIRES = {requires!r}
PYTHON = "{python}"
THREADS = "{threads}"
WORK = "all"
OURS = {ours}

def version():
    return "1"

def prepare(task, threads, folder):
{prepare}
'''
# What the grid should be: this is `run` of a correct competitor.
RIGHT = """
    import numpy, snek
    window = dict(xmin=task.xmin, xmax=task.xmax, ymin=task.ymin, ymax=task.ymax, max_iter=task.max_iter)
    def counts():
        return snek.mandelbrot(numpy.empty((task.height, task.width), numpy.int32), kernel="scalar", **window)
"""
OURS = RIGHT + "    return counts"


@pytest.fixture
def plant(tmp_path):
    """A function that writes competitors into a folder, ours first, and returns them."""

    def plant(prepare: str, **changes) -> list[Competitor]:
        given = {
            "name": "planted",
            "requires": (),
            "python": ">=3.11",
            "threads": "one",
            "ours": False,
            **changes,
        }
        folder = tmp_path / "mandelbrot"
        folder.mkdir(exist_ok=True)
        ours = {**given, "name": "ours", "ours": True, "requires": (), "python": ">=3.11", "threads": "any"}
        (folder / "a_ours.py").write_text(FILE.format(prepare=OURS, **ours), encoding="utf-8")
        (folder / "planted.py").write_text(FILE.format(prepare=prepare, **given), encoding="utf-8")
        return competitors("mandelbrot", tmp_path)

    return plant


@pytest.fixture
def grid():
    """A grid that takes a millisecond."""
    return mandelbrot.grid(**{**mandelbrot.DEFAULT, "width": 64, "height": 48, "max_iter": 100})


def race(task: tasks.Task, planted: list[Competitor], **options) -> Outcome:
    """A short race, without the probe of the machine's limits."""
    options = {"budget": 0.1, **options}
    return rounds.race(task, entries.find(planted, threads=(1,)), **options)


@pytest.fixture(autouse=True)
def no_probe(monkeypatch):
    """The machine's limits are measured by tests/workbench/test_machine.py; here it would take most of the time."""
    peak = type("peak", (), {"__wrapped__": staticmethod(lambda: None)})
    monkeypatch.setattr(rounds, "peak", peak)
    monkeypatch.setattr(Outcome, "ceiling", lambda self, threads: 1e9 * threads)


# --- results --------------------------------------------------------------------------------------------------------------


def test_right_results_race(plant, grid):
    outcome = race(grid, plant(OURS), budget=1)
    assert [runner.entry.competitor.name for runner in outcome.runners] == ["ours", "planted"]
    assert not outcome.failed
    assert not outcome.skipped
    assert all(len(runner.seconds) >= 3 for runner in outcome.runners)


WRONG = {
    "one pixel in a thousand": "counts() + (numpy.arange(64 * 48).reshape(48, 64) % 1000 == 0).astype(numpy.int32)",
    "a row too few": "counts()[:-1]",
    "the wrong way round": "numpy.ascontiguousarray(counts().T)",
    "int64": "counts().astype(numpy.int64)",
    "floats": "counts().astype(numpy.float32)",
    "a view that skips": "numpy.repeat(counts(), 2, axis=1)[:, ::2]",
    "nothing": "None",
    "an empty list": "[]",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_result_is_caught_and_the_others_race(plant, grid, wrong):
    outcome = race(grid, plant(RIGHT + f"    return lambda: {wrong}"))
    assert [runner.entry.competitor.name for runner in outcome.runners] == ["ours"]
    assert [note.name for note in outcome.failed] == ["planted, 1 thread"]


def test_a_wrong_pixel_is_named(plant, grid):
    outcome = race(
        grid, plant(RIGHT + "    def run():\n        c = counts(); c[3, 5:9] += 7; return c\n    return run")
    )
    assert "row 3, column 5" in outcome.failed[0].reason


def test_few_pixels_may_differ(plant, grid):
    outcome = race(
        grid, plant(RIGHT + "    def run():\n        c = counts(); c[3, 5] += 7; return c\n    return run")
    )
    assert not outcome.failed


def test_a_list_of_lists_is_a_result(plant, grid):
    assert not race(grid, plant(RIGHT + "    return lambda: counts().tolist()")).failed


ANSWER = {"Äland": [-12.3, 0.1, 10.0, 3], "b": [5.0, 5.0, 5.0, 1]}
KNOWN = {"Äland": (-123, 2, 100, 3), "b": (50, 50, 50, 1)}
WRONG_ANSWERS = {
    "min": {**ANSWER, "b": [4.9, 5.0, 5.0, 1]},
    "mean": {**ANSWER, "b": [5.0, 5.1, 5.0, 1]},
    "mean not rounded": {**ANSWER, "b": [5.0, 5.04, 5.0, 1]},
    "max": {**ANSWER, "b": [5.0, 5.0, 5.1, 1]},
    "count": {**ANSWER, "b": [5.0, 5.0, 5.0, 2]},
    "a name too few": {"b": ANSWER["b"]},
    "a name too many": {**ANSWER, "c": ANSWER["b"]},
    "nan": {**ANSWER, "b": [5.0, float("nan"), 5.0, 1]},
    "not sorted": ANSWER,
}


@pytest.mark.parametrize("wrong", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_a_wrong_aggregate_is_caught(wrong):
    found = wrong if wrong is ANSWER else dict(sorted(wrong.items()))
    with pytest.raises(tasks.WrongResult):
        stations.compare(found, KNOWN)


def test_a_right_aggregate_passes_and_ties_may_round_either_way():
    right = dict(sorted(ANSWER.items()))
    stations.compare(right, KNOWN)
    for mean in (0.0, 0.1):  # of 0.05
        stations.compare({"a": [0.0, mean, 0.1, 2]}, {"a": (0, 1, 1, 2)})


# --- failures -------------------------------------------------------------------------------------------------------------

FAILURES = {
    "raises": ("    raise ValueError('kaputt')", "ValueError: kaputt"),
    "raises when run": ("    def run():\n        raise KeyError('kaputt')\n    return run", "KeyError: 'kaputt'"),
    "exits": ("    import os\n    print('last words')\n    return lambda: os._exit(3)", "exit status 3; it said: last words"),
    "dies": ("    import os\n    return lambda: os.kill(os.getpid(), 11)", "SIGSEGV"),
    "no callable": ("    return None", "TypeError"),
    "does not compile": ("    raise RuntimeError('cc failed')", "RuntimeError: cc failed"),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_reported_with_its_reason_and_the_others_race(plant, grid, prepare, reason):
    outcome = race(grid, plant(prepare))
    assert [runner.entry.competitor.name for runner in outcome.runners] == ["ours"]
    assert reason in outcome.failed[0].reason
    assert "FAILED   planted" in str(report.table(outcome))


def test_a_failure_in_a_later_round_is_one_too(plant, grid):
    later = RIGHT + (
        "    n = []\n    def run():\n        n.append(0)\n        if len(n) > 1: raise ValueError('later')\n"
        "        return counts()\n    return run"
    )
    outcome = race(grid, plant(later))
    assert "later" in outcome.failed[0].reason
    assert [runner.entry.competitor.name for runner in outcome.runners] == ["ours"]


def test_what_hangs_is_ended_with_its_children(plant, grid, tmp_path):
    hangs = f"""
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    return lambda: time.sleep(600)"""
    object.__setattr__(grid, "timeout", 1.0)
    begin = time.monotonic()
    outcome = race(grid, plant(hangs))
    assert time.monotonic() - begin < 60
    assert outcome.failed[0].reason == "no answer within 1 s"
    child = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_no_host_is_left_behind(plant, grid):
    race(grid, plant(OURS))
    assert not [p for p in psutil.Process().children() if "host_main.py" in " ".join(p.cmdline())]


def test_an_interruption_ends_the_hosts(plant, grid):
    def interrupt(line: str) -> None:
        if "round 1 " in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(grid, plant(OURS), say=interrupt)
    assert not [p for p in psutil.Process().children() if "host_main.py" in " ".join(p.cmdline())]


def test_what_it_prints_does_not_garble_the_answers(plant, grid):
    noisy = (
        RIGHT
        + """
    import os, sys
    def run():
        print('{"seconds": 0}')
        sys.__stdout__.write("noise\\n")
        os.write(1, b'{"seconds": 0}\\n')
        os.system("echo noise from a child")
        assert sys.stdin.read() == ""
        return counts()
    return run"""
    )
    outcome = race(grid, plant(noisy))
    assert not outcome.failed
    assert all(seconds > 0 for runner in outcome.runners for seconds in runner.seconds.values())


UNAVAILABLE = {
    "Unavailable": "    class Unavailable(Exception): pass\n    raise Unavailable('no compiler')",
    "ImportError": "    import no_compiler",
}


@pytest.mark.parametrize("prepare", UNAVAILABLE.values(), ids=UNAVAILABLE)
def test_what_is_missing_is_skipped_and_is_no_failure(plant, grid, prepare):
    outcome = race(grid, plant(prepare))
    assert not outcome.failed
    assert "compiler" in outcome.skipped[0].reason
    assert "skipped  planted" in str(report.table(outcome))


def test_a_runtime_error_in_a_run_is_a_failure(plant, grid):
    outcome = race(grid, plant("    def run():\n        raise RuntimeError('half-way')\n    return run"))
    assert "half-way" in outcome.failed[0].reason


def test_a_machine_without_a_compiler_or_openmp_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "notebooks/race/mandelbrot")
    import _rows

    no_openmp = tmp_path / "cc"
    no_openmp.write_text('#!/bin/sh\ncase "$*" in *-fopenmp*) exit 1;; esac\n', encoding="utf-8")
    no_openmp.chmod(0o755)
    monkeypatch.setenv("CC", str(no_openmp))
    assert _rows.compiler() == [str(no_openmp)]
    with pytest.raises(_rows.Unavailable, match="no OpenMP"):
        _rows.with_openmp()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(_rows.Unavailable, match="no C compiler"):
        _rows.compiler()


POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")


def test_a_library_finds_its_number_of_threads_before_it_is_imported(plant, grid):
    check = f"    import os\n    assert [os.environ[name] for name in {POOLS}] == ['1'] * {len(POOLS)}\n"
    assert not race(grid, plant(check + OURS)).failed


def test_far_too_many_busy_cores_are_a_failure(plant, grid, monkeypatch):
    monkeypatch.setattr(rounds, "MOST_BUSY", 0.01)
    outcome = race(grid, plant(OURS))
    assert not outcome.runners
    assert ["cores busy" in note.reason for note in outcome.failed] == [True, True]


def test_how_long_a_turn_and_a_preparation_may_take(plant, grid, monkeypatch):
    asked: list[tuple[str, float, int]] = []
    ask = rounds.Host.ask

    def note(self, timeout, **command):
        asked.append((command["do"], timeout, command.get("calls", 0)))
        return ask(self, timeout, **command)

    monkeypatch.setattr(rounds.Host, "ask", note)
    race(grid, plant(OURS))
    assert {timeout for do, timeout, _ in asked if do == "prepare"} == {rounds.PREPARE_TIMEOUT + grid.timeout}
    turns = [(timeout, calls) for do, timeout, calls in asked if do == "run" and calls > 1]
    assert turns
    assert all(grid.timeout < timeout < 2 * grid.timeout for timeout, _ in turns)
    large = mandelbrot.grid(**{**mandelbrot.DEFAULT, "width": 640, "height": 480})
    assert large.timeout > grid.timeout + 10


# --- interpreters ---------------------------------------------------------------------------------------------------------


def test_a_missing_module_is_skipped_with_the_command_that_brings_it(plant):
    found = entries.find(plant(OURS, requires=("no_such_module", "json")), threads=(1,))
    assert [entry.competitor.name for entry in found.entries] == ["ours"]
    (note,) = found.skipped
    assert note.reason == "no_such_module is not installed"
    assert note.cure == "./build.sh setup --peers"


def python_of(
    folder: Path, name: str, version: list[int], modules: list[str], implementation: str = "CPython"
) -> str:
    """A program that answers like an interpreter."""
    path = folder / name
    answer = json.dumps([implementation, version, modules])
    path.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_interpreter_is_chosen_by_version_and_modules(plant, tmp_path, monkeypatch):
    new = python_of(tmp_path, "new", [3, 14, 1], ["numba"])
    old = python_of(tmp_path, "old", [3, 13, 1], ["taichi"])
    pypy = python_of(tmp_path, "pypy", [3, 11, 1], ["taichi", "numba"], "PyPy")
    monkeypatch.setattr(entries, "candidates", lambda: [pypy, new, old, str(tmp_path / "missing")])
    (_, planted) = plant(OURS, requires=("numba",))
    assert entries.host_of(planted, ("numba", "taichi")) == new
    (_, planted) = plant(OURS, requires=("taichi",), python=">=3.11,<3.14")
    assert entries.host_of(planted, ("numba", "taichi")) == old
    (_, planted) = plant(OURS, requires=("taichi",), python=">=3.14")
    assert entries.host_of(planted, ("numba", "taichi")).reason == "taichi is not installed"
    (_, planted) = plant(OURS, python="<3.12")
    assert entries.host_of(planted, ()).reason == "needs Python <3.12, and none is set up"


def test_pypy_is_skipped_with_an_install_command_where_there_is_none(plant, monkeypatch):
    monkeypatch.setattr(entries, "interpreters", lambda: ())
    note = entries.find(plant(OURS, python="pypy"), threads=(1,)).skipped[0]
    assert note.reason == "no PyPy here"
    assert "pypy" in note.cure


@pytest.mark.parametrize(
    ("bounds", "version", "expected"),
    [(">=3.11", (3, 11, 0), True), (">=3.11", (3, 10, 9), False), (">=3.11,<3.14", (3, 13, 9), True),
     (">=3.11,<3.14", (3, 14, 0), False), ("<=3.13", (3, 13, 9), True), (">3.11", (3, 11, 5), False)],
)  # fmt: skip
def test_bounds_of_versions(bounds, version, expected):
    assert allows(bounds, version) == expected


def test_one_thread_and_every_core(plant):
    both = entries.find(plant(OURS, threads="any"), threads=(2, 1))
    assert [(entry.competitor.name, entry.threads) for entry in both.entries] == [
        ("ours", 1), ("ours", 2), ("planted", 1), ("planted", 2),
    ]  # fmt: skip
    assert [entry.label for entry in entries.find(plant(OURS, threads="one"), threads=(1, 2)).entries][
        -1
    ] == "planted, 1 thread"


def test_only_some_and_ours_always(plant):
    assert {entry.competitor.name for entry in entries.find(plant(OURS), only=["planted"]).entries} == {
        "ours",
        "planted",
    }
    with pytest.raises(ValueError, match="no competitor nobody"):
        entries.find(plant(OURS), only=["nobody"])


# --- rounds ---------------------------------------------------------------------------------------------------------------


def entry(name: str, ours: bool = False, threads: int = 1, work: str = "all", lines: str = "") -> Entry:
    competitor = Competitor(Path(f"{name}.py"), name, "", "", (), ">=3.11", "any", work, (), ours, False)
    return Entry(competitor, threads, sys.executable)


OUR, FAST, SLOW, SLOWEST = entry("ours", ours=True), entry("fast"), entry("slow"), entry("slowest")


def test_everybody_takes_part_as_often_as_it_can_be_paid_for():
    plan = schedule({OUR: 0.1, FAST: 0.1, SLOW: 2.0, SLOWEST: 10.0}, budget=75, seed=1)
    turns = {each: sum(each in order for order in plan) for each in (OUR, FAST, SLOW, SLOWEST)}
    assert turns[OUR] == turns[FAST] == len(plan) == rounds.MOST_ROUNDS
    assert turns[SLOWEST] == rounds.FEWEST_ROUNDS < turns[SLOW] < turns[FAST]
    assert 0.1 * 50 + 2 * turns[SLOW] + 10 * turns[SLOWEST] <= 75
    assert all(len(order) == len(set(order)) for order in plan)


def test_the_slow_are_spread_over_the_race():
    plan = schedule({OUR: 0.1, SLOWEST: 12.0}, budget=75)
    at = [number for number, order in enumerate(plan) if SLOWEST in order]
    assert at == [2, 6, 10, 14, 18, 22]


def test_the_slow_do_not_leave_the_fast_with_few_rounds():
    slow = {entry(f"slow{i}"): 3.0 for i in range(10)}
    plan = schedule({OUR: 0.1, FAST: 0.1, **slow, SLOWEST: 40.0}, budget=75)
    assert sum(FAST in order for order in plan) == rounds.MOST_ROUNDS
    assert all(sum(each in order for order in plan) >= rounds.FEWEST_ROUNDS for each in slow)


def test_what_costs_more_than_the_budget_runs_once():
    for cost in (25.0, 100.0):
        plan = schedule({OUR: 0.1, SLOWEST: cost}, budget=60)
        assert sum(SLOWEST in order for order in plan) == 1


def test_the_order_is_shuffled_anew_each_round():
    many = {entry(f"n{i}"): 0.01 for i in range(6)}
    plan = schedule({OUR: 0.01, **many}, budget=60, seed=3)
    assert len({tuple(order) for order in plan}) > 0.9 * len(plan)
    first = [order[0] for order in plan]
    assert len(set(first)) > 3
    assert schedule({OUR: 0.01, **many}, budget=60, seed=3) == plan


def test_turns_are_really_taken_in_that_order(plant, grid, tmp_path):
    diary = tmp_path / "diary"
    note = (
        RIGHT
        + f"    def run():\n        open({str(diary)!r}, 'a').write(NAME + ' '); return counts()\n    return run"
    )
    planted = plant(note)
    planted[0].path.write_text(
        planted[1].path.read_text().replace('"planted"', '"ours"').replace("OURS = False", "OURS = True")
    )
    planted = [contract.read(each.path) for each in planted]
    lines: list[str] = []
    race(grid, planted, say=lines.append, seed=5)
    said = [line.rpartition(", 1 thread")[0].split(", ")[-1] for line in lines if "round" in line]
    turns = diary.read_text().split()[2:]  # the first two are the checked results
    assert [name for name, before in zip(turns, [None, *turns], strict=False) if name != before] == [
        name for name, before in zip(said, [None, *said], strict=False) if name != before
    ]
    assert set(said) == {"ours", "planted"}


def runner(who: Entry, seconds: dict[int, float]) -> Runner:
    return Runner(who, "1", "CPython 3.14", 2.0, 1.0, 5e6, 0.1, 0.0, dict.fromkeys(seconds, 1.0), seconds)


def outcome_of(*runners: Runner, **changes) -> Outcome:
    task = tasks.Task(
        "mandelbrot",
        "a grid",
        "grid",
        {},
        3e6,
        "iterations",
        lambda file, shape: None,
        mandelbrot.CEILING,
        **changes,
    )
    return Outcome(task, list(runners), [], [], [])


def test_a_ratio_is_made_of_rounds_that_both_took_part_in():
    ours = runner(OUR, {n: 1.0 + n for n in range(10)})  # the machine becomes slower and slower
    theirs = runner(SLOW, {n: 3.0 * (1 + n) for n in (8, 9)} | {99: 1.0})
    ratio = outcome_of(ours, theirs).ratio(theirs, ours)
    assert ratio.value == pytest.approx(3.0)


def test_few_rounds_have_wide_intervals_and_one_has_none():
    chance = random.Random(4)
    ours = runner(OUR, dict.fromkeys(range(25), 1.0))
    theirs = {n: 2 * chance.lognormvariate(0, 0.02) for n in range(25)}
    widths = []
    for few in (range(3), range(25)):
        some = runner(SLOW, {n: theirs[n] for n in few})
        ratio = outcome_of(ours, some).ratio(some, ours)
        assert ratio.low < 2 < ratio.high
        widths.append(ratio.high / ratio.low - 1)
    assert widths[0] > 2 * widths[1] > 0
    one = runner(SLOW, {0: 2.0})
    assert "one round" in str(report.table(outcome_of(ours, one)))


# --- table, CSV, figure ---------------------------------------------------------------------------------------------------


@pytest.fixture
def finished() -> Outcome:
    """A race that was run, of five rounds."""

    def times(median: float) -> dict[int, float]:
        return {n: median * (1 + 0.01 * (n - 2)) for n in range(5)}

    return outcome_of(
        runner(OUR, times(0.001)),
        runner(entry("ours", ours=True, threads=2), times(0.0005)),
        runner(FAST, times(0.004)),
        runner(entry("fast", threads=2), times(0.002)),
        runner(entry("sly", work="less"), times(0.0001)),
        quotes=(tasks.Quote("Somebody", 0.002, "a source"),),
    )


def test_the_table_says_what_was_measured(finished):
    lines = str(report.table(finished)).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("---"))
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[start + 1 :]]
    rows = rows[: rows.index([])]
    assert rows == [
        ["1 thread"],
        ["ours", "1.00 ms", "1.00x", "baseline", "3.00 G", "300.0%", "0", "5.00 MB", "5"],
        ["fast", "4.00 ms", "4.00x", "4.00 to 4.00", "750 M", "75.0%", "0", "2.00 s", "5.00 MB", "5"],
        ["“Somebody”", "2.00 ms", "quoted", "1.50 G"],
        ["2 threads"],
        ["ours", "500 µs", "1.00x", "baseline", "3.00 G", "300.0%", "0", "5.00 MB", "5"],
        ["fast", "2.00 ms", "4.00x", "4.00 to 4.00", "750 M", "75.0%", "0", "5.00 MB", "5"],
        ["1 thread, less work"],
        ["sly", "100 µs", "0.100x", "0.100 to 0.100", "30.0 G", "0", "2.00 s", "5.00 MB", "5"],
    ]
    assert any("a quotation, not measured here. a source" in line for line in lines)
    assert max(map(len, lines)) <= 120


def test_the_ceiling_is_no_competitor(finished):
    ceiling = runner(entry("reads"), {0: 0.0001})
    object.__setattr__(ceiling.entry.competitor, "ceiling", True)
    finished.runners.append(ceiling)
    lines = [line.split("  ")[0] for line in str(report.table(finished)).splitlines()]
    assert (
        lines.index("ours") < lines.index("fast") < lines.index("ceiling: reads") < lines.index("2 threads")
    )


def test_the_ceiling_is_of_one_thread_or_of_every_core(finished, monkeypatch):
    monkeypatch.setattr(Outcome, "ceiling", CEILING)
    finished.peaks.append(SimpleNamespace(cores=4, flops=8e9, flops_all=32e9))
    assert [finished.ceiling(threads) for threads in (1, 2, 3, 4)] == [1e9, None, None, 4e9]
    assert finished.of_ceiling(finished.runners[1]) is None


def test_what_another_thread_count_compiled_is_not_built_for_nothing(finished):
    finished.runners[3].build = 0.01  # finds what one thread compiled
    assert finished.build(finished.runners[3]) == 2.0
    assert finished.build(finished.runners[0]) is None  # ours


def test_stations_have_bytes_and_rows_per_second(finished):
    object.__setattr__(finished.task, "size", 4_000_000)
    object.__setattr__(finished.task, "quotes", ())
    header, *_ = str(report.table(finished)).splitlines()[2:]
    assert "rows/s" in header
    assert "B/s" in header
    assert "4.00 GB/s" in str(report.table(finished))


def test_the_csv_has_the_same_numbers(finished, tmp_path):
    report.write_csv([finished, finished], tmp_path / "race.csv")
    with (tmp_path / "race.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert all(None not in row and None not in row.values() for row in rows)
    for row in rows:
        seconds = [float(word) for word in row["seconds"].split()]
        assert float(row["median_seconds"]) == pytest.approx(statistics.median(seconds), rel=1e-5)
        assert float(row["work_per_second"]) == pytest.approx(3e6 / float(row["median_seconds"]))
        share = float(row["work_per_second"]) / 1e9 / int(row["threads"])
        assert (
            row["of_ceiling"] == ""
            if row["work"] == "less"
            else float(row["of_ceiling"]) == pytest.approx(share)
        )
        assert float(row["times_ours_low"]) <= float(row["times_ours"]) <= float(row["times_ours_high"])
        assert float(row["best_seconds"]) <= float(row["median_seconds"]) <= float(row["worst_seconds"])


def test_the_figure_names_everybody_and_who_wins(finished):
    figure = report.figure(finished)
    for words in ("ours is 4.00x as fast as fast", "sly 30.0 G", "ceiling", "750 M"):
        assert words in figure.alt
    assert figure.png.startswith(b"\x89PNG")
    assert len(figure.png) < 60_000


def test_a_race_without_peers_has_a_figure():
    assert report.figure(outcome_of(runner(OUR, {0: 1.0}))).png


def test_markdown_for_notebooks(finished):
    bundle = report.table(finished)._repr_mimebundle_()
    assert "| **ours**" in bundle["text/markdown"] or "|ours" in bundle["text/markdown"].replace(" ", "")
    assert "- time: the median" in bundle["text/markdown"]


# --- the contract ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("competitor", EVERY)
def test_every_competitor_keeps_to_the_contract(competitor):
    tree = ast.parse(competitor.path.read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    beside = {path.stem for path in competitor.path.parent.glob("_*.py")}
    assert imported <= set(sys.stdlib_module_names) | beside, "only the standard library at the top"
    assert competitor.key not in sys.stdlib_module_names
    found = importlib.util.find_spec(competitor.key)  # itself, once test_doors has loaded it
    assert found is None or Path(found.origin) == competitor.path, "named like a package"
    assert competitor.source.startswith("https://") or (ROOT / competitor.source).exists()
    if competitor.python == "pypy":
        ast.parse(competitor.path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("race", RACES)
def test_a_race_has_one_of_ours_and_different_names(race):
    everybody = competitors(race)
    assert len({each.name for each in everybody}) == len(everybody)
    assert sum(each.ours and each.work == "all" for each in everybody) == 1


def test_the_host_is_written_for_python_3_9():
    ast.parse((ROOT / "notebooks/race/host_main.py").read_text(encoding="utf-8"), feature_version=(3, 9))


BROKEN = {
    "no docstring": ('"""Planted."""', "", "no docstring"),
    "no name": ('NAME = "planted"', "", "NAME is missing"),
    "computed": ('NAME = "planted"', 'NAME = "a" + str(1)', "plain value"),
    "threads": ('THREADS = "one"', 'THREADS = "two"', "THREADS"),
    "python": ('PYTHON = ">=3.11"', 'PYTHON = "3"', "PYTHON"),
    "no version": ("def version", "def versions", "no function version"),
    "no such file": ("OURS = False", 'FILES = ("missing.c",)', "missing.c"),
    "no such competitor": ("OURS = False", 'FILES = "missing"', "missing"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_broken_contract_is_named(plant, tmp_path, old, new, complaint):
    path = plant(OURS)[1].path
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BrokenContract, match=complaint):
        competitors("mandelbrot", tmp_path)


def test_files_may_be_those_of_the_competitor_beside_it(plant, tmp_path):
    ours, planted = (each.path for each in plant(OURS))
    (tmp_path / "mandelbrot" / "shared.c").write_text("int x;\n", encoding="utf-8")
    ours.write_text(ours.read_text() + 'FILES = ("shared.c",)\n')
    planted.write_text(planted.read_text() + 'FILES = "a_ours"\n')
    found = competitors("mandelbrot", tmp_path)[1]
    assert [file.name for file in found.files] == ["planted.py", "shared.c"]
    lines, digest = found.lines, found.digest
    (tmp_path / "mandelbrot" / "shared.c").write_text("int x;\nint y;\n", encoding="utf-8")
    assert found.lines == lines + 1
    assert found.digest != digest


LINES = {
    "a.py": ('"""Doc\nstring."""\nNAME = "x"\nREQUIRES = (\n    "a",\n)\n\n# no\nX = """two\nlines"""\n\n\ndef f():\n'
             '    """No."""\n    return (\n        1  # yes\n    )\n', 6),
    "a.c": ('/* no\n no */\n#include <a.h>\nint x; // no\n\nchar *s = "/* yes */";\nchar q = \'"\'; /* no */\n// no\n', 4),
    "a.mojo": ('"""No\nno."""\n# no\nfn f():\n    x = 1  # yes\n\n', 2),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "count"), [(name, *given) for name, given in LINES.items()], ids=LINES
)
def test_lines_of_code(tmp_path, name, text, count):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(lines_of_code(tmp_path / name)) == count


# --- all of it ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", REQUIRED or [None])
def test_the_peers_that_must_be_here_are(peer):
    if peer is None:
        pytest.skip("FAST_SNEK_REQUIRE_PEERS asks for none")
    assert importlib.util.find_spec(peer), "./build.sh setup --peers"


@pytest.mark.slow
@pytest.mark.parametrize("race", RACES)
def test_the_quick_race_with_whoever_is_installed(race):
    """All results are right: the exit status says so. Nobody who can be hosted is missing, and nobody spins while waiting."""
    command = [sys.executable, str(ROOT / "tools/bench.py"), race, "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (ROOT / "build" / "quick" / f"{race}.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["competitor"], int(row["threads"])): row for row in csv.DictReader(file)}
    jobs = tasks.module(race).tasks(quick=True)
    expected = {(each.competitor.key, each.threads) for each in entries.find(race).entries}
    skipped = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("skipped")]
    assert len(rows) >= len(expected) - len(skipped)
    for peer in REQUIRED:
        users = {each.key for each in competitors(race) if peer in each.requires}
        assert {key for key, _ in expected} >= users
        assert {key for key, _ in rows} >= users, done.stdout
    for (name, threads), row in rows.items():
        assert float(row["cores_busy_waiting"]) < 0.5, f"{name} with {threads} threads does not sleep"
        assert 0 < float(row["median_seconds"]) < 60
        assert 1e6 < float(row["memory_bytes"]) < 4e9
        bounded = {job.slug: job.ceiling for job in jobs}[row["task"]] and row["work"] == "all"
        assert float(row["of_ceiling"]) > 0 if bounded else row["of_ceiling"] == ""
    for part in (f"build/quick/{race}.csv", "ours", "1 thread"):
        assert part in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


@pytest.mark.parametrize(
    ("text", "rows"), [("1_000_000", 10**6), ("100M", 10**8), ("1B", 10**9), ("5k", 5000), ("7", 7)]
)
def test_numbers_of_rows(text, rows):
    assert bench.number(text) == rows


@pytest.mark.parametrize("text", ["", "M", "1.5M", "-3", "0", "1e6", "100B", "many"])
def test_what_is_no_number_of_rows(text, capsys):
    with pytest.raises(SystemExit):
        bench.arguments(["stations", f"--rows={text}"])
    assert "rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--threads=0"], ["--threads=two"], ["--threads="], ["--threads=1,999"], ["--only=numba_njit"], ["chess"],
     ["mandelbrot", "--only=,"], ["mandelbrot", "--rows=5"],
     *([f"--budget={wrong}"] for wrong in ("nan", "inf", "-1", "0", "long"))],
)  # fmt: skip
def test_what_the_command_line_refuses(words, capsys):
    with pytest.raises(SystemExit):
        bench.arguments(words)
    assert "error:" in capsys.readouterr().err


def test_an_unknown_competitor_is_refused_in_one_line():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/bench.py"), "mandelbrot", "--only", "nobody"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("bench: no competitor nobody")
    assert len(done.stderr.splitlines()) == 1


def test_what_cannot_be_imported_is_named_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "mandelbrot"])
    monkeypatch.setitem(sys.modules, "snek", None)
    assert bench.main() == 2
    assert "snek" in (said := capsys.readouterr().err)
    assert said.endswith("(./build.sh setup)\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["stations"], "build/stations.csv"),
        (["stations", "--quick"], "build/quick/stations.csv"),
        (["stations", "--rows=7"], "build/a-grid.csv"),
        (["stations", "--budget=9"], "build/partial/stations.csv"),
        (["stations", "--quick", "--only=read_only"], "build/quick/partial/stations.csv"),
    ],
)
def test_a_partial_run_does_not_replace_the_numbers_of_the_whole(tmp_path, monkeypatch, words, written):
    outcome = outcome_of(runner(OUR, {0: 1.0}))
    object.__setattr__(outcome.task, "slug", "a-grid")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(stations, "tasks", lambda quick=False, rows=None: [outcome.task])
    monkeypatch.setattr(bench.rounds, "race", lambda *_, **__: outcome)
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    monkeypatch.setenv("FAST_SNEK_QUICK", "")
    assert bench.main() == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == {
        written,
        str(Path(written).with_name("a-grid.png")),
    }


def test_ratios_are_of_the_workbench(finished):
    assert isinstance(finished.ratio(finished.runners[2], finished.runners[0]), Ratio)


def test_a_field_can_be_put_together_by_hand(plant, grid):
    """What a notebook does: some entries of its own choice."""
    chosen = entries.find(plant(OURS), threads=(1,)).entries
    outcome = rounds.race(grid, Field(chosen, ()), budget=0.2)
    assert len(report.records(outcome)) == len(chosen)


SPINS = {
    "a thread": """
    import threading
    def spin():
        while True: pass
    threading.Thread(target=spin, daemon=True).start()
    return counts""",
    "a worker process": """
    import subprocess, sys
    subprocess.Popen([sys.executable, "-c", "while True: pass"])
    return counts""",
}


@pytest.mark.parametrize("spins", SPINS.values(), ids=SPINS)
def test_who_is_busy_while_others_have_their_turn_is_named(plant, grid, spins, monkeypatch):
    monkeypatch.setattr(rounds, "MOST_BUSY", 99)
    outcome = race(grid, plant(RIGHT + spins), budget=1)
    lazy, busy = outcome.runners
    assert lazy.busy_waiting < 0.1 < 0.3 < busy.busy_waiting
    assert any(
        "busy while others had their turn" in line and "planted" in line
        for line in report.table(outcome).notes()
    )
