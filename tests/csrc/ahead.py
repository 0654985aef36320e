"""Does what a parametrized test has to wait for, its compiling above all, for all parameters ahead: as many at a time as
there are CPUs.

Tests run one after the other, so that what they measure is not disturbed. But most of the time they wait for one compiler,
and the other cores are idle.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


def outcomes(
    request: pytest.FixtureRequest, tests: Sequence[str], parameter: str, work: Callable[[str], Any]
) -> Callable[[str], Any]:
    """Start `work(value)` for each value that the parameter of these tests takes, in the file of the fixture that asks.

    Only the tests that have been selected count. Returns a function that waits for the outcome of one value; whatever the
    work raises, a skip for one, is raised there. The work runs in other threads: it must not change what all share.
    """
    values = [
        item.callspec.params[parameter]
        for item in request.session.items
        if item.path == request.path and item.originalname in tests
    ]
    pool = ThreadPoolExecutor(os.cpu_count())
    request.addfinalizer(lambda: pool.shutdown(cancel_futures=True))
    futures = {value: pool.submit(work, value) for value in values}
    return lambda value: futures[value].result()
