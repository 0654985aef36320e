"""Answers that the checkers of notebook 07 must refuse. Tried before the solutions, never shown to a learner."""


# %% exercise-1: whole numbers as int
# refused: `call('llabs'
class Division(ctypes.Structure):
    _fields_ = [("quot", ctypes.c_longlong), ("rem", ctypes.c_longlong)]


def declare_c(c):
    c.llabs.argtypes, c.llabs.restype = [ctypes.c_longlong], ctypes.c_int
    c.strtoull.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    c.strtoull.restype = ctypes.c_ulonglong
    c.strtod.argtypes, c.strtod.restype = [ctypes.c_char_p, ctypes.c_void_p], ctypes.c_double
    c.strchr.argtypes, c.strchr.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_char_p
    c.lldiv.argtypes, c.lldiv.restype = [ctypes.c_longlong] * 2, Division
    return c


# %% exercise-1: unsigned as signed
# refused: `call('strtoull'
class Division(ctypes.Structure):
    _fields_ = [("quot", ctypes.c_longlong), ("rem", ctypes.c_longlong)]


def declare_c(c):
    c.llabs.argtypes, c.llabs.restype = [ctypes.c_longlong], ctypes.c_longlong
    c.strtoull.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    c.strtoull.restype = ctypes.c_longlong
    c.strtod.argtypes, c.strtod.restype = [ctypes.c_char_p, ctypes.c_void_p], ctypes.c_double
    c.strchr.argtypes, c.strchr.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_char_p
    c.lldiv.argtypes, c.lldiv.restype = [ctypes.c_longlong] * 2, Division
    return c


# %% exercise-1: results only
# refused: takes 1 argument(s): declare
def declare_c(c):
    c.llabs.restype = ctypes.c_longlong
    return c


# %% exercise-1: Python instead of C
# refused: is not the C function any more
def declare_c(c):
    c.llabs = abs
    return c


# %% exercise-1: the parts of the struct as int
# refused: `call('lldiv'
class Division(ctypes.Structure):
    _fields_ = [("quot", ctypes.c_int), ("rem", ctypes.c_int)]


def declare_c(c):
    c.llabs.argtypes, c.llabs.restype = [ctypes.c_longlong], ctypes.c_longlong
    c.strtoull.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    c.strtoull.restype = ctypes.c_ulonglong
    c.strtod.argtypes, c.strtod.restype = [ctypes.c_char_p, ctypes.c_void_p], ctypes.c_double
    c.strchr.argtypes, c.strchr.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_char_p
    c.lldiv.argtypes, c.lldiv.restype = [ctypes.c_longlong] * 2, Division
    return c


# %% exercise-2: a copy each time
# refused: C got the address of a copy
def added(numbers, total):
    doubles = array("d", numbers)
    return total(doubles.buffer_info()[0], len(doubles))


# %% exercise-2: no C
# refused: C was called 0 times
def added(numbers, total):
    return float(sum(numbers))


# %% exercise-2: any array taken for doubles side by side
# refused: returns
def added(numbers, total):
    there = np.asarray(numbers)
    return total(there.ctypes.data, len(there))


# %% exercise-2: gone before the call
# refused: nan
def added(numbers, total):
    address = np.ascontiguousarray(numbers, dtype=float).ctypes.data
    return total(address, len(numbers))


# %% exercise-3: nobody gives it back
# refused: the memory was not given back
def shout(text, count, c):
    address = c.repeated(text.encode(), count)
    if address is None:
        raise MemoryError
    return ctypes.string_at(address).decode()


# %% exercise-3: no C
# refused: c.repeated was called 0 times
def shout(text, count, c):
    return text * count


# %% exercise-3: given back too early
# refused: not 'hahaha'
def shout(text, count, c):
    address = c.repeated(text.encode(), count)
    if address is None:
        raise MemoryError
    c.release(address)
    return ctypes.string_at(address).decode(errors="replace")


# %% exercise-3: NULL is taken for text
# refused: raises RuntimeError
def shout(text, count, c):
    address = c.repeated(text.encode(), count)
    try:
        return ctypes.string_at(address).decode()
    finally:
        c.release(address)
