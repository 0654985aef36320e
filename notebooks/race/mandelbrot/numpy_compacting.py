"""NumPy, in strips whose arrays stay in cache: sixteen steps for all points that are still alive, then the escaped leave.

No step tests for escape: in the end of a block, those outside go sixteen steps back and are counted one by one. With threads, the
strips are larger, since NumPy gives up the GIL only inside an operation and each call must be worth it.
Tried: a test and a mask at each step (8 times as long), leaving at each step (2 times), real instead of complex arrays (1.7 times),
strips of 4 to 128 rows, blocks of 8 to 32 steps; and no faster on two threads: a block for some of the points, then for the next.
"""

NAME = "NumPy"
SOURCE = "https://numpy.org/doc/stable/reference/ufuncs.html"
REQUIRES = ("numpy",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"

BLOCK = 16  # steps
POINTS = 1 << 16  # in a strip


def version():
    import numpy

    return f"NumPy {numpy.__version__}"


def prepare(task, threads, folder):
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    rows = max(1, POINTS * min(threads, 2) // task.width)
    pool = ThreadPoolExecutor(threads)

    def inside(z):
        return z.real * z.real + z.imag * z.imag <= 4.0

    def count_exactly(z, c):
        """How many of the next steps each point can take; all of them escape soon."""
        counts = np.zeros(z.size, np.int32)
        while (alive := inside(z)).any():
            counts += alive
            z = z * z + c
        return counts

    def strip(c):
        """The escape counts of a one-dimensional array of points."""
        counts = np.full(c.size, task.max_iter, np.int32)
        place = np.arange(c.size)  # where in counts each living point belongs
        z = np.zeros_like(c)
        done = 0
        while done < task.max_iter and z.size:
            before = z.copy()
            for _ in range(min(BLOCK, task.max_iter - done)):
                np.multiply(z, z, out=z)
                np.add(z, c, out=z)
            alive = inside(z)
            if not alive.all():
                gone = ~alive
                counts[place[gone]] = np.minimum(done + count_exactly(before[gone], c[gone]), task.max_iter)
                place, z, c = place[alive], z[alive], c[alive]
            done += BLOCK
        return counts

    def run():
        x = task.xmin + (task.xmax - task.xmin) * np.arange(task.width) / task.width
        y = task.ymin + (task.ymax - task.ymin) * np.arange(task.height) / task.height
        counts = np.empty((task.height, task.width), np.int32)

        def fill(j):
            with np.errstate(over="ignore", invalid="ignore"):  # the escaped run on to the end of their block
                c = x + 1j * y[j : j + rows, None]
                counts[j : j + rows] = strip(c.ravel()).reshape(c.shape)

        if threads == 1:
            for j in range(0, task.height, rows):
                fill(j)
        else:
            list(pool.map(fill, range(0, task.height, rows)))
        return counts

    run()
    return run
