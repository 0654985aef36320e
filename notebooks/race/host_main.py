"""Run one competitor in a process of its own: `python host_main.py`, then one command a line on stdin, one answer a line on stdout.

Standard library only, Python 3.9 or newer: PyPy or whatever interpreter a competitor needs runs this file. The answers go
through a copy of stdout; what the competitor prints lands on stderr, so a talkative library cannot garble them. While it waits
for a command this process sleeps in read().

    {"do": "prepare", "path": ..., "task": {...}, "threads": 2, "folder": ..., "driver": ...}   build and warm up
    {"do": "run", "calls": 3}                                                   seconds and processor seconds for one call
    {"do": "result", "path": ...}                                               write what the last run returned

Each answer also says how many cores this process kept busy while it waited for the command: that should be none.
"""

import array
import hashlib
import importlib.util
import json
import os
import pathlib
import platform
import re
import resource
import sys
import time
import traceback
import types


def load(path):
    """Load a competitor as the module of that name: worker processes that it starts can then import it again."""
    path = pathlib.Path(path)
    sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prepare(command):
    """Load, build and warm up a competitor. Return its callable and what is to be said about it."""
    begin = time.perf_counter()
    competitor = load(command["path"])
    version = competitor.version()
    slug = re.sub(r"[^\w.]+", "-", version)[:40] + "-" + hashlib.sha256(version.encode()).hexdigest()[:6]
    folder = pathlib.Path(command["folder"], slug)
    folder.mkdir(parents=True, exist_ok=True)
    job = types.SimpleNamespace(**command["task"]), command["threads"], folder
    if command.get("driver") and not hasattr(competitor, "prepare"):
        run = load(command["driver"]).prepare(competitor, *job)
    else:
        run = competitor.prepare(*job)
    seconds = time.perf_counter() - begin
    first = folder / "first-build.json"
    # Whoever comes later finds the compiled files; the table tells what the first had to pay.
    if not first.exists():
        first.write_text(json.dumps(seconds))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    if platform.python_implementation() == "PyPy":
        python = "PyPy {}.{}.{} (Python {})".format(*sys.pypy_version_info[:3], platform.python_version())
    built = json.loads(first.read_text())
    return run, {"version": version, "python": python, "warm": seconds, "build": max(built, seconds)}


def processor_seconds():
    """What this process and its finished children have kept processors busy for. Of those alive host.py knows."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(run, calls):
    """Call `run` so often in a row. Return the last result, the seconds per call, and the processor seconds per call."""
    busy, begin = processor_seconds(), time.perf_counter()
    for _ in range(calls):
        result = run()
    seconds = time.perf_counter() - begin
    return result, {"seconds": seconds / calls, "busy": (processor_seconds() - busy) / calls}


def write(result, path):
    """Write a result: a dictionary as JSON, a grid as int32 in this machine's byte order. Return what it looks like."""
    if isinstance(result, dict):
        rows = [[name, [value if isinstance(value, int) else float(value) for value in values]]
                for name, values in result.items()]  # fmt: skip
        pathlib.Path(path).write_text(json.dumps(rows), encoding="utf-8")
        return {"shape": [len(rows)]}
    if isinstance(result, list):
        shape = [len(result), len(result[0])]
        flat = array.array("i", [value for row in result for value in row])
        view = memoryview(flat)
    else:
        view = memoryview(result)
        shape = list(view.shape)
    if view.format not in ("i", "l") or view.itemsize != 4 or not view.c_contiguous:
        raise TypeError(f"the counts are not int32 in C order, but {view.format!r}")
    pathlib.Path(path).write_bytes(view.cast("B"))
    return {"shape": shape}


def failure(error, preparing):
    """What to say about an exception: `missing` marks those that mean "not here", see contract.py."""
    missing = preparing and (type(error).__name__ == "Unavailable" or isinstance(error, ImportError))
    message = f"{type(error).__name__}: {error}" if not missing else str(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    return {"error": message, "missing": missing}


def main():
    """Answer commands until stdin ends."""
    commands, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.path.pop(0)  # the folder of this file: its modules are not the competitor's business
    run = result = None
    waited = restless = 0.0  # seconds that it should have slept, and that it worked meanwhile
    while True:
        worked, begin = processor_seconds(), time.perf_counter()
        line = commands.readline()
        if not line:
            break
        waited += time.perf_counter() - begin
        restless += processor_seconds() - worked
        command = json.loads(line)
        try:
            if command["do"] == "prepare":
                run, answer = prepare(command)
            elif command["do"] == "run":
                result = None  # what the last run returned is no longer needed: this one may have its memory
                result, answer = timed(run, command["calls"])
            else:
                answer = write(result, command["path"])
                result = None
        except Exception as error:
            answer = failure(error, command["do"] == "prepare")
        # Right after a turn something may still be winding down: short waits are added up.
        answer["busy_waiting"] = 0.0
        if waited > 0.05:
            answer["busy_waiting"] = restless / waited
            waited = restless = 0.0
        sys.stdout.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
