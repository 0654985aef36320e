"""workbench.measure: formats, the equal-result gate, interleaving, and intervals that neither miss nor invent."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench import measure as measure_module
from workbench.measure import DifferentResults, measure, race, scaling, stopwatch
from workbench.results import Ratio, Timing
from workbench.same import close, difference, exact
from workbench.show import duration, si, times

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


# ---- words ----


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12.3 ms"),
        (9.996e-3, "10.0 ms"),
        (999.7e-6, "1.00 ms"),
        (5e-11, "0.0500 ns"),
        (1234.5, "1,234 s"),
        (3.14e-6, "3.14 µs"),
        (0, "0 s"),
        (math.inf, "inf s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_si_and_times():
    assert si(3.2e9, "B/s") == "3.20 GB/s"
    assert si(999.6, "B") == "1.00 kB"
    assert si(-3.2e9, "B") == "-3.20 GB"
    assert times(3.4) == "3.40x"
    assert times(1234.4) == "1,234x"
    assert times(Ratio(0.5, 0.4, 0.6)) == "0.500x"


# ---- measure ----


def test_measure_passes_arguments_and_keeps_every_sample():
    found = measure(sorted, [3, 1, 2], budget=0.05, samples=7, reverse=True)
    assert found.result == [3, 2, 1]
    assert 3 <= len(found.seconds) <= 7
    assert found.best <= found.low <= found.median <= found.high


def test_a_sample_lasts_about_a_millisecond_or_more():
    found = measure(lambda: None, budget=0.02, samples=10)
    assert found.calls * found.median > measure_module.SHORTEST_SAMPLE / 4
    assert found.calls > 1000


def test_a_call_over_budget_still_gets_three_samples():
    found = measure(time.sleep, 0.02, budget=0.001)
    assert len(found.seconds) == 3
    assert found.calls == 1


def test_statistics_of_a_timing():
    found = Timing(tuple(float(i) for i in range(1, 102)), calls=1)
    assert (found.best, found.low, found.median, found.high) == (1, 6, 51, 96)
    assert found.spread == pytest.approx(50 / 51)


def test_quick_mode_takes_fewer_samples(monkeypatch):
    monkeypatch.setenv("FAST_SNEK_QUICK", "1")
    assert len(measure(lambda: None).seconds) <= 5


# ---- the gate ----


def test_different_results_are_refused_before_anything_is_timed():
    calls = []

    def contestant(name, result):
        calls.append(name)
        return result

    with pytest.raises(
        DifferentResults, match=r"'c' does not return what 'a' returns: at \[1\]: 3 instead of 2"
    ):
        race({n: lambda n=n: contestant(n, [1, 3 if n == "c" else 2]) for n in "abcd"})
    assert calls == ["a", "b", "c"]


def test_the_gate_sees_through_a_buffer_that_contestants_share():
    buffer = [0, 0]

    def fill(value):
        buffer[:] = [value, value]
        return buffer

    with pytest.raises(DifferentResults):
        race({"a": lambda: fill(1), "b": lambda: fill(2)}, rounds=1)


def test_own_comparison_and_unknown_baseline():
    contestants = {"a": lambda: 1.0, "b": lambda: 1.0 + 1e-12}
    with pytest.raises(DifferentResults):
        race(contestants, rounds=1)
    race(contestants, same=close(1e-9), rounds=1)
    with pytest.raises(ValueError, match="not among the contestants"):
        race(contestants, baseline="c")


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ([1, (2, {"x": 3.0})], [1, (2, {"x": 3})], True),
        ([1, (2, {"x": 3.0})], [1, (2, {"x": 4.0})], False),
        (math.nan, math.nan, True),
        ([math.nan, 1], [math.nan, 2], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1, 2], [1, 2, 3], False),
        (b"xy", bytearray(b"xy"), True),
        ("1", 1, False),
        (1.0, 1.0 + 1e-15, False),
        (None, 0, False),
    ],
)
def test_exact(a, b, equal):
    assert exact(a, b) is equal
    assert exact(b, a) is equal


def test_arrays_are_compared_elementwise():
    np = pytest.importorskip("numpy")
    a = np.arange(6.0).reshape(2, 3)
    b = a.copy()
    b[1, 2] = math.nan
    assert exact(a, a.copy())
    assert exact(b, b.copy())
    assert exact({"x": [a, 1]}, {"x": [a.tolist(), 1]})
    assert not exact(a, a.ravel())
    assert difference(b, a) == "1 of 6 elements differ, first at [1, 2]: nan instead of 5.0"
    assert not exact(a, a * (1 + 1e-12))
    assert close(1e-9)(a, a * (1 + 1e-12))
    assert not close(1e-9)(a, a * (1 + 1e-6))
    assert exact(np.float64(2), 2.0)
    assert not exact(np.array(["a"]), np.array(["b"]))


# ---- intervals ----


@pytest.mark.parametrize("rounds", [8, 13, 40, 100])
def test_the_interval_holds_the_true_median_whatever_the_noise(rounds):
    rng = random.Random(1)
    trials = 3000
    held = 0
    for _ in range(trials):
        # Cauchy noise: no mean, no variance, wild outliers; the true median is 1.
        sample = [math.exp(0.05 * math.tan(math.pi * (rng.random() - 0.5)) / 50) for _ in range(rounds)]
        ratio = Ratio.of_rounds(sample)
        assert ratio.low <= ratio.value <= ratio.high
        held += ratio.low <= 1 <= ratio.high
    assert held / trials > 0.983  # 99 % are promised; this is four standard errors below


def test_the_interval_is_no_wider_than_it_must_be():
    ratio = Ratio.of_rounds([float(i) for i in range(1, 21)])
    assert (ratio.low, ratio.high) == (4, 17)  # 2 P(at most 3 of 20 below) = 0.3 %; one more would be 1.2 %


def test_few_rounds_get_an_honest_interval():
    assert Ratio.of_rounds([5.0]).high == math.inf
    assert not Ratio.of_rounds([5.0]).decided
    assert not Ratio.of_rounds([1.1, 1.2, 1.3]).decided
    assert Ratio.of_rounds([98.0, 101.0, 103.0]).decided
    rng = random.Random(2)
    held = 0
    for _ in range(2000):
        ratio = Ratio.of_rounds([math.exp(rng.gauss(0, 0.1)) for _ in range(4)])
        held += ratio.low <= 1 <= ratio.high
    assert held / 2000 > 0.98


def test_decided_leaves_two_per_cent_to_chance():
    assert Ratio(1.05, 1.03, 1.07).decided
    assert Ratio(0.9, 0.85, 0.95).decided
    assert not Ratio(1.015, 1.01, 1.019).decided
    assert not Ratio(1.05, 0.99, 1.1).decided


# ---- interleaving, on a clock that the tests wind ----


class Clock:
    """A clock that stands still unless work is done, on a machine that gets slower and slower."""

    def __init__(self, slower_per_second: float = 0.0) -> None:
        self.seconds, self.slower = 0.0, slower_per_second

    def work(self, cost: float) -> None:
        self.seconds += cost * (1 + self.slower * self.seconds)

    def perf_counter_ns(self) -> int:
        return round(self.seconds * 1e9)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter_ns", clock.perf_counter_ns)
    return clock


def test_drift_of_the_machine_cancels(clock):
    clock.slower = 2.0
    outcome = race({"slow": lambda: clock.work(0.013), "fast": lambda: clock.work(0.010)}, budget=2.0)
    slow = outcome.timings["slow"].seconds
    assert max(slow) > 2 * min(slow)  # there was drift, plenty of it
    assert outcome.ratio("fast").value == pytest.approx(1.3, rel=0.05)
    assert outcome.ratio("fast").decided
    assert outcome.ratio("slow", to="fast").value == pytest.approx(1 / 1.3, rel=0.05)


def test_every_round_has_everybody_once_in_an_order_of_its_own(clock):
    order = []

    def contestant(name):
        order.append(name)
        clock.work(0.01)

    outcome = race({n: lambda n=n: contestant(n) for n in "abc"}, rounds=20)
    assert outcome.rounds == 20
    rounds = ["".join(order[-60:][i : i + 3]) for i in range(0, 60, 3)]
    assert {"".join(sorted(r)) for r in rounds} == {"abc"}
    assert len(set(rounds)) >= 4


def test_slow_contestants_get_fewer_rounds_and_the_table_says_so(clock):
    outcome = race({"a": lambda: clock.work(1.0), "b": lambda: clock.work(1.1)}, budget=2.0)
    assert outcome.rounds == 3
    assert "3 rounds" in str(outcome)
    assert "assumes normal noise" in str(outcome)
    assert race({"a": lambda: clock.work(10.0)}, budget=2.0).rounds == 1
    plenty = race({"a": lambda: clock.work(1e-6), "b": lambda: clock.work(1e-6)}, budget=2.0)
    assert plenty.rounds >= 50
    assert "assumes" not in str(plenty)


def test_fast_and_slow_contestants_get_samples_of_like_length(clock):
    outcome = race({"slow": lambda: clock.work(0.005), "fast": lambda: clock.work(5e-6)}, budget=2.0)
    fast = outcome.timings["fast"]
    assert outcome.timings["slow"].calls <= 4
    assert 0.001 < fast.calls * fast.median < 0.01
    assert outcome.ratio("fast").value == pytest.approx(1000, rel=1e-3)


def test_a_race_displays_as_a_table(clock):
    outcome = race(
        {"a|b": lambda: clock.work(0.01), "twice": lambda: clock.work(0.005)},
        work=1000,
        unit="rows",
        rounds=10,
    )
    assert outcome.fastest == "twice"
    assert outcome.names == ["a|b", "twice"]
    bundle = outcome._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/markdown"}
    assert str(outcome) == bundle["text/plain"]
    table = [line for line in bundle["text/markdown"].splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert {line.replace("\\|", "").count("|") for line in table} == {6}
    assert "**twice** | 5.00 ms | 200 krows/s | 2.00x |" in table[3]
    assert "returned None" in str(outcome)  # nothing was compared, and the table says so


# ---- the promise: under a noisy neighbour, 1.3x is seen and nothing is invented ----


@pytest.fixture
def noisy_neighbours():
    """As many processes as there are cores and one more, now burning, now sleeping, for some milliseconds each."""
    burn = (
        "import random, time\n"
        "while True:\n"
        "    end = time.perf_counter() + random.expovariate(100)\n"
        "    while time.perf_counter() < end: pass\n"
        "    time.sleep(random.expovariate(100))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range((os.cpu_count() or 1) + 1)]
    yield
    for child in children:
        child.kill()
        child.wait()


def work(n):
    total = 0
    for i in range(n):
        total += i & 3
    return n - n  # equal results for unequal work


@pytest.mark.slow
def test_race_sees_a_third_more_work_beside_noisy_neighbours(noisy_neighbours):
    outcomes = [race({"more": lambda: work(1300), "less": lambda: work(1000)}, budget=1.0) for _ in range(3)]
    ratios = [outcome.ratio("less") for outcome in outcomes]
    assert sum(r.decided and r.value > 1 for r in ratios) >= 2, ratios
    assert sum(1.2 < r.value < 1.45 for r in ratios) >= 2, ratios


@pytest.mark.slow
def test_race_invents_no_difference_between_equals_beside_noisy_neighbours(noisy_neighbours):
    ratios = [
        race({"a": lambda: work(1000), "b": lambda: work(1000)}, budget=0.3).ratio("b") for _ in range(20)
    ]
    assert sum(r.decided for r in ratios) <= 1, ratios


# ---- scaling, stopwatch, imports ----


def test_amdahl_finds_the_parallel_fraction(clock, monkeypatch):
    monkeypatch.setattr(measure_module, "usable_cores", lambda: 4)

    def job(n):
        clock.work(0.2 + 0.8 / min(n, 4))
        return "done"

    found = scaling(job)
    assert found.workers == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found.speedup(4).value == pytest.approx(2.5)
    assert found.amdahl() == pytest.approx(0.8)  # the points beyond four cores would spoil it
    assert "| 4 | 400 ms | 2.50x |" in found._repr_mimebundle_()["text/markdown"]
    with pytest.raises(ValueError, match="1 worker"):
        scaling(job, [2, 4]).amdahl()
    with pytest.raises(DifferentResults):
        scaling(lambda n: n, [1, 2])


def test_worker_counts_of_a_big_machine():
    assert measure_module._worker_counts(2) == [1, 2, 3, 4]
    assert measure_module._worker_counts(48) == [1, 2, 4, 8, 16, 32, 48, 64, 96]


def test_stopwatch_tells_real_from_processor_time_and_children_apart():
    with stopwatch() as busy:
        start = time.process_time()
        while time.process_time() < start + 0.05:
            pass
    assert busy.user + busy.system >= 0.04
    assert busy.children == 0
    with stopwatch() as asleep:
        time.sleep(0.05)
    assert asleep.real >= 0.05
    assert asleep.cores < 0.5
    with stopwatch() as parent:
        subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert parent.children > parent.user + parent.system
    assert "real" in str(parent)
    assert "finished children" in str(parent)


def test_imports_without_anything_installed():
    modules = "measure, machine, check, results, same, show, cores, behaviour"
    heavy = "{'numpy', 'IPython', 'matplotlib', 'tqdm'} & set(sys.modules)"
    program = f"import sys; from workbench import {modules}; assert not {heavy}, {heavy}; print(measure.measure(len, '').result)"
    ran = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, cwd=NOTEBOOKS)
    assert (ran.stdout, ran.stderr) == ("0\n", "")
