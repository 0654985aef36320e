/* stations.h: see stations.c. */

#ifndef SNEK_EXTENSIONS_STATIONS_H
#define SNEK_EXTENSIONS_STATIONS_H

#include <Python.h>

extern const char snek_stations_doc[];
extern const char snek_stations_part_doc[];

PyObject *snek_stations(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *snek_stations_part(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

#endif
