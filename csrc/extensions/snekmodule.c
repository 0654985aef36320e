/* snekmodule.c: the module snek._snek: its table of functions, its state, its entry points.

   In Python:

       from fib import fib, nop
       from mandelbrot import kernels, mandelbrot
       from stations import stations, stations_part

   The functions are in files of their own. Here is what CPython wants to know to make a module of them: how to fill its
   state at the import, how to visit and clear what the state refers to, and that interpreters may each have one, without
   a GIL too.

   Threads: the import runs once in each interpreter, with an attached thread state. Nothing here changes afterwards.
   Ownership: the module owns its state. Interpreters share nothing but the pool, which knows nothing of Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "fib.h"
#include "mandelbrot.h"
#include "state.h"
#include "stations.h"

/* CPython's type for a table entry; the cast by way of a function without arguments is the one that compilers take for
   deliberate. */
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef snek_methods[] = {
    {"nop", snek_nop, METH_O, snek_nop_doc},
    {"fib", snek_fib, METH_O, snek_fib_doc},
    {"mandelbrot", METHOD(snek_mandelbrot), METH_FASTCALL | METH_KEYWORDS, snek_mandelbrot_doc},
    {"stations", METHOD(snek_stations), METH_FASTCALL | METH_KEYWORDS, snek_stations_doc},
    {"stations_part", METHOD(snek_stations_part), METH_FASTCALL | METH_KEYWORDS, snek_stations_part_doc},
    {"kernels", snek_kernels, METH_NOARGS, snek_kernels_doc},
    {NULL, NULL, 0, NULL},
};

/* Runs once in each interpreter that imports the module; its state is filled with zeros at that time. */
static int
snek_exec(PyObject *module)
{
    snek_state *state = snek_get_state(module);

    state->cpu_count = -1;
#if PY_VERSION_HEX >= 0x030E0000
    if (PyConfig_GetInt("cpu_count", &state->cpu_count) < 0) {
        return -1;
    }
#endif
    return snek_find_kernels(state);
}

static int
snek_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(snek_get_state(module)->kernel_names);
    return 0;
}

static int
snek_clear(PyObject *module)
{
    Py_CLEAR(snek_get_state(module)->kernel_names);
    return 0;
}

static void
snek_free(void *module)
{
    (void)snek_clear(module);
}

/* A literal and not an array of const: a slot of 3.15 takes no pointer to const. */
#define SNEK_DOC "The C functions of snek; use them as snek.fib, snek.mandelbrot..."

#if PY_VERSION_HEX >= 0x030F0000

/* From 3.15 a module is a table of slots, with no static Python object in it (PEP 793, PEP 820). */
PyABIInfo_VAR(snek_abi);

static PySlot snek_slots[] = {
    PySlot_STATIC_DATA(Py_mod_abi, &snek_abi),
    PySlot_STATIC_DATA(Py_mod_name, "_snek"),
    PySlot_STATIC_DATA(Py_mod_doc, SNEK_DOC),
    PySlot_STATIC_DATA(Py_mod_methods, snek_methods),
    PySlot_SIZE(Py_mod_state_size, sizeof(snek_state)),
    PySlot_FUNC(Py_mod_state_traverse, (void (*)(void))snek_traverse),
    PySlot_FUNC(Py_mod_state_clear, (void (*)(void))snek_clear),
    PySlot_FUNC(Py_mod_state_free, (void (*)(void))snek_free),
    PySlot_FUNC(Py_mod_exec, (void (*)(void))snek_exec),
    PySlot_DATA(Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED),
    PySlot_DATA(Py_mod_gil, Py_MOD_GIL_NOT_USED),
    PySlot_END,
};

PyMODEXPORT_FUNC PyModExport__snek(void);

PyMODEXPORT_FUNC
PyModExport__snek(void)
{
    return snek_slots;
}

#else

static PyModuleDef_Slot snek_slots[] = {
    {Py_mod_exec, (void *)(uintptr_t)snek_exec}, /* ISO C has no cast from a function to void * */
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef snek_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_snek",
    .m_doc = SNEK_DOC,
    .m_size = sizeof(snek_state),
    .m_methods = snek_methods,
    .m_slots = snek_slots,
    .m_traverse = snek_traverse,
    .m_clear = snek_clear,
    .m_free = snek_free,
};

PyMODINIT_FUNC PyInit__snek(void);

PyMODINIT_FUNC
PyInit__snek(void)
{
    return PyModuleDef_Init(&snek_module);
}

#endif
