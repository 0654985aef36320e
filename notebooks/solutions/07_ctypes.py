"""Solutions of notebook 07, Call C with ctypes: each section replaces the cell of that tag."""

# %% exercise-1


class Division(ctypes.Structure):
    _fields_ = [("quot", ctypes.c_longlong), ("rem", ctypes.c_longlong)]


def declare_c(c):
    c.llabs.argtypes, c.llabs.restype = [ctypes.c_longlong], ctypes.c_longlong
    c.strtoull.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    c.strtoull.restype = ctypes.c_ulonglong
    c.strtod.argtypes, c.strtod.restype = [ctypes.c_char_p, ctypes.c_void_p], ctypes.c_double
    c.strchr.argtypes, c.strchr.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_char_p
    c.lldiv.argtypes, c.lldiv.restype = [ctypes.c_longlong] * 2, Division
    return c


# %% exercise-2


# No copy where the doubles lie side by side already; `doubles` keeps them alive until C is done.
def added(numbers, total):
    doubles = np.ascontiguousarray(numbers, dtype=float)
    return total(doubles.ctypes.data, len(doubles))


# %% exercise-3


# Once C has lent the memory, every way out leads through `finally`.
def shout(text, count, c):
    address = c.repeated(text.encode(), count)
    if address is None:
        raise MemoryError
    try:
        return ctypes.string_at(address).decode()
    finally:
        c.release(address)
