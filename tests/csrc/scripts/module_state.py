"""A module that is imported, forgotten and imported again. `snek` is imported within: nothing else may hold it."""

import gc
import sys
import weakref

from _script import call_named


def is_not_shared() -> None:
    from _check_pictures import check

    import snek

    first = snek._snek
    del sys.modules["snek"], sys.modules["snek._snek"]
    import snek as second

    assert second._snek is not first
    assert second.kernels() == first.kernels()
    assert second.kernels() is not first.kernels()
    gone = weakref.ref(second._snek)
    del second, sys.modules["snek"], sys.modules["snek._snek"]
    gc.collect()
    assert gone() is None, "the module is not collected"
    assert first.fib(20) == 6765
    check()


def references_left() -> None:
    import snek

    # In a list: what a local variable holds is counted differently from one Python to the next.
    states = [snek._snek.kernels()]
    gone = weakref.ref(snek._snek)
    del snek, sys.modules["snek"], sys.modules["snek._snek"]
    gc.collect()
    assert gone() is None
    print(sys.getrefcount(states[0]) - sys.getrefcount(tuple("ab")))


if __name__ == "__main__":
    call_named(globals())
