"""Ask an extension module that a reader wrote: in a child process, since C may crash.

A checker of notebook 09 hands `asked(module.function, cases)` to `check_function`. One child calls the C function with
every case, counts references and memory, and prints a line for each; what it said comes back here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from operator import sub
from types import BuiltinFunctionType
from typing import Any

from workbench import behaviour
from workbench.compile import load_extension
from workbench.run import run_python
from workbench.show import shortened

BLANK, CALLS = "not tried yet", 100
# References to all arguments, so that none is freed by a function that takes what is not its own.
_spare: list[list] = []
TIME_LIMIT = 10.0  # seconds for all cases; the solutions take one
JOB = """# the checker
from jobs.extensions import answer_all
answer_all(module, path, name, cases, lets_go)
"""


def asked(function: Any, cases: Sequence[tuple], *, lets_go: bool = False) -> Callable[..., Any]:
    """A function that answers to `cases` as the C `function` does in a child: its result, or the exception's name.

    It raises RuntimeError, with the reason, where the child died or never came back, where calls leave something
    behind, where they take references that are not theirs, and, with `lets_go`, where the last case keeps the GIL.
    It raises TypeError where `function` is not one of an extension module.
    """
    module = getattr(function, "__self__", None)
    in_c = isinstance(function, BuiltinFunctionType) and str(getattr(module, "__file__", "")).endswith(".so")
    answers, ending = {}, ""
    if in_c:
        given = {"module": module.__name__, "path": module.__file__, "name": function.__name__}
        report = run_python(JOB, give=given | {"cases": cases, "lets_go": lets_go}, timeout=TIME_LIMIT)
        lines = map(json.loads, report.stdout.splitlines())
        answers = dict(zip(map(repr, cases), lines, strict=False))
        ending = f"the process died of {report.signal}" if report.signal else report.stderr.strip()[-200:]
        ending = "it never came back" if report.timed_out else ending

    def answer(*arguments: Any) -> Any:
        if not in_c:
            raise TypeError("it is not a function of an extension module")
        said, problem = answers.get(repr(arguments), (None, ending))
        if problem:
            raise RuntimeError(problem)
        return ... if said == BLANK else said

    answer.__name__ = getattr(function, "__name__", "function")
    return answer


def answer_all(module: str, path: str, name: str, cases: Sequence[Sequence], lets_go: bool) -> None:
    """In the child: print [what the function answers, what is wrong besides] for each of `cases`, up to what is wrong."""
    function = getattr(load_extension(module, path), name)
    for number, case in enumerate(cases, 1):
        objects = [*case, *(item for each in case if isinstance(each, list) for item in each)]
        _spare.append([list(objects) for _ in range(5 * CALLS)])
        said, problem = json.dumps(_outcome(function, case)), None
        if said == json.dumps(BLANK):
            pass
        elif lets_go and number == len(cases):  # a long call
            if not behaviour.releases_gil(partial(function, *case)):
                problem = "no other thread could run during the call: it keeps the GIL"
        else:
            problem = _references(function, case, objects)
            problem = problem or behaviour.leaks(partial(_outcome, function, case))
        print(f"[{said}, {json.dumps(problem)}]", flush=True)
        if problem:
            os._exit(0)  # at once, before somebody frees what is free already


def _outcome(function: Callable, case: Sequence) -> Any:
    try:
        # Called through `partial`, CPython checks that there is a result or an exception.
        said = partial(function, *case)()
    except Exception as error:
        return type(error).__name__
    return BLANK if said is ... else said


def _references(function: Callable, case: Sequence, objects: Sequence) -> str | None:
    """Do calls take references to `objects`, the arguments and what is in them, or keep some? In words, or None."""
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(CALLS):
        _outcome(function, case)
    after = [sys.getrefcount(each) for each in objects]
    for each, change in zip(objects, map(sub, after, before), strict=True):
        if abs(change) >= CALLS:
            what = f"{abs(change)} references too {'many' if change > 0 else 'few'}"
            return f"after {CALLS} calls {shortened(each, 30)} has {what}"
    return None
