"""Files that somebody changes while `snek.stations` reads them."""

import os
import threading
import time

from _check_lines import DATA
from _script import call_named

import snek


def truncated(path: str) -> None:
    """Print whether one of the calls has noticed."""
    whole = DATA[: DATA.rindex(b"\n") + 1] * 16
    seen = set()

    def truncate(after):
        time.sleep(after)
        os.truncate(path, len(whole) // 3)

    for number in range(40):
        with open(path, "wb") as file:
            file.write(whole)
        thread = threading.Thread(target=truncate, args=[0.0004 * (number % 10)])
        thread.start()
        try:
            seen.add(len(snek.stations(path, threads=1 + number % 3)) > 100)
        except OSError as error:
            if error.filename != path or "truncated meanwhile" not in str(error):
                raise
            seen.add(OSError)
        except ValueError:  # truncated before it was opened, in the middle of a line
            seen.add(ValueError)
        thread.join()
    print(OSError in seen)


def growing(path: str) -> None:
    # Lines of eight bytes, since the system may show the others one page of what is written before the next.
    with open(path, "wb") as file:
        file.write(b"abc;1.0\n" * 2_000_000)
    stop = False

    def grow():
        with open(path, "ab", buffering=0) as file:
            while not stop:
                file.write(b"abc;1.0\n" * 5)

    thread = threading.Thread(target=grow, daemon=True)
    thread.start()
    for _ in range(10):
        low = os.path.getsize(path) // 8
        (row,) = snek.stations(path).values()
        assert low <= row[3] <= os.path.getsize(path) // 8, row
        assert row[:3] == (1.0, 1.0, 1.0), row
    stop = True
    thread.join()


if __name__ == "__main__":
    call_named(globals())
