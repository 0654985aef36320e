"""`snek.stations` and the files that it opens. Nothing is computed at the import: one of these measures its memory."""

import ctypes
import fcntl
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading

from _script import call_named

import snek


def peak_of_memory(path: str, lines: str) -> None:
    """Print by how much the peak of this process rises, in the unit that this system counts in."""
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = snek.stations(path, threads=2)
    assert sum(row[3] for row in found.values()) == int(lines)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin)


def leased(path: str) -> None:
    """Lease a file, say so, and give it back when asked for it."""
    file = os.open(path, os.O_RDWR)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        print("refused")
    else:
        print("leased", flush=True)
        signal.sigwait([signal.SIGIO])
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def malformed_from_the_first_line_on(threads: str) -> None:
    file = os.memfd_create("sparse")
    os.truncate(file, 2**55)
    try:
        snek.stations(f"/proc/self/fd/{file}", threads=int(threads))
    except ValueError as error:
        if not str(error).startswith("malformed line at byte 0:"):
            raise
    else:
        raise AssertionError


def reads_until_ctrl_c(path: str) -> None:
    """Print whether the call was stopped, and how many reads have begun: of slow_pread.c, which sends the signal."""
    try:
        print(len(snek.stations(path, threads=1)))
    except KeyboardInterrupt:
        print("stopped")
    print(ctypes.c_int.in_dll(ctypes.CDLL(None), "slow_preads").value)


def audited(path: str, secret: str) -> None:
    """Print the paths that an audit hook sees; it refuses the second."""
    seen = []

    def hook(event, args):
        if event == "open":
            seen.append(args[0])
            if args[0].endswith("secret"):
                raise ZeroDivisionError

    sys.addaudithook(hook)
    snek.stations(path)
    try:
        snek.stations(pathlib.Path(secret))
    except ZeroDivisionError:
        print(*seen)


def inherited(path: str) -> None:
    """Print whether this process was seen to have the file open, and how many of its children were."""
    thread = threading.Thread(target=lambda: [snek.stations(path, threads=1) for _ in range(12)])
    thread.start()
    mine = theirs = 0
    while thread.is_alive():
        for name in os.listdir("/proc/self/fd"):
            try:
                mine += os.readlink("/proc/self/fd/" + name) == path
            except OSError:
                pass
        listing = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False
        )
        theirs += path in listing.stdout
    print(mine > 0, theirs)


if __name__ == "__main__":
    call_named(globals())
