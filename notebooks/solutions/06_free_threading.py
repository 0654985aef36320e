"""Solutions of notebook 06, Python without the GIL: each section replaces the cell of that tag."""

# %% exercise-1

# An atomic increment reads, adds and writes in one step; its result is used too, since `n` may have moved on.
cured = promised.replace("#include <Python.h>", "#include <Python.h>\n#include <stdatomic.h>")
cured = cured.replace("static long n;", "static atomic_long n;")
cured = cured.replace(
    "n++;\n    return PyLong_FromLong(n);", "return PyLong_FromLong(atomic_fetch_add(&n, 1) + 1);"
)

# %% exercise-2


# Each thread counts into a Counter of its own; they are added up by one thread, at the end.
def count_pages(parts):
    from collections import Counter
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max(1, len(parts))) as pool:
        return sum(pool.map(Counter, parts), Counter())


# %% exercise-3


# Amdahl's law, times what one thread has left. The gain grows with n, so the first n that wins is the smallest.
def threads_needed(speed, parallel):
    for n in range(1, 1_001):
        if speed / (1 - parallel + parallel / n) > 1:
            return n
    return None
