"""Solutions of notebook 03, Many processes, many GILs: each section replaces the cell of that tag."""


# %% exercise-1
def break_even(dispatch, count):
    # t = dispatch + t / count. With one worker both sides grow alike, and the pool never catches up.
    return dispatch / (1 - 1 / count) if count > 1 else float("inf")


# %% exercise-2
def sum_the_recipe(pool, limit):
    # A range is pickled as three numbers, however long it is.
    return sum(pool.map(workers.sum_of_squares, [range(part, limit, 8) for part in range(8)]))


# %% exercise-3
class Journal:
    def __init__(self, title, lines):
        self.title, self.lines, self.lock = title, list(lines), threading.Lock()

    def add(self, line):
        with self.lock:
            self.lines.append(line)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.lock = threading.Lock()
