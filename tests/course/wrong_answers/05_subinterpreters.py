"""Answers that the checkers of notebook 05 must refuse. Tried before the solutions, never shown to a learner."""


# %% exercise-3: copies instead of views
# refused: is each stripe a view, not a copy?
def stripes(view, count):
    length, longer = divmod(len(view), count)
    edges = [number * length + min(number, longer) for number in range(count + 1)]
    return [memoryview(bytearray(view[edges[n] : edges[n + 1]])) for n in range(count)]


# %% exercise-3: the last takes what is left over
# refused: Compare the lengths
def stripes(view, count):
    length = len(view) // count
    cuts = [view[number * length : (number + 1) * length] for number in range(count - 1)]
    return [*cuts, view[(count - 1) * length :]]


# %% exercise-3: the remainder belongs to nobody
# refused: A `-` belongs to nobody
def stripes(view, count):
    length = len(view) // count
    return [view[number * length : (number + 1) * length] for number in range(count)]
