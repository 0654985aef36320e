/* mandelbrot.h: see mandelbrot.c. */

#ifndef SNEK_EXTENSIONS_MANDELBROT_H
#define SNEK_EXTENSIONS_MANDELBROT_H

#include <Python.h>

#include "state.h"

extern const char snek_mandelbrot_doc[];
extern const char snek_kernels_doc[];

PyObject *snek_mandelbrot(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *snek_kernels(PyObject *module, PyObject *ignored);

int snek_find_kernels(snek_state *state);

#endif
