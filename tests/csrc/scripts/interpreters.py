"""Several interpreters in one process, all with the one pool."""

import threading

from _check_pictures import RIGHT, check
from _isolated import interpreter
from _script import call_named

import snek

CHECK_INSIDE = f"import _inside; _inside.check({RIGHT!r}, {snek.kernels()!r})"


def one_after_the_other() -> None:
    for _ in range(3):
        interpreter()(CHECK_INSIDE)
    check()


def at_the_same_time() -> None:
    errors = []

    def work():
        try:
            run = interpreter()
            for _ in range(5):
                run(CHECK_INSIDE)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    check()
    for thread in threads:
        thread.join()
    assert not errors, errors
    check()


def executor() -> None:
    from concurrent.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor(3) as pool:
        print(list(pool.map(snek.fib, [20, 21, 22])))


if __name__ == "__main__":
    call_named(globals())
