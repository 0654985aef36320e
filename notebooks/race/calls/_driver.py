"""What is done through a door: host_main.py runs this beside it, in the same interpreter. Python 3.9 grammar."""

import array


class Unavailable(Exception):
    """The door has no such kernel."""


def prepare(door, task, threads, folder):
    """Build the door. Return the callable that does the task's job through it, once."""
    kernel = getattr(door.build(folder), task.kernel, None)
    if kernel is None:
        raise Unavailable(f"has no {task.kernel}")

    def nop():
        for x in range(task.calls):
            result = kernel(x)
        return {"nop": [result]}

    def fib():
        return {"fib": [kernel(task.n)]}

    values = array.array("d", [i / 7 for i in range(task.values)]) if task.kernel == "total" else None

    def total():
        return {"total": [kernel(values)]}

    def mandelbrot():
        counts = memoryview(bytearray(4 * task.height * task.width)).cast("i", (task.height, task.width))
        return kernel(counts, task.xmin, task.xmax, task.ymin, task.ymax, task.max_iter)

    run = {"nop": nop, "fib": fib, "total": total, "mandelbrot": mandelbrot}[task.kernel]
    run()
    return run
