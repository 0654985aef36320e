"""Answers that the checkers of notebook 08 must refuse. Tried before the solutions, never shown to a learner."""

# %% exercise-1: the layout typed in
# refused: wrong
shop = """
#define LIMIT ...
typedef struct { short kind; double price; char name[40]; long stock; } item;
double sell(item *sold, long pieces);
"""

# %% exercise-1: the value typed in
# refused: the C compiler says 'LIMIT'
shop = """
#define LIMIT 40
typedef struct { double price; long stock; ...; } item;
double sell(item *sold, long pieces);
"""

# %% exercise-1: a member of fixed size
# refused: wrong size for field 'name'
shop = """
#define LIMIT ...
typedef struct { double price; char name[40]; long stock; ...; } item;
double sell(item *sold, long pieces);
"""

# %% exercise-1: a smaller number of pieces
# refused: OverflowError
shop = """
#define LIMIT ...
typedef struct { double price; long stock; ...; } item;
double sell(item *sold, int pieces);
"""

# %% exercise-1: money as float
# refused: sold(40
shop = """
#define LIMIT ...
typedef struct { double price; long stock; ...; } item;
float sell(item *sold, long pieces);
"""

# %% exercise-1: pieces as double
# refused: not
shop = """
#define LIMIT ...
typedef struct { double price; long stock; ...; } item;
double sell(item *sold, double pieces);
"""

# %% exercise-1: a stock that never falls below zero
# refused: not
shop = """
#define LIMIT ...
typedef struct { double price; unsigned long stock; ...; } item;
double sell(item *sold, long pieces);
"""

# %% exercise-1: no function
# refused: sell
shop = """
#define LIMIT ...
typedef struct { double price; long stock; ...; } item;
"""


# %% exercise-2: no C
# refused: 0 calls of C
def normalise(numbers, ffi, lib):
    view = np.asarray(numbers)
    if view.dtype != float:
        raise TypeError
    view /= view.sum()


# %% exercise-2: a copy, and back
# refused: 1 calls of C; wanted: one, on its whole
def normalise(numbers, ffi, lib):
    if memoryview(numbers).format != "d":
        raise TypeError
    there = np.asarray(numbers)
    values = ffi.new("double[]", there.ravel().tolist())
    lib.scale(values, len(values), 1 / there.sum())
    there[...] = np.reshape(list(values), there.shape)


# %% exercise-2: read-only memory written to
# refused: 'not refused'
def normalise(numbers, ffi, lib):
    if memoryview(numbers).format != "d":
        raise TypeError
    values = ffi.from_buffer("double[]", numbers)
    lib.scale(values, len(values), 1 / np.sum(numbers))


# %% exercise-2: anything taken for doubles
# refused: 'not refused'
def normalise(numbers, ffi, lib):
    values = ffi.from_buffer("double[]", numbers, require_writable=True)
    lib.scale(values, len(values), 1 / np.sum(numbers))


# %% exercise-2: gaps written to
# refused: not refused
def normalise(numbers, ffi, lib):
    view = np.asarray(numbers)
    if view.dtype != float or not view.flags.writeable:
        raise TypeError
    lib.scale(ffi.cast("double *", view.ctypes.data), view.size, 1 / view.sum())


# %% exercise-2: one number at a time
# refused: 64 calls of C
def normalise(numbers, ffi, lib):
    if memoryview(numbers).format != "d":
        raise TypeError
    values = ffi.from_buffer("double[]", numbers, require_writable=True)
    total = np.sum(numbers)
    for i in range(len(values)):
        lib.scale(values + i, 1, 1 / total)


# %% exercise-3: nobody gives it back
# refused: was not given back
def borrow(count, ffi, lib):
    values = lib.lend(count)
    if values == ffi.NULL:
        raise MemoryError
    return values


# %% exercise-3: the pointer without the destructor is returned
# refused: not memory that C has lent
def borrow(count, ffi, lib):
    values = lib.lend(count)
    if values == ffi.NULL:
        raise MemoryError
    ffi.gc(values, lib.give_back)
    return values


# %% exercise-3: Python's memory
# refused: not memory that C has lent
def borrow(count, ffi, lib):
    if count < 0:
        raise MemoryError
    return ffi.new("double[]", count)


# %% exercise-3: an error that C was not asked for
# refused: C was not asked
def borrow(count, ffi, lib):
    if count < 0:
        raise MemoryError
    return ffi.gc(lib.lend(count), lib.give_back)


# %% exercise-3: NULL is taken for memory
# refused: C had no memory
def borrow(count, ffi, lib):
    return ffi.gc(lib.lend(count), lib.give_back)


# %% exercise-3: kept for ever
# refused: was not given back
def borrow(count, ffi, lib):
    values = lib.lend(count)
    if values == ffi.NULL:
        raise MemoryError
    borrow.kept = [*getattr(borrow, "kept", []), ffi.gc(values, lib.give_back)]
    return borrow.kept[-1]
