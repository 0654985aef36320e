"""Ask an extension module that a reader wrote: in a child process, since C may crash.

A checker of notebook 09 hands `asked(module.function, cases)` to `check_function`. One child calls the C function with
every case, counts references and memory, and its answers come back here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import BuiltinFunctionType
from typing import Any

from workbench import behaviour
from workbench.compile import load_extension
from workbench.run import run_python
from workbench.show import shortened

BLANK, CALLS = "not tried yet", 100
JOB = """# the checker
from jobs.extensions import answers
found = answers(module, path, name, cases, lets_go)
"""


def asked(function: Any, cases: Sequence[tuple], *, lets_go: bool = False) -> Callable[..., Any]:
    """A function that answers to `cases` as the C `function` does in a child: its result, or the exception's name.

    It raises RuntimeError, with the reason, where the child died, where calls leave something behind, where they take
    references that are not theirs, and, with `lets_go`, where the last case keeps the GIL.
    """
    module = getattr(function, "__self__", None)
    if not (isinstance(function, BuiltinFunctionType) and getattr(module, "__file__", "").endswith(".so")):

        def refuse(*arguments: Any) -> Any:
            raise TypeError("it is not a function of an extension module")

        return refuse
    given = {"module": module.__name__, "path": module.__file__, "name": function.__name__}
    given |= {"cases": cases, "lets_go": lets_go}
    report = run_python(JOB, give=given, take=["found"], timeout=30)
    begun = len(report.stdout.split())
    found = dict(zip(map(repr, cases), report.values.get("found") or [], strict=False))

    def answer(*arguments: Any) -> Any:
        if repr(arguments) not in found:
            how = "it never came back" if report.timed_out else f"the process died of {report.signal or report.ending}"
            arguments = ", ".join(map(shortened, cases[max(0, begun - 1)]))
            raise RuntimeError(f"{how}, at {function.__name__}({arguments})")
        said, problem = found[repr(arguments)]
        if problem:
            raise RuntimeError(problem)
        return ... if said == BLANK else said

    answer.__name__ = function.__name__
    return answer


def answers(
    module: str, path: str, name: str, cases: Sequence[Sequence], lets_go: bool
) -> list[tuple[Any, str | None]]:
    """In the child: (what the function answers, what is wrong besides) for each of `cases`."""
    function = getattr(load_extension(module, path), name)
    found = []
    for number, case in enumerate(cases, 1):
        print(number, flush=True)  # so that the parent knows which case was the last
        said = _outcome(function, case)
        problem = None
        if said != BLANK:
            problem = _references(function, case) or behaviour.leaks(lambda *a: _outcome(function, a), *case)
            if not problem and lets_go and number == len(cases):
                held = not behaviour.releases_gil(lambda case=case: function(*case))
                problem = "no other thread could run during the call: it keeps the GIL" if held else None
        found.append((said, problem))
    return found


def _outcome(function: Callable, case: Sequence) -> Any:
    try:
        said = partial(function, *case)()  # this way CPython checks that there is a result or an exception
    except Exception as error:
        return type(error).__name__
    return BLANK if said is ... else said


def _references(function: Callable, case: Sequence) -> str | None:
    """Do calls take references to the arguments, or to what is in them, that were not theirs; or keep some?"""
    objects = [*case, *(item for each in case if isinstance(each, list) for item in each)]
    spare = [list(objects) for _ in range(5 * CALLS)]  # so that nothing is freed meanwhile
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(CALLS):
        _outcome(function, case)
    for each, count in zip(objects, before, strict=True):
        change = sys.getrefcount(each) - count
        if spare and abs(change) >= CALLS:
            what = f"{abs(change)} references too {'many' if change > 0 else 'few'}"
            return f"after {CALLS} calls {shortened(each, 30)} has {what}"
    return None
