"""Pure Python, as a good Python programmer writes it: nothing but the standard library, one thread.

Tried on 3.14: complex numbers and abs() (1.2 times as long), complex numbers and their squares (2 times), while instead of for.
"""

NAME = "pure Python"
SOURCE = "https://docs.python.org/3/faq/programming.html#my-program-is-too-slow-how-do-i-speed-it-up"
REQUIRES = ()
PYTHON = ">=3.11"
THREADS = "one"
WORK = "all"


def version():
    import platform

    return platform.python_version()


def steps(cx, cy, max_iter):
    """How many steps z -> z*z + c can be taken while |z| <= 2?"""
    x, y = cx, cy  # after the first step, which everybody can take
    for count in range(1, max_iter):
        xx = x * x
        yy = y * y
        if xx + yy > 4.0:
            return count
        y = 2.0 * x * y + cy
        x = xx - yy + cx
    return max_iter


def prepare(task, threads, folder):
    def run():
        xs = [task.xmin + (task.xmax - task.xmin) * i / task.width for i in range(task.width)]
        ys = [task.ymin + (task.ymax - task.ymin) * j / task.height for j in range(task.height)]
        return [[steps(x, y, task.max_iter) for x in xs] for y in ys]

    return run
