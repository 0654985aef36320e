"""Solutions of notebook 08, Call C with cffi: each section replaces the cell of that tag."""

# %% exercise-1

# What may change is left to the compiler: the value, the other members, their order, every offset.
shop = """
#define LIMIT ...
typedef struct { double price; long stock; ...; } item;
double sell(item *sold, long pieces);
"""

# %% exercise-2


# from_buffer refuses what is read-only and what has gaps, but not the wrong type: that is ours to check.
def normalise(numbers, ffi, lib):
    if memoryview(numbers).format != "d":
        raise TypeError("needs doubles")
    values = ffi.from_buffer("double[]", numbers, require_writable=True)
    lib.scale(values, len(values), 1 / np.sum(numbers))
    return numbers


# %% exercise-3


# gc returns a new pointer, the one with the destructor: that one must live as long as the memory is used.
def borrow(count, ffi, lib):
    values = lib.lend(count)
    if values == ffi.NULL:
        raise MemoryError
    return ffi.gc(values, lib.give_back)
