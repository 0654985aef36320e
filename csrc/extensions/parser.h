/* parser.h: from Python arguments to C values, by hand.

   METH_FASTCALL | METH_KEYWORDS hands over a C array of the values. The last of them were passed by name, and a tuple
   holds these names. So no tuple of values and no dict is built for a call.

   In Python:

       def bind(function, names, args, kwargs):
           bound = dict.fromkeys(names)
           if len(args) > 1: raise TypeError
           bound[names[0]] = args[0]
           for name, value in kwargs.items():
               if name not in names or bound[name] is not None: raise TypeError
               bound[name] = value

   A conversion may run Python code (__index__, __float__), and that code may do anything. So convert all arguments
   first, and acquire buffers afterwards.

   Errors: 0, or -1 with an exception set. TypeError for a wrong type, ValueError for a wrong value.
   Threads: the caller must have an attached thread state.
   Ownership: bound values are borrowed from the caller's array, which outlives the call. */

#ifndef SNEK_PARSER_H
#define SNEK_PARSER_H

#include <Python.h>

#include <math.h>

/* Sorts the arguments of a function into bound[0 .. count - 1], NULL where none was passed. names[0] is required,
   and may be passed by position or by name; the others are keyword-only. */
static inline int
parser_bind(const char *function, const char *const *names, Py_ssize_t count, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames, PyObject **bound)
{
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);

    memset(bound, 0, (size_t)count * sizeof(*bound));
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 positional argument (%zd given)", function, nargs);
        return -1;
    }
    if (nargs == 1) {
        bound[0] = args[0];
    }
    for (Py_ssize_t k = 0; k < keywords; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = 0;

        while (i < count && PyUnicode_CompareWithASCIIString(name, names[i]) != 0) {
            i++;
        }
        if (i == count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
            return -1;
        }
        if (bound[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, name);
            return -1;
        }
        bound[i] = args[nargs + k];
    }
    if (bound[0] == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required argument: '%s'", function, names[0]);
        return -1;
    }
    return 0;
}

/* An integer from least to most; NULL leaves *value as it is. bool and anything with __index__ will do. */
static inline int
parser_integer(const char *name, PyObject *object, long long least, long long most, long long *value)
{
    int overflow;

    if (object == NULL) {
        return 0;
    }
    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be an integer, not %.200s", name, Py_TYPE(object)->tp_name);
        return -1;
    }
    PyObject *integer = PyNumber_Index(object);
    if (integer == NULL) {
        return -1;
    }
    long long number = PyLong_AsLongLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
    if (number == -1 && overflow == 0 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow != 0) { /* its digits could fill the screen */
        PyErr_Format(PyExc_ValueError, "%s must be from %lld to %lld, not a%s number of more than 63 bits", name, least,
                     most, overflow < 0 ? " negative" : "");
        return -1;
    }
    if (number < least || number > most) {
        PyErr_Format(PyExc_ValueError, "%s must be from %lld to %lld, not %lld", name, least, most, number);
        return -1;
    }
    *value = number;
    return 0;
}

/* A finite real number; NULL leaves *value as it is. Anything with __float__ or __index__ will do. */
static inline int
parser_real(const char *name, PyObject *object, double *value)
{
    double number;

    if (object == NULL) {
        return 0;
    }
    if (PyFloat_CheckExact(object)) {
        number = PyFloat_AS_DOUBLE(object);
    } else {
        const PyNumberMethods *methods = Py_TYPE(object)->tp_as_number;

        if (!PyFloat_Check(object) && (methods == NULL || (methods->nb_float == NULL && methods->nb_index == NULL))) {
            PyErr_Format(PyExc_TypeError, "%s must be a real number, not %.200s", name, Py_TYPE(object)->tp_name);
            return -1;
        }
        number = PyFloat_AsDouble(object);
        if (number == -1.0 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_OverflowError)) { /* an integer of more than 1024 bits */
                PyErr_Format(PyExc_ValueError, "%s must fit in a double", name);
            }
            return -1;
        }
    }
    if (!isfinite(number)) {
        PyErr_Format(PyExc_ValueError, "%s must be finite, not %s", name, isnan(number) ? "nan" : "infinite");
        return -1;
    }
    *value = number;
    return 0;
}

#endif
