"""Answers that the checkers of notebook 09 must refuse. Tried before the solutions, never shown to a learner."""

# %% exercise-1: 32 bits
# refused: `clamp(
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    int v[3];
    if (count != 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = (int)PyLong_AsLongLong(given[i]);
        if (v[i] == -1 && PyErr_Occurred()) return NULL;
    }
    long long x = v[0], low = v[1], high = v[2];
    if (low > high) return PyErr_Format(PyExc_ValueError, "low, %lld, is above high, %lld", low, high);
    return PyLong_FromLongLong(x < low ? low : x > high ? high : x);
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: an exception that nobody looks for
# refused: returns 'SystemError'
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    long long v[3];
    if (count != 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = PyLong_AsLongLong(given[i]);
    }
    long long x = v[0], low = v[1], high = v[2];
    if (low > high) return PyErr_Format(PyExc_ValueError, "low, %lld, is above high, %lld", low, high);
    return PyLong_FromLongLong(x < low ? low : x > high ? high : x);
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: -1 taken for an error
# refused: `clamp(-1, -1, -1)` returns 'SystemError'
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    long long v[3];
    if (count != 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = PyLong_AsLongLong(given[i]);
        if (v[i] == -1) return NULL;
    }
    long long x = v[0], low = v[1], high = v[2];
    if (low > high) return PyErr_Format(PyExc_ValueError, "low, %lld, is above high, %lld", low, high);
    return PyLong_FromLongLong(x < low ? low : x > high ? high : x);
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: arguments not counted
# refused: `clamp(5, 0, 10, 20)` returns 5, not 'TypeError'
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    long long v[3];
    if (count < 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = PyLong_AsLongLong(given[i]);
        if (v[i] == -1 && PyErr_Occurred()) return NULL;
    }
    long long x = v[0], low = v[1], high = v[2];
    if (low > high) return PyErr_Format(PyExc_ValueError, "low, %lld, is above high, %lld", low, high);
    return PyLong_FromLongLong(x < low ? low : x > high ? high : x);
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: low above high
# refused: not 'ValueError'
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    long long v[3];
    if (count != 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = PyLong_AsLongLong(given[i]);
        if (v[i] == -1 && PyErr_Occurred()) return NULL;
    }
    long long x = v[0], low = v[1], high = v[2];
    return PyLong_FromLongLong(x < low ? low : x > high ? high : x);
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: the argument itself, borrowed
# refused: references too few
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    long long v[3];
    if (count != 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = PyLong_AsLongLong(given[i]);
        if (v[i] == -1 && PyErr_Occurred()) return NULL;
    }
    long long x = v[0], low = v[1], high = v[2];
    if (low > high) return PyErr_Format(PyExc_ValueError, "low, %lld, is above high, %lld", low, high);
    return given[x < low ? 1 : x > high ? 2 : 0];
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: a new reference too many
# refused: references too many
get_ipython().run_cell_magic(
    "cext",
    "mine -I workbench",
    r"""
#include <Python.h>

static PyObject *
mine_clamp(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    long long v[3];
    if (count != 3) return PyErr_Format(PyExc_TypeError, "clamp() takes 3 arguments, not %zd", count);
    for (int i = 0; i < 3; i++) {
        v[i] = PyLong_AsLongLong(given[i]);
        if (v[i] == -1 && PyErr_Occurred()) return NULL;
    }
    long long x = v[0], low = v[1], high = v[2];
    if (low > high) return PyErr_Format(PyExc_ValueError, "low, %lld, is above high, %lld", low, high);
    return Py_NewRef(Py_NewRef(given[x < low ? 1 : x > high ? 2 : 0]));
}

static PyMethodDef methods[] = {
    {"clamp", (PyCFunction)(void (*)(void))mine_clamp, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
#define MODULE mine
#include "module.h"
""",
)


# %% exercise-1: Python instead of C
# refused: is not a function of an extension module
class mine:
    def clamp(*arguments):
        return min(max(arguments[0], arguments[1]), arguments[2])


# %% exercise-2: lists only
# refused: `squares({})` returns 'TypeError'
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    if (!PyList_Check(numbers)) return PyErr_Format(PyExc_TypeError, "a list, please");
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(list);
            Py_DECREF(items);
            return NULL;
        }
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: the list is forgotten on an error
# refused: grow by
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(items);
            return NULL;
        }
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: the tuple is forgotten
# refused: references too many
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(list);
            Py_DECREF(items);
            return NULL;
        }
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
    }
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: the tuple is forgotten on an error
# refused: references too many
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: a square is kept
# refused: grow by
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(list);
            Py_DECREF(items);
            return NULL;
        }
        PyList_SET_ITEM(list, i, Py_NewRef(square)); /* the list's from now on */
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: the borrowed item is given back
# refused: squares
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(list);
            Py_DECREF(items);
            return NULL;
        }
        Py_DECREF(item);
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: the stolen square is given back
# refused: squares
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            Py_DECREF(list);
            Py_DECREF(items);
            return NULL;
        }
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
        Py_DECREF(square);
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-2: an item that can't be multiplied is left out
# refused: squares
get_ipython().run_cell_magic(
    "cext",
    "mine2 -I workbench",
    r"""
#include <Python.h>

static PyObject *mine_squares(PyObject *Py_UNUSED(module), PyObject *numbers)
{
    PyObject *items = PySequence_Tuple(numbers); /* ours */
    if (items == NULL) return NULL;
    PyObject *list = PyList_New(PyTuple_GET_SIZE(items)); /* ours, too */
    if (list == NULL) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i); /* borrowed from `items` */
        PyObject *square = PyNumber_Multiply(item, item);
        if (square == NULL) {
            PyErr_Clear();
            square = Py_NewRef(Py_None);
        }
        PyList_SET_ITEM(list, i, square); /* the list's from now on */
    }
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)


# %% exercise-3: the GIL is kept
# refused: it keeps the GIL
get_ipython().run_cell_magic(
    "cext",
    "mine3 -I workbench",
    r"""
#include <Python.h>

static long long count_primes(long long n) /* knows nothing of Python */
{
    long long count = 0;
    for (long long i = 2; i < n; i++) {
        long long d = 2;
        while (d * d <= i && i % d) d++;
        count += d * d > i;
    }
    return count;
}

static PyObject *mine_primes(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long long count, n = PyLong_AsLongLong(argument);
    if (n == -1 && PyErr_Occurred()) return NULL;
    if (n < 0 || n > 1000000) {
        return PyErr_Format(PyExc_ValueError, "n must be from 0 to 1000000, not %lld", n);
    }
    count = count_primes(n);
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {{"primes", mine_primes, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine3
#include "module.h"
""",
)


# %% exercise-3: released, but not while it counts
# refused: it keeps the GIL
get_ipython().run_cell_magic(
    "cext",
    "mine3 -I workbench",
    r"""
#include <Python.h>

static long long count_primes(long long n) /* knows nothing of Python */
{
    long long count = 0;
    for (long long i = 2; i < n; i++) {
        long long d = 2;
        while (d * d <= i && i % d) d++;
        count += d * d > i;
    }
    return count;
}

static PyObject *mine_primes(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long long count, n = PyLong_AsLongLong(argument);
    if (n == -1 && PyErr_Occurred()) return NULL;
    if (n < 0 || n > 1000000) {
        return PyErr_Format(PyExc_ValueError, "n must be from 0 to 1000000, not %lld", n);
    }
    Py_BEGIN_ALLOW_THREADS
    Py_END_ALLOW_THREADS
    count = count_primes(n);
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {{"primes", mine_primes, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine3
#include "module.h"
""",
)


# %% exercise-3: released around the conversion, too
# refused: the process died of
get_ipython().run_cell_magic(
    "cext",
    "mine3 -I workbench",
    r"""
#include <Python.h>

static long long count_primes(long long n) /* knows nothing of Python */
{
    long long count = 0;
    for (long long i = 2; i < n; i++) {
        long long d = 2;
        while (d * d <= i && i % d) d++;
        count += d * d > i;
    }
    return count;
}

static PyObject *mine_primes(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long long count, n;
    Py_BEGIN_ALLOW_THREADS
    n = PyLong_AsLongLong(argument);
    count = n >= 0 && n <= 1000000 ? count_primes(n) : 0;
    Py_END_ALLOW_THREADS
    if (n == -1 && PyErr_Occurred()) return NULL;
    if (n < 0 || n > 1000000) {
        return PyErr_Format(PyExc_ValueError, "n must be from 0 to 1000000, not %lld", n);
    }
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {{"primes", mine_primes, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine3
#include "module.h"
""",
)


# %% exercise-3: an error is raised while detached
# refused: the process died of
get_ipython().run_cell_magic(
    "cext",
    "mine3 -I workbench",
    r"""
#include <Python.h>

static long long count_primes(long long n) /* knows nothing of Python */
{
    long long count = 0;
    for (long long i = 2; i < n; i++) {
        long long d = 2;
        while (d * d <= i && i % d) d++;
        count += d * d > i;
    }
    return count;
}

static PyObject *mine_primes(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long long count, n = PyLong_AsLongLong(argument);
    if (n == -1 && PyErr_Occurred()) return NULL;
    Py_BEGIN_ALLOW_THREADS
    if (n < 0 || n > 1000000) {
        return PyErr_Format(PyExc_ValueError, "n must be from 0 to 1000000, not %lld", n);
    }
    count = count_primes(n);
    Py_END_ALLOW_THREADS
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {{"primes", mine_primes, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine3
#include "module.h"
""",
)


# %% exercise-3: 32 bits
# refused: `primes(4294967301)` returns
get_ipython().run_cell_magic(
    "cext",
    "mine3 -I workbench",
    r"""
#include <Python.h>

static long long count_primes(long long n) /* knows nothing of Python */
{
    long long count = 0;
    for (long long i = 2; i < n; i++) {
        long long d = 2;
        while (d * d <= i && i % d) d++;
        count += d * d > i;
    }
    return count;
}

static PyObject *mine_primes(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int n = (int)PyLong_AsLongLong(argument);
    long long count;
    if (n == -1 && PyErr_Occurred()) return NULL;
    if (n < 0 || n > 1000000) {
        return PyErr_Format(PyExc_ValueError, "n must be from 0 to 1000000, not %d", n);
    }
    Py_BEGIN_ALLOW_THREADS
    count = count_primes(n);
    Py_END_ALLOW_THREADS
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {{"primes", mine_primes, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine3
#include "module.h"
""",
)
