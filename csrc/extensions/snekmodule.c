/* snekmodule.c: the module snek._snek, the Python face of the kernels.

   In Python:

       def nop(x, /): return x
       def fib(n, /): return kernels.fib(n)
       def mandelbrot(out, *, xmin=-2.0, xmax=0.47, ymin=-1.12, ymax=1.12, max_iter=1000, threads=1, kernel="auto"):
           kernels.mandelbrot_draw(memoryview(out), ...)
           return out
       def stations(source, *, threads=0): ...              # in stations.c
       def kernels(): return tuple(kernel.name for kernel in kernels.mandelbrot_kernels_here())

   The shape of every function that computes: convert the arguments (Python code may run), acquire buffers, detach,
   compute in plain C, attach, release, return or raise. One label, `done`, releases what was taken.

   Threads: all functions may be called from any number of threads and interpreters at once. They detach the thread
   state (release the GIL) while they compute. Two calls that write to one buffer race for its contents, as two memcpy
   would.
   Ownership: all state is in the module object, one for each interpreter; nothing is shared between them but the
   pool, which knows nothing of Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>

#include "../kernels/fib.h"
#include "../kernels/mandelbrot.h"
#include "buffers.h"
#include "detached.h"
#include "parser.h"
#include "snekmodule.h"
#include "stations.h"

/* ---- nop ---- */

static const char nop_doc[] = "nop($module, x, /)\n--\n\n"
                              "Return x: what a call costs when the function does nothing.";

static PyObject *
snek_nop(PyObject *Py_UNUSED(module), PyObject *x)
{
    return Py_NewRef(x);
}

/* ---- fib ---- */

static const char fib_doc[] =
    "fib($module, n, /)\n--\n\n"
    "Return the n-th Fibonacci number, by double recursion: fib(n - 1) + fib(n - 2).\n\n"
    "The time grows as the result does, by 1.6 for each n: the yardstick for work inside one call.\n\n"
    "n: 0 to 92.\n\n"
    "Raises TypeError if n is not an integer, ValueError if it is out of range.\n\n"
    "Threads: the thread state is detached (the GIL released) while it computes, from n = 16 on. Ctrl-C\n"
    "stops it within 100 ms when it runs in the main thread, later where other threads keep the GIL busy.";

/* fib(15) takes about a microsecond: below that, detaching would cost more than others could gain by it. */
#define FIB_DETACH_FROM 16

static PyObject *
snek_fib(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long long n = 0;
    int64_t result;
    detached here;

    if (parser_integer("n", argument, 0, FIB_MAX, &n) < 0) {
        return NULL;
    }
    if (n < FIB_DETACH_FROM) {
        return PyLong_FromLongLong(fib((int)n));
    }
    detached_begin(&here);
    bool done = fib_stoppable((int)n, &result, &here.check);
    detached_end(&here);
    return done ? PyLong_FromLongLong(result) : NULL;
}

/* ---- mandelbrot ---- */

static const char mandelbrot_doc[] =
    "mandelbrot($module, out, *, xmin=-2.0, xmax=0.47, ymin=-1.12, ymax=1.12,\n"
    "           max_iter=1000, threads=1, kernel='auto')\n--\n\n"
    "Fill out with the escape counts of the Mandelbrot set, and return it.\n\n"
    "Pixel (j, i), row j and column i of an array of shape (height, width), samples the point\n"
    "    c = xmin + (xmax - xmin) * i / width + 1j * (ymin + (ymax - ymin) * j / height)\n"
    "and gets the number of steps z -> z * z + c, from z = 0, taken while |z| <= 2, at most max_iter.\n\n"
    "out: a writable C-contiguous 2-D buffer of int32, shape (height, width): a numpy array, a cast\n"
    "    memoryview, a ctypes array... Any length may be 0.\n"
    "xmin, xmax, ymin, ymax: the window, finite; xmin > xmax mirrors the picture.\n"
    "max_iter: 0 to 2**31 - 1.\n"
    "threads: 1 to 1024, the calling thread among them; 0: one for each CPU this process may use (its\n"
    "    affinity, its cgroup's quota; -X cpu_count and PYTHON_CPU_COUNT override both from 3.14 on).\n"
    "kernel: one of kernels(), or 'auto', the last of them. They differ on a few pixels near the border of\n"
    "    the set, where the last bit of a rounding decides: on less than 0.05 % of them in windows such as\n"
    "    the default one, on more where most of the window is border and max_iter in the thousands.\n\n"
    "Raises TypeError for an argument of a wrong type; ValueError for a wrong value, and for a buffer of\n"
    "the wrong format or shape; BufferError for a buffer that is read-only or not contiguous.\n\n"
    "Threads: the thread state is detached (the GIL released) while it computes, and out can't be resized.\n"
    "Calls on different buffers may run at the same time; calls on one buffer race for its contents.\n"
    "Ctrl-C stops it within 100 ms when it runs in the main thread, later where other Python threads keep\n"
    "the GIL busy; out then holds the counts of some pixels, and in the others max_iter or what it held before.";

enum { OUT, XMIN, XMAX, YMIN, YMAX, MAX_ITER, THREADS, KERNEL, MANDELBROT_ARGUMENTS };

static const char *const mandelbrot_names[MANDELBROT_ARGUMENTS] = {
    "out", "xmin", "xmax", "ymin", "ymax", "max_iter", "threads", "kernel",
};

/* The window and the depth: what of the picture comes from numbers. */
static int
convert_picture(PyObject *const *bound, mandelbrot_picture *picture)
{
    long long max_iter = 1000;

    *picture = (mandelbrot_picture){.xmin = -2.0, .xmax = 0.47, .ymin = -1.12, .ymax = 1.12};
    if (parser_real("xmin", bound[XMIN], &picture->xmin) < 0 || parser_real("xmax", bound[XMAX], &picture->xmax) < 0 ||
        parser_real("ymin", bound[YMIN], &picture->ymin) < 0 || parser_real("ymax", bound[YMAX], &picture->ymax) < 0 ||
        parser_integer("max_iter", bound[MAX_ITER], 0, INT32_MAX, &max_iter) < 0) {
        return -1;
    }
    if (!isfinite(picture->xmax - picture->xmin) || !isfinite(picture->ymax - picture->ymin)) {
        PyErr_SetString(PyExc_ValueError, "xmax - xmin and ymax - ymin must be finite");
        return -1;
    }
    picture->max_iter = (int32_t)max_iter;
    return 0;
}

/* The kernel of that name, "auto" being the fastest. */
static int
convert_kernel(const snek_state *state, PyObject *object, const mandelbrot_kernel **kernel)
{
    *kernel = &state->kernels[state->kernel_count - 1];
    if (object == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "kernel must be a str, not %.200s", Py_TYPE(object)->tp_name);
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(object, "auto") == 0) {
        return 0;
    }
    for (size_t i = 0; i < state->kernel_count; i++) {
        *kernel = &state->kernels[i];
        if (PyUnicode_CompareWithASCIIString(object, (*kernel)->name) == 0) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "kernel must be 'auto' or one that this CPU can run, %R, not %.100R",
                 state->kernel_names, object);
    return -1;
}

static PyObject *
snek_mandelbrot(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const snek_state *state = snek_get_state(module);
    PyObject *bound[MANDELBROT_ARGUMENTS];
    PyObject *result = NULL;
    mandelbrot_picture picture;
    const mandelbrot_kernel *kernel;
    size_t threads = 1;
    Py_buffer view;
    detached here;

    if (parser_bind("mandelbrot", mandelbrot_names, MANDELBROT_ARGUMENTS, args, nargs, kwnames, bound) < 0 ||
        convert_picture(bound, &picture) < 0 || snek_convert_threads(state, bound[THREADS], &threads) < 0 ||
        convert_kernel(state, bound[KERNEL], &kernel) < 0 ||
        buffer_acquire_int32_picture("out", bound[OUT], &view) < 0) {
        return NULL;
    }
    picture.counts = view.buf;
    picture.height = view.shape[0];
    picture.width = view.shape[1];

    detached_begin(&here);
    pool_status status = mandelbrot_draw(&picture, kernel, threads, detached_interrupted, &here);
    detached_end(&here);

    switch (status) {
    case POOL_DONE:
        result = Py_NewRef(bound[OUT]);
        break;
    case POOL_STOPPED: /* the signal handler's exception is set */
        break;
    case POOL_FORKED:
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "forked by a signal handler in the middle of mandelbrot(): the threads that had a part of "
                            "the picture are not in this child");
        }
        break;
    case POOL_NO_MEMORY:
        PyErr_NoMemory();
        break;
    }
    PyBuffer_Release(&view);
    return result;
}

/* ---- kernels ---- */

static const char kernels_doc[] =
    "kernels($module, /)\n--\n\n"
    "Return the names of the mandelbrot kernels that this CPU can run, slowest first, as a tuple.\n\n"
    "All take every step of every pixel but 'shortcut', which leaves out what is known to stay: points in\n"
    "the main cardioid and the disc beside it, and orbits that return to where they were. It stands second,\n"
    "whatever its speed: 'auto' takes the last.";

static PyObject *
snek_kernels(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(snek_get_state(module)->kernel_names);
}

/* ---- the module ---- */

/* CPython's type for a table entry; the cast by way of a function without arguments is the one that compilers take for
   deliberate. */
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef snek_methods[] = {
    {"nop", snek_nop, METH_O, nop_doc},
    {"fib", snek_fib, METH_O, fib_doc},
    {"mandelbrot", METHOD(snek_mandelbrot), METH_FASTCALL | METH_KEYWORDS, mandelbrot_doc},
    {"stations", METHOD(snek_stations), METH_FASTCALL | METH_KEYWORDS, snek_stations_doc},
    {"kernels", snek_kernels, METH_NOARGS, kernels_doc},
    {NULL, NULL, 0, NULL},
};

/* The tuple that kernels() returns. */
static PyObject *
names_of(const mandelbrot_kernel *kernels, size_t count)
{
    PyObject *names = PyTuple_New((Py_ssize_t)count);

    for (size_t i = 0; names != NULL && i < count; i++) {
        PyObject *name = PyUnicode_InternFromString(kernels[i].name);

        if (name == NULL) {
            Py_CLEAR(names);
        } else {
            PyTuple_SET_ITEM(names, (Py_ssize_t)i, name);
        }
    }
    return names;
}

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
    state->kernel_count = mandelbrot_kernels_here(state->kernels);
    state->kernel_names = names_of(state->kernels, state->kernel_count);
    return state->kernel_names == NULL ? -1 : 0;
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
