"""Times you can believe: `measure` one function, `race` several, see how one is `scaling` with its workers.

What makes a measurement believable, and where to find it below:

* the clock is `time.perf_counter_ns`, and one sample lasts a millisecond or a few (`_calibrate`): long enough for the
  clock's own cost to disappear, short enough that most samples end before another program takes the processor away;
* the first calls, which fill caches and let the interpreter specialise the code, are not counted;
* every sample is kept: the median says what is typical, the spread how much to trust it;
* contestants take turns in shuffled order, so that what slows the machine down for a while slows all of them
  (`_take_turns`), and each round gives one ratio; the interval of their median needs no assumption about the noise
  (`Ratio.of_rounds` in results.py);
* nothing is timed before the contestants have returned equal results (`race`).

Needs nothing but the standard library. The garbage collector is left on, as in the reader's own programs.
"""

from __future__ import annotations

import math
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import repeat
from typing import Any

from workbench.cores import usable_cores
from workbench.results import Race, Scaling, Timing
from workbench.same import difference, exact
from workbench.show import Shown, duration, three_digits

__all__ = ["DifferentResults", "measure", "race", "scaling", "stopwatch"]

SHORTEST_SAMPLE = 0.001  # seconds; perf_counter_ns costs well under 100 ns, so it adds less than 0.01 %
LONGEST_SAMPLE = 0.005  # unless one call is longer
MOST_ROUNDS = 500


class DifferentResults(Exception):
    """Two contestants of a race don't compute the same thing, so their times must not be compared."""


def measure(
    f: Callable, /, *args: Any, budget: float | None = None, samples: int | None = None, **kwargs: Any
) -> Timing:
    """Time `f(*args, **kwargs)`: `samples` samples (25), together about `budget` seconds (0.5), three samples at least.

    The loop around the calls is part of the time, as in `timeit`: a few nanoseconds a call. To see how many on your
    machine, compare with `measure(lambda: None)`.
    """
    budget = budget if budget is not None else _default(0.5)
    samples = samples if samples is not None else (5 if _quick() else 25)
    result = f(*args, **kwargs)
    sample = _sampler(f, args, kwargs)
    calls, cost = _calibrate(sample, min(LONGEST_SAMPLE, budget / samples))
    samples = max(3, min(samples, round(budget / cost)))
    return Timing(tuple(sample(calls) / calls for _ in range(samples)), calls, result)


def race(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    same: Callable[[Any, Any], bool] | None = None,
    baseline: str | None = None,
    budget: float | None = None,
    rounds: int | None = None,
    work: float | None = None,
    unit: str = "",
) -> Race:
    """Let functions that do the same job compete, for about `budget` seconds (2), in interleaved rounds.

    First each is called once and its result compared with the first one's: by `same(a, b)`, default exact equality,
    `same=close(1e-9)` for floats. Raises `DifferentResults` before anything is timed. Beware of contestants that fill
    one shared buffer: what the first left there looks like the work of the next.

    `rounds` fixes the number of rounds. With `work`, the number of `unit`s that one call gets done, the table shows
    the rate as well. Ratios are relative to `baseline`, default the first. Contestants that need seconds for a call
    get fewer rounds, and the table says how many.
    """
    if not contestants:
        raise ValueError("a race needs contestants")
    baseline = baseline if baseline is not None else next(iter(contestants))
    if baseline not in contestants:
        raise ValueError(f"the baseline {baseline!r} is not among the contestants: {', '.join(contestants)}")
    results = _equal_results(contestants, same)
    timings = _take_turns(contestants, results, budget if budget is not None else _default(2.0), rounds)
    return Race(timings, baseline, work, unit, compared=any(r is not None for r in results.values()))


def scaling(
    f: Callable[[int], Any],
    workers: Iterable[int] | None = None,
    *,
    budget: float | None = None,
    same: Callable[[Any, Any], bool] | None = None,
) -> Scaling:
    """Time `f(n)`, which does the same job with `n` workers, for every n in `workers`, in interleaved rounds.

    By default n goes from 1 to twice the cores this process may use. The results must be equal, as in `race`. `f`
    should find its workers ready: whether starting them belongs to the job is for you to decide.
    """
    cores = usable_cores()
    counts = list(workers) if workers is not None else _worker_counts(cores)
    contestants = {n: (lambda n=n: f(n)) for n in counts}
    results = _equal_results(contestants, same)
    return Scaling(
        _take_turns(contestants, results, budget if budget is not None else _default(3.0), None), cores
    )


class stopwatch(Shown):
    """Real time and processor time of a block, in seconds.

    `real` is what the clock on the wall says; `user` and `system` are what all threads of this process together kept
    processors busy for, in their own code and in the kernel; `children` is the processor time of child processes
    that finished within the block.
    """

    real = user = system = children = math.nan

    def __enter__(self) -> stopwatch:
        self._begin = self._now()
        return self

    def __exit__(self, *exception: object) -> None:
        passed = (after - before for before, after in zip(self._begin, self._now(), strict=True))
        self.real, self.user, self.system, self.children = passed

    @staticmethod
    def _now() -> tuple[float, float, float, float]:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.perf_counter(), own.ru_utime, own.ru_stime, children.ru_utime + children.ru_stime

    @property
    def cores(self) -> float:
        """How many cores this process and its finished children kept busy on average."""
        return (self.user + self.system + self.children) / self.real

    def _markdown(self) -> str:
        children = f", finished children {duration(self.children)}" if self.children else ""
        used = f"user {duration(self.user)}, system {duration(self.system)}{children}"
        return f"**real {duration(self.real)}**, {used}: {three_digits(self.cores)} cores busy"


def _equal_results(
    contestants: Mapping[Any, Callable], same: Callable[[Any, Any], bool] | None
) -> dict[Any, Any]:
    """Call each once; raise `DifferentResults` unless all return what the first does."""
    results: dict[Any, Any] = {}
    reference_name, reference = None, None
    for name, contestant in contestants.items():
        result = results[name] = contestant()
        if reference_name is None:
            # A copy, since a contestant may write into the very object that the first one returned.
            reference_name, reference = name, _copied(result)
        elif not (same or exact)(result, reference):
            where = difference(result, reference) or "its `same` says no"
            raise DifferentResults(f"{name!r} does not return what {reference_name!r} returns: {where}")
    return results


def _copied(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # what can't be copied (a lock, a pointer) is compared as it is
        return value


def _take_turns(
    contestants: Mapping, results: Mapping, budget: float, rounds: int | None
) -> dict[Any, Timing]:
    """Time all contestants in rounds; in every round each takes one sample, in an order drawn anew."""
    samplers = {name: _sampler(f) for name, f in contestants.items()}
    target = min(LONGEST_SAMPLE, budget / len(samplers) / MOST_ROUNDS)
    plans = {name: _calibrate(sample, target) for name, sample in samplers.items()}
    cost = sum(cost for _, cost in plans.values())
    planned = rounds or _affordable_rounds(cost, budget)
    seconds: dict[Any, list[float]] = {name: [] for name in samplers}
    order = list(samplers)
    shuffle = random.Random(2026).shuffle
    begin = time.perf_counter_ns()
    for done in _progress(planned, cost):
        if rounds is None and done >= 8 and time.perf_counter_ns() - begin > 2e9 * budget:
            break  # the machine has become busier than it was when the rounds were planned
        shuffle(order)
        for name in order:
            calls, _ = plans[name]
            seconds[name].append(samplers[name](calls) / calls)
    return {name: Timing(tuple(seconds[name]), plans[name][0], results[name]) for name in samplers}


def _affordable_rounds(cost: float, budget: float) -> int:
    """How many rounds of `cost` seconds: what the budget pays, but up to twice as much for 8, four times for 3."""
    paid = [min(MOST_ROUNDS, budget / cost), min(8, 2 * budget / cost), min(3, 4 * budget / cost)]
    return max(1, int(max(paid)))


def _sampler(
    f: Callable, args: Sequence = (), kwargs: Mapping[str, Any] | None = None
) -> Callable[[int], float]:
    """A function that calls `f` so many times in a row and returns the seconds that took.

    It is compiled anew for every `f`, as `timeit` does: the interpreter specialises a call for what it sees there, and
    a loop shared by all contestants would be specialised for the first and slow for the others.
    """
    given = {f"a{i}": value for i, value in enumerate(args)} | {
        f"k{i}": v for i, v in enumerate((kwargs or {}).values())
    }
    passed = [f"a{i}" for i in range(len(args))] + [f"{key}=k{i}" for i, key in enumerate(kwargs or {})]
    source = f"""
def sample(calls, clock=clock, repeat=repeat, f=f, {", ".join(f"{name}={name}" for name in given)}):
    begin = clock()
    for _ in repeat(None, calls):
        f({", ".join(passed)})
    return (clock() - begin) / 1e9
"""
    namespace = {"clock": time.perf_counter_ns, "repeat": repeat, "f": f, **given}
    exec(source, namespace)
    return namespace["sample"]


def _calibrate(sample: Callable[[int], float], target: float) -> tuple[int, float]:
    """How many calls make a sample last `target` seconds (never under a millisecond)? Returns them and its seconds.

    The trial runs are the warm-up, too. A short one is tried three times and the best counts, since one disturbance
    would look like a slow function.
    """
    target = max(target, SHORTEST_SAMPLE)
    calls = 1
    while True:
        took = sample(calls)
        if took < 20 * target:
            took = max(1e-9, min(took, sample(calls), sample(calls)))
        if took > target / 2:
            return calls, took
        calls = math.ceil(calls * min(10.0, target / took))


def _progress(rounds: int, cost: float) -> Iterable[int]:
    """The rounds, with a progress bar when somebody waits for more than three seconds."""
    watched = "IPython" in sys.modules or sys.stdout.isatty()
    if rounds * cost < 3 or not watched:
        return range(rounds)
    try:
        from tqdm import tqdm
    except ImportError:
        return range(rounds)
    return tqdm(range(rounds), desc="measuring", unit="round", leave=False, file=sys.stdout)


def _worker_counts(cores: int) -> list[int]:
    """1 to twice the cores; above eight, only what fills the picture: powers of two, the cores, twice the cores."""
    counts = range(1, 2 * cores + 1)
    return [n for n in counts if 2 * cores <= 8 or n & (n - 1) == 0 or n in (cores, 2 * cores)]


def _quick() -> bool:
    """FAST_SNEK_QUICK=1, set by the tests, makes every default budget ten times smaller."""
    return os.environ.get("FAST_SNEK_QUICK", "") not in ("", "0")


def _default(budget: float) -> float:
    return budget / 10 if _quick() else budget
