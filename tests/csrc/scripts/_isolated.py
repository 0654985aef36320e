"""An interpreter beside the one that runs this, with a GIL of its own."""

import sys
from collections.abc import Callable


def interpreter() -> Callable[[str], None]:
    """Return a function that runs source in an interpreter with a GIL of its own (3.11: with the GIL that all share)."""
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        return interpreters.create().exec
    if sys.version_info >= (3, 13):
        import _interpreters

        number = _interpreters.create("isolated")

        def run(source):
            error = _interpreters.run_string(number, source)
            assert error is None, error

        return run
    import _xxsubinterpreters

    number = _xxsubinterpreters.create(**({"isolated": True} if sys.version_info >= (3, 12) else {}))
    return lambda source: _xxsubinterpreters.run_string(number, source)
