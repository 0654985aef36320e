"""Signals while `snek.stations` reads."""

import tempfile

from _check_lines import DATA, RIGHT, check
from _lines import long_lines
from _script import call_named
from _signals import until_ctrl_c, while_an_alarm_rings

import snek


def ctrl_c_stops_a_call(threads: str) -> None:
    lines = long_lines()
    until_ctrl_c(lambda: snek.stations(lines, threads=int(threads)))
    check()
    check(0)


def ctrl_c_stops_names_that_all_collide() -> None:
    """For a build in which all do."""

    def lines(number):
        return b"".join(b"%d;0.5\n" % (n * 7 % number) for n in range(2 * number))

    assert len(snek.stations(lines(500), threads=2)) == 500
    data = lines(1_000_000)
    until_ctrl_c(lambda: snek.stations(data, threads=2))


def a_handler_that_does_not_raise() -> None:
    expected = {name: row[3] * 100 for name, row in RIGHT.items() if name != "last"}
    with tempfile.NamedTemporaryFile() as file:
        file.write(DATA[: DATA.rindex(b"\n") + 1] * 100)
        file.flush()

        def call(threads):
            found = snek.stations(file.name, threads=threads)
            assert {name: row[3] for name, row in found.items()} == expected

        while_an_alarm_rings(call, lambda: check(2), every=0.02)


if __name__ == "__main__":
    call_named(globals())
