"""Solutions of notebook 09. Each section replaces the exercise cell of that name."""

# %% exercise-1
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

# %% exercise-2
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
    Py_DECREF(items);
    return list; /* the caller's from now on */
}

static PyMethodDef methods[] = {{"squares", mine_squares, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine2
#include "module.h"
""",
)

# %% exercise-3
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
    count = count_primes(n);
    Py_END_ALLOW_THREADS
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {{"primes", mine_primes, METH_O, NULL}, {NULL, NULL, 0, NULL}};
#define MODULE mine3
#include "module.h"
""",
)
