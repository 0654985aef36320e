"""Solutions of notebook 05, Interpreters beside each other: each section replaces the cell of that tag."""

# %% exercise-1


# An array holds the numbers themselves, side by side; the memoryview is a window on them, nothing is copied again.
def pack(numbers):
    return memoryview(array("d", numbers))


def unpack(view):
    return view.tolist()


# %% exercise-2


gravity = 9.81  # metres per second squared


def speed(height):
    return math.sqrt(2 * gravity * height)


# Stateless: the module is imported where the function runs, the constant is a local name.
def travelling_speed(height):
    import math

    gravity = 9.81
    return math.sqrt(2 * gravity * height)


# %% exercise-3


# The first `longer` stripes have one byte more; a slice of a memoryview is a view of the same bytes.
def stripes(view, count):
    length, longer = divmod(len(view), count)
    parts, start = [], 0
    for number in range(count):
        stop = start + length + (number < longer)
        parts.append(view[start:stop])
        start = stop
    return parts
