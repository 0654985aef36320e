"""Pure Python, as a good Python programmer writes it: nothing but the standard library, one thread.

Tried: arithmetic on complex numbers, on real ones.
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


def steps(c, max_iter):
    """How many steps z -> z*z + c can be taken while |z| <= 2?"""
    z = c
    for count in range(1, max_iter):
        if abs(z) > 2:
            return count
        z = z * z + c
    return max_iter


def prepare(task, threads, folder):
    def run():
        xs = [task.xmin + (task.xmax - task.xmin) * i / task.width for i in range(task.width)]
        ys = [task.ymin + (task.ymax - task.ymin) * j / task.height for j in range(task.height)]
        return [[steps(complex(x, y), task.max_iter) for x in xs] for y in ys]

    return run
