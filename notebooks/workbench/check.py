"""The checkers of the exercises: "not tried yet" on an untouched stub, a reason that helps, or a tick.

A blank is an Ellipsis: `answer = ...`, or `def f(x): return ...`. Run All never fails on one. No checker raises on a
wrong answer: it returns a `Verdict`, which a notebook shows as one line. What the learner's code raises becomes that
line, `SystemExit` included; only Ctrl-C (`KeyboardInterrupt`) passes through. A call that never ends is interrupted by
an alarm signal. That takes a POSIX system and the main thread, where notebooks run their cells; and C code is
interrupted once it returns to Python, so what may hang in C belongs in `%%child`.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from workbench import behaviour
from workbench.measure import race
from workbench.same import difference
from workbench.show import Shown, duration, shortened, si, three_digits, times

__all__ = ["Verdict", "check_function", "check_value", "prediction"]

TIME_LIMIT = 10.0  # seconds for a call of a learner's function; the reference takes milliseconds
CELL = re.compile(r"ipykernel_\d+|<ipython-input")  # in the file names that the code of a cell has
CLOSE_GUESS = 1.25  # a prediction within this factor counts as right


@dataclass(frozen=True)
class Verdict(Shown):
    """`status` is "not tried yet", "wrong" or "right"; `message` says why, in one line."""

    status: str
    message: str = ""

    def _markdown(self) -> str:
        mark = {"not tried yet": "○", "wrong": "✗", "right": "✓"}[self.status]
        return f"{mark} {self.message or self.status}"

    def _plain(self) -> str:
        return self._markdown()


def prediction(guess: float | None, measured: Any, unit: str = "x") -> Verdict:
    """Compare a guess with what was measured: right within a quarter, else how far off.

    `measured` is a number or a `Ratio`; `unit` is "x", "s", or any other ("%", "B/s"). An int with
    another unit is a count, and shown as one.
    """
    counted = isinstance(measured, int) and unit not in ("x", "s", "%")
    quantity = f"{measured:,} {unit}" if counted else _quantity(float(measured), unit)
    measured = float(measured)
    said = f"Measured: {quantity}."
    if guess is None or guess is ...:
        return Verdict("not tried yet", f"{said} No guess recorded: type one in, and run again.")
    try:
        guess = float(guess)
    except (TypeError, ValueError):
        return Verdict("wrong", f"{said} Your guess should be a number, not {shortened(guess)}.")
    said = f"You guessed {guess:g}{unit if unit == 'x' else f' {unit}'}. {said}"
    if not (guess > 0 and measured > 0):
        return Verdict("right" if guess == measured else "wrong", said)
    off = max(guess / measured, measured / guess)
    if off <= CLOSE_GUESS:
        return Verdict("right", f"{said} Well guessed.")
    return Verdict(
        "wrong",
        f"{said} Your guess is {three_digits(off)} times too {'high' if guess > measured else 'low'}.",
    )


def check_value(value: Any, expected: Any, *, hint: str = "", rtol: float | None = None) -> Verdict:
    """Is `value` what was `expected`, to the relative tolerance `rtol` where it is a float (default: exactly)?

    Where the learner's code has to run to give the value, `value` is a function that calls it: what goes wrong then is
    said in one line, as in `check_function`.
    """
    if callable(value):
        value = _attempt("your code", value, {})
        if isinstance(value, _Failed):
            return Verdict("wrong", _sentences(value.reason, hint))
    if value is None or value is ...:
        return Verdict("not tried yet")
    if difference(value, expected, rtol or 0.0) is None:
        return Verdict("right", "right")
    return Verdict("wrong", _sentences(f"{shortened(value)} is not it", hint))


def check_function(
    f: Any,
    reference: Callable,
    inputs: Iterable[Any],
    *,
    same: Callable[[Any, Any], bool] | None = None,
    faster_than: Callable | None = None,
    by: float | None = None,
    hints: Mapping[Any, str] | None = None,
    releases_gil: bool = False,
    leaks: bool = False,
) -> Verdict:
    """Does `f` return what `reference` returns, for all `inputs`; and fast enough, without the GIL, without a leak?

    An input is one argument, or a tuple of arguments; each function gets copies of its own. Results are compared by
    `same(got, expected)`, default exactly. `faster_than` is a function that `f` must beat `by` this factor on the last
    input (default: by anything a race can tell). `releases_gil` and `leaks` ask for those tests on the last input.

    `hints` adds a sentence to the reason: its keys are the stage that failed, "exception", "value", "time", "speed",
    "gil" or "leaks", or the class of an exception.

    After ten seconds a call is interrupted and the verdict is "wrong": see the top of this module.
    """
    hints = hints or {}
    cases = [args if isinstance(args, tuple) else (args,) for args in inputs]
    if f is None or f is ...:
        return Verdict("not tried yet")
    if not callable(f):
        return Verdict("wrong", f"a function is wanted here, not {shortened(f)}")
    reason = _wrong_result(f, reference, cases, same, hints)
    if reason is ...:
        return Verdict("not tried yet")
    last = cases[-1]

    def second_look() -> str | None:
        if faster_than is not None and (slow := _too_slow(f, faster_than, last, by, same, hints)):
            return slow
        if releases_gil and not behaviour.releases_gil(lambda: f(*last)):
            held = "right, but no other thread could run during the call: it keeps the GIL"
            return _sentences(held, hints.get("gil"))
        if leaks and (found := behaviour.leaks(f, *last)):
            return _sentences(f"right, but it leaks: {found}", hints.get("leaks"))
        return None

    if (
        reason is None
    ):  # the answers were right once; called again, the function may still raise, or never return
        again = f"right at first, but `{getattr(f, '__name__', 'f')}`, called again,"
        reason = _attempt(again, second_look, hints, limit=6 * TIME_LIMIT)
        reason = reason.reason if isinstance(reason, _Failed) else reason
    return Verdict("right", "right") if reason is None else Verdict("wrong", reason)


def _wrong_result(
    f: Callable, reference: Callable, cases: list, same: Callable | None, hints: Mapping
) -> Any:
    """Why the first failing input fails; None when none does; Ellipsis when `f` is an untouched stub."""
    blanks = 0
    for number, args in enumerate(cases, 1):
        call = f"{getattr(f, '__name__', 'f')}({', '.join(shortened(a, 40) for a in args)})"
        expected = reference(*_copies(args))
        copies = _copies(args)
        got = _attempt(f"`{call}`", lambda copies=copies: f(*copies), hints)
        if isinstance(got, _Failed):
            return got.reason
        if got is ...:
            blanks += 1
            if blanks == number:
                continue
        if blanks == number - 1 and blanks:  # earlier inputs gave a blank, this one an answer
            return _sentences("it still returns `...` for some inputs", hints.get("value"))

        def equal(got=got, expected=expected) -> bool:
            return same(got, expected) if same else difference(got, expected) is None

        right = _attempt(f"the comparison with what `{call}` returns", equal, hints)
        if isinstance(right, _Failed):
            return right.reason
        if not right:
            return _sentences(f"`{call}` {_comparison(got, expected)}", hints.get("value"))
    return ... if blanks else None


def _comparison(got: Any, expected: Any) -> str:
    if got is None:
        return f"returns None, not {shortened(expected)}: is there a `return`?"
    short = f"returns {shortened(got)}, not {shortened(expected)}"
    nested = isinstance(got, (list, tuple, dict)) or hasattr(got, "shape")
    where = difference(got, expected) if nested else None
    return f"{short} ({where})" if where else short


def _too_slow(
    f: Callable, other: Callable, args: tuple, by: float | None, same: Callable | None, hints: Mapping
) -> Any:
    """Why `f` is not fast enough; None when it is. In doubt, and on a noisy machine, for the learner."""
    name = getattr(other, "__name__", "the other")
    thunks = {"other": lambda: other(*args), "yours": lambda: f(*args)}
    for attempt in range(3):
        ratio = race(thunks, same=same or (lambda a, b: True), budget=0.5 * (attempt + 1)).ratio("yours")
        enough = ratio.low > 1 if by is None else ratio.high >= by and ratio.value >= 0.9 * by
        if enough:
            return None
    wanted = f"{times(by)} as fast" if by is not None else "faster"
    return _sentences(
        f"right, but {times(ratio)} as fast as {name}; it should be {wanted}", hints.get("speed")
    )


@dataclass(frozen=True)
class _Failed:
    """What the learner's code did instead of returning, in one line."""

    reason: str


def _attempt(what: str, call: Callable[[], Any], hints: Mapping, limit: float | None = None) -> Any:
    """What `call()` returns, or `_Failed` when it raises or takes longer than `limit` seconds. `what`: for the line."""
    limit = TIME_LIMIT if limit is None else limit
    try:
        with _time_limit(limit):
            return call()
    except _TooLong:
        late = f"{what} was still running after {duration(limit)}, so it was stopped"
        return _Failed(_sentences(late, hints.get("time")))
    except (Exception, SystemExit) as error:
        return _Failed(_raised(what, error, hints))


def _raised(what: str, error: BaseException, hints: Mapping) -> str:
    """One line on an exception: what it says, where in the learner's cell, and the hint for its class."""
    text = " ".join(str(error).split())
    said = f": {shortened(text, 100)[1:-1]}" if text else ""
    for_class = (text for key, text in hints.items() if isinstance(key, type) and isinstance(error, key))
    hint = next(for_class, None) or hints.get("exception")
    return _sentences(f"{what} raises {type(error).__name__}{said}{_place(error)}", hint)


def _place(error: BaseException) -> str:
    """ ", in `f`, line 3 of its cell": the innermost line of the traceback that stands in a cell; "" where none does."""
    codes = [(at.tb_frame.f_code, at.tb_lineno) for at in _tracebacks(error)]
    lines = [(code.co_name, line) for code, line in codes if CELL.search(code.co_filename)]
    return ", in `{}`, line {} of its cell".format(*lines[-1]) if lines else ""


def _tracebacks(error: BaseException) -> Iterator[TracebackType]:
    at = error.__traceback__
    while at is not None:
        yield at
        at = at.tb_next


class _TooLong(BaseException):
    """Not an Exception, so that the learner's own `except Exception` doesn't swallow it."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TooLong` in the block after `seconds`; no limit where there is no such timer, or in another thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise _TooLong

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second: the first may be swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _copies(args: tuple) -> tuple:
    """Arguments that a function may change without harm to the next call; what can't be copied is passed as it is."""
    try:
        return deepcopy(args)
    except Exception:
        return args


def _quantity(value: float, unit: str) -> str:
    if unit == "x":
        return times(value)
    if unit == "s":
        return duration(value)
    return f"{three_digits(value)} %" if unit == "%" else si(value, unit).rstrip()


def _sentences(reason: str, hint: str | None) -> str:
    return f"{reason}. Hint: {hint}" if hint else reason
