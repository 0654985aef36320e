"""Every competitor of the Mandelbrot race that is installed, on grids that no tile, vector or block of steps fits."""

from __future__ import annotations

import pytest

from race.contract import competitors
from race.entries import find
from race.host import Failed, Host
from race.mandelbrot import _task as mandelbrot

pytestmark = pytest.mark.slow

WINDOW = {name: mandelbrot.DEFAULT[name] for name in ("xmin", "xmax", "ymin", "ymax")}
GRIDS = {
    "nothing fits": {"width": 37, "height": 23, "max_iter": 53, **WINDOW},
    "less than a block": {"width": 3, "height": 2, "max_iter": 5, **WINDOW},
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("key", [each.key for each in competitors("mandelbrot")])
def test_right_whatever_the_size_is(key: str, grid: str) -> None:
    field = find([each for each in competitors("mandelbrot") if each.key == key], threads=[1])
    if not field.entries:
        pytest.skip("; ".join(map(str, field.skipped)))
    task = mandelbrot.grid(**GRIDS[grid])
    host = Host(field.entries[0])
    try:
        path = str(field.entries[0].competitor.path)
        host.ask(300, do="prepare", path=path, task=task.parameters, threads=1, folder=str(host.folder))
        host.ask(60, do="run", calls=1)
        task.check(host.result, host.ask(60, do="result", path=str(host.result))["shape"])
    except Failed as failure:
        if not failure.missing:
            raise
        pytest.skip(str(failure))
    finally:
        host.end()
