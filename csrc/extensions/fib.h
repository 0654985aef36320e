/* fib.h: see fib.c. */

#ifndef SNEK_EXTENSIONS_FIB_H
#define SNEK_EXTENSIONS_FIB_H

#include <Python.h>

extern const char snek_nop_doc[];
extern const char snek_fib_doc[];

PyObject *snek_nop(PyObject *module, PyObject *x);
PyObject *snek_fib(PyObject *module, PyObject *argument);

#endif
