"""What signals do to a call: Ctrl-C ends it, a handler that returns does not."""

import signal
import time
from collections.abc import Callable


def until_ctrl_c(call: Callable[[], object]) -> None:
    """Print what children.interrupt waits for, begin the call, and print the time at which Ctrl-C has ended it."""
    try:
        print("computing")
        call()
        print("never")
    except KeyboardInterrupt:
        print(time.monotonic())


def while_an_alarm_rings(call: Callable[[int], None], inside: Callable[[], None], *, every: float) -> None:
    """Let a handler call `inside` every so many seconds; call `call` with 1, 2 and 4 threads until it has, three times."""
    rung = []

    def handler(signum, frame):
        inside()
        rung.append(signum)

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, every, every)
    for threads in (1, 2, 4):
        rung.clear()
        while len(rung) < 3:
            call(threads)
    signal.setitimer(signal.ITIMER_REAL, 0)
