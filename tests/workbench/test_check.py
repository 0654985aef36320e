"""workbench.check: blanks are "not tried yet", wrong answers get a reason that helps, right ones a tick."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import signal
import sys
import threading
import time

import pytest

from workbench import check
from workbench.behaviour import leaks, releases_gil
from workbench.check import check_function, check_value, prediction
from workbench.results import Ratio

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


def double(x):
    return 2 * x


# ---- predictions and values ----


@pytest.mark.parametrize("blank", [None, ...])
def test_no_guess_shows_the_measurement(blank):
    verdict = prediction(blank, 3.4)
    assert verdict.status == "not tried yet"
    assert str(verdict) == "○ Measured: 3.40x. No guess recorded: type one in, and run again."


def test_guesses():
    assert prediction(3, Ratio(3.4, 3.3, 3.5)).status == "right"
    far = prediction(10, 2.5)
    assert far.status == "wrong"
    assert str(far) == "✗ You guessed 10x. Measured: 2.50x. Your guess is 4.00 times too high."
    assert "too low" in prediction(0.001, 2.0, "s").message
    assert "Measured: 2.00 s" in prediction(0.001, 2.0, "s").message
    assert "12.0 %" in prediction(10, 12.0, "%").message
    assert prediction("many", 2.0).status == "wrong"
    assert prediction(0, 2.0).status == "wrong"


def test_counts_are_integers():
    assert "Measured: 5 tasks." in prediction(None, 5, unit="tasks").message
    assert "Measured: 5.00 B/s." in prediction(None, 5.0, unit="B/s").message
    assert "Measured: 2.00x." in prediction(None, 2).message


def test_check_value():
    assert check_value(..., 4, hint="add").status == "not tried yet"
    assert str(check_value(5, 4, hint="add them up")) == "✗ 5 is not it. Hint: add them up"
    assert check_value(4, 4, hint="").status == "right"
    assert check_value(4.0001, 4, hint="").status == "wrong"
    assert check_value(4.0001, 4, hint="", rtol=1e-3).status == "right"


# ---- functions: results ----


def test_an_untouched_stub_is_not_tried_yet():
    def stub(x): ...

    def ellipsis(x):
        return ...

    assert check_function(ellipsis, double, [1, 2, 3]).status == "not tried yet"
    assert check_function(..., double, [1]).status == "not tried yet"
    assert check_function(None, double, [1]).status == "not tried yet"
    assert str(check_function(ellipsis, double, [1])) == "○ not tried yet"
    # A body of `...` returns None: that is a forgotten return, and said to be one.
    assert "is there a `return`?" in check_function(stub, double, [1]).message


def test_the_first_failing_input_is_shown():
    verdict = check_function(
        lambda x: 2 * x if x < 3 else 7, double, [1, 2, 3, 4], hints={"value": "think of 3"}
    )
    assert verdict.status == "wrong"
    assert verdict.message == "`<lambda>(3)` returns 7, not 6. Hint: think of 3"
    assert check_function(lambda x: ... if x == 3 else 2 * x, double, [1, 2, 3]).status == "wrong"
    assert check_function(lambda x: ... if x == 1 else 2 * x, double, [1, 2, 3]).status == "wrong"
    assert check_function(lambda x: 2 * x, double, [1, 2, 3]).status == "right"
    assert check_function(pow, lambda a, b: a**b, [(2, 3), (3, 2)]).status == "right"
    assert check_function(42, double, [1]).status == "wrong"


def test_long_values_are_shortened_and_the_difference_located():
    long = list(range(10_000))
    verdict = check_function(lambda x: [*x[:-1], 0], lambda x: x, [long])
    assert len(verdict.message) < 300
    assert "at [9999]: 0 instead of 9999" in verdict.message


def test_each_call_has_arguments_of_its_own():
    def spoil(values):
        values.clear()
        return 3

    assert check_function(spoil, len, [[1, 2, 3]]).status == "right"
    assert check_function(len, spoil, [[1, 2, 3]]).status == "right"
    data = [3, 1, 2]
    check_function(lambda x: x.sort() or x, sorted, [data])
    assert data == [3, 1, 2]


def test_exceptions_are_reported_in_one_line():
    def broken(x):
        raise ZeroDivisionError("first line\nsecond line")

    verdict = check_function(broken, double, [1], hints={ZeroDivisionError: "what if x is 0?"})
    assert verdict.status == "wrong"
    assert "\n" not in str(verdict)
    assert "`broken(1)` raises ZeroDivisionError: first line" in verdict.message
    assert verdict.message.endswith("Hint: what if x is 0?")

    class Rude:
        def __repr__(self):
            raise RuntimeError

    assert "Rude" in check_function(lambda x: Rude(), double, [1]).message


def test_a_wrong_verdict_in_markdown_is_one_line_too():
    bundle = check_function(lambda x: x, double, [1])._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/markdown"}
    assert bundle["text/markdown"].startswith("✗ ")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this system")
def test_an_infinite_loop_is_stopped(monkeypatch):
    def forever(x):
        while True:
            try:  # the loop inside, where the signal arrives, so that a swallowed one would be lost
                for _ in range(1_000_000):
                    x += 1
            except Exception:
                pass

    monkeypatch.setattr(check, "TIME_LIMIT", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    begin = time.perf_counter()
    verdict = check_function(forever, double, [1], hints={"time": "when does the loop end?"})
    assert time.perf_counter() - begin < 10
    assert verdict.status == "wrong"
    late = "`forever(1)` was still running after 200 ms, so it was stopped."
    assert verdict.message == f"{late} Hint: when does the loop end?"
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this system")
def test_a_loop_that_swallows_the_first_alarm_is_stopped_by_the_next(monkeypatch):
    def stubborn(x):
        try:
            while True:
                x += 1
        except:  # noqa: E722 (as learners write it)
            while True:
                x += 1

    monkeypatch.setattr(check, "TIME_LIMIT", 0.1)
    assert "was still running" in check_function(stubborn, double, [1]).message


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this system")
def test_a_function_that_hangs_only_when_called_again_is_stopped(monkeypatch):
    calls = []

    def once_only(x):
        calls.append(x)
        while len(calls) > 1:
            pass
        return 2 * x

    monkeypatch.setattr(check, "TIME_LIMIT", 0.05)
    verdict = check_function(once_only, double, [1], faster_than=double)
    assert verdict.status == "wrong"
    assert "`once_only`, called again, was still running after 300 ms" in verdict.message


def test_a_function_that_raises_only_when_called_again_gives_a_line():
    calls = iter([2])
    verdict = check_function(lambda x: next(calls), double, [1], leaks=True)
    assert verdict.message == "right at first, but `<lambda>`, called again, raises StopIteration"


def test_an_answer_that_exits_gives_a_line():
    assert check_function(lambda x: sys.exit(3), double, [1]).message == "`<lambda>(1)` raises SystemExit: 3"
    assert check_value(lambda: sys.exit("enough"), 4).message == "your code raises SystemExit: enough"


def test_ctrl_c_passes_through():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_function(interrupted, double, [1])
    with pytest.raises(KeyboardInterrupt):
        check_value(interrupted, 4)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_value_that_code_has_to_give_is_asked_for():
    assert check_value(lambda: 4, 4).status == "right"
    assert check_value(lambda: ..., 4).status == "not tried yet"
    assert (
        check_value(lambda: 1 / 0, 4, hint="why?").message
        == "your code raises ZeroDivisionError: division by zero. Hint: why?"
    )


def test_a_comparison_that_raises_gives_a_line():
    verdict = check_function(double, double, [1], same=lambda a, b: a.shape == b.shape)
    assert verdict.status == "wrong"
    assert "the comparison with what `double(1)` returns raises AttributeError" in verdict.message


def test_the_line_of_the_cell_is_named():
    namespace = {}
    source = "def mine(x):\n    y = x\n    return y / 0\n"
    exec(compile(source, "/tmp/ipykernel_17/123.py", "exec"), namespace)
    assert (
        check_function(namespace["mine"], double, [1]).message
        == "`mine(1)` raises ZeroDivisionError: division by zero, in `mine`, line 3 of its cell"
    )


def test_works_outside_the_main_thread():
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(check_function(double, double, [1])))
    thread.start()
    thread.join()
    assert verdicts[0].status == "right"


# ---- functions: speed ----


def slow_sum(n):
    total = 0
    for i in range(n):
        total += i
    return total


def test_faster_than():
    formula = lambda n: n * (n - 1) // 2  # noqa: E731
    assert check_function(formula, slow_sum, [10_000], faster_than=slow_sum, by=10).status == "right"
    verdict = check_function(
        lambda n: slow_sum(n), slow_sum, [10_000], faster_than=slow_sum, by=2, hints={"speed": "a formula"}
    )
    assert verdict.status == "wrong"
    assert "as fast as slow_sum; it should be 2.00x as fast" in verdict.message
    assert verdict.message.endswith("Hint: a formula")
    assert check_function(formula, slow_sum, [10_000], faster_than=slow_sum).status == "right"


# ---- functions: the GIL ----

DATA = b"x" * 3_000_000


def hold_gil():
    """Ten milliseconds in C without letting go: PyDLL keeps the GIL, CDLL releases it."""
    ctypes.PyDLL(None).usleep(10_000)


def let_go():
    ctypes.CDLL(None).usleep(10_000)


def test_heartbeat_tells_who_releases_the_gil():
    interval = sys.getswitchinterval()
    assert releases_gil(let_go)
    assert releases_gil(lambda: hashlib.sha256(DATA).digest())
    assert not releases_gil(hold_gil)
    numbers = [float(i) for i in range(100_000, 0, -1)] * 2
    assert not releases_gil(lambda: sorted(numbers))
    assert sys.getswitchinterval() == interval


@pytest.mark.skipif(not GIL, reason="pure Python stops whenever asked on a free-threaded build")
def test_pure_python_does_not_pass_for_code_that_lets_go():
    assert not releases_gil(lambda: slow_sum(200_000))


def test_a_function_that_releases_only_at_the_beginning_fails():
    def mostly_holding():
        ctypes.CDLL(None).usleep(2_000)
        ctypes.PyDLL(None).usleep(120_000)

    assert not releases_gil(mostly_holding)


def test_switch_interval_is_restored_after_an_exception():
    interval = sys.getswitchinterval()
    calls = iter([0, 0])

    def fails_at_last():
        next(calls)

    with pytest.raises(StopIteration):
        releases_gil(fails_at_last)
    assert sys.getswitchinterval() == interval


def test_check_function_asks_for_the_gil():
    holding = check_function(lambda x: hold_gil(), lambda x: None, [1], releases_gil=True)
    assert "keeps the GIL" in holding.message
    assert check_function(lambda x: let_go(), lambda x: None, [1], releases_gil=True).status == "right"


# ---- functions: leaks ----

kept: list[object] = []


def leak_reference(x):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(x))


def test_planted_leaks_are_caught():
    try:
        assert "memory blocks" in leaks(lambda: kept.append(object()))
        assert "memory blocks" in leaks(lambda: kept.append(bytes(2000)))
        assert "references to argument 1 grow by 1 " in leaks(leak_reference, [1, 2, 3])
    finally:
        kept.clear()


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc tells how much malloc gave out"
)
def test_a_forgotten_free_is_caught():
    malloc = ctypes.CDLL(None).malloc
    malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    assert "C heap" in leaks(malloc, 100)


def test_clean_code_does_not_leak():
    def makes_garbage():
        cycle = [object() for _ in range(100)]
        cycle.append(cycle)

    assert leaks(makes_garbage) is None
    assert leaks(sorted, [3, 1, 2]) is None
    assert leaks(lambda: hashlib.sha256(DATA[:100]).hexdigest()) is None
    cache = {}
    assert leaks(lambda: cache.setdefault("once", [1, 2, 3])) is None


@pytest.mark.parametrize("frozen", [False, True])
def test_the_hunt_leaves_the_garbage_collector_as_it_was(frozen):
    """And what fails in the middle of it does, too."""
    assert gc.get_freeze_count() == 0
    try:
        if frozen:
            gc.freeze()
        assert leaks(len, "four") is None
        with pytest.raises(TypeError):
            leaks(len, 4)
        assert (gc.get_freeze_count() > 0) == frozen
    finally:
        gc.unfreeze()


def test_check_function_asks_for_leaks():
    try:
        verdict = check_function(
            lambda x: kept.append([x]), lambda x: None, [1], leaks=True, hints={"leaks": "Py_DECREF"}
        )
    finally:
        kept.clear()
    assert verdict.status == "wrong"
    assert verdict.message.startswith("right, but it leaks: ")
    assert verdict.message.endswith("Hint: Py_DECREF")
