/* kernels_extension.c: the functions of kernels.h as an extension module, written by hand against Python's C API.

   In Python, were kernels.h a module:

       def nop(x, /):
           return kernels.nop(int64(x))                      # int64: operator.index, and OverflowError beyond 64 bits

       def fib(n, /):
           if not 0 <= int64(n) <= 92: raise ValueError
           return kernels.fib(int64(n))

       def total(values, /):
           with memoryview(values) as view:                  # doubles, one dimension, no gaps; else TypeError
               return kernels.total(view)

       def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter, /):      # mandelbrot_threaded: and threads
           numbers = float(xmin), float(xmax), float(ymin), float(ymax), int64(max_iter)
           with memoryview(counts) as view:                  # int32, (height, width), writable, no gaps; else TypeError
               kernels.mandelbrot(view, *numbers)            # ValueError for a value out of range
           return counts

   A function that works does so in five steps:

   1. Convert the arguments. That may run any Python code, which may do anything: so nothing is held yet.
   2. Acquire the buffer. From here on there is one way out, and it releases the buffer.
   3. Detach (release the GIL), where the work takes longer than that.
   4. Work in plain C. No Python object is touched.
   5. Attach, make the result or the exception, release the buffer.

   Threads: any number of calls at once, in any threads and interpreters: there is no state. Calls that draw into one buffer
   race for its contents, as two memcpy would. Ctrl-C is answered when a call has returned, not before.
   Ownership: arguments are borrowed for the duration of a call, and a buffer can't be resized meanwhile. A result is a new
   reference; that of the two that draw is to the counts they were given. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

/* Less than that takes about a microsecond: detaching would cost more than other threads could gain by it. */
enum { FIB_DETACH_FROM = 16, TOTAL_DETACH_FROM = 1024 };

_Static_assert(sizeof(long long) == 8 && sizeof(double) == 8, "the sizes that kernels.h and this file rely on");

/* ---- arguments ---- */

/* An integer, or what has __index__. 0, or -1 with TypeError, OverflowError or what __index__ raised. */
static int
convert_integer(PyObject *object, int64_t *value)
{
    *value = PyLong_AsLongLong(object);
    return *value == -1 && PyErr_Occurred() ? -1 : 0; /* -1 alone is a number */
}

/* A real number, or what has __float__ or __index__. 0, or -1 with TypeError, OverflowError or what these raised. */
static int
convert_real(PyObject *object, double *value)
{
    *value = PyFloat_AsDouble(object);
    return *value == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* What a function wants of a buffer. */
typedef struct {
    const char *words;   /* what it is, for an error */
    int flags;           /* what to ask the exporter for */
    int dimensions;      /* how many */
    const char *formats; /* how the struct module may call an item: any of these letters */
    Py_ssize_t itemsize; /* in bytes; and an item begins at a multiple of it */
} buffer_kind;

static const buffer_kind doubles = {"a C-contiguous 1-D buffer of doubles", PyBUF_FULL_RO, 1, "d", 8};
static const buffer_kind picture = {"a writable C-contiguous 2-D buffer of int32", PyBUF_FULL, 2, "il", 4};

/* What keeps a buffer from being of that kind; NULL: nothing. Asks all that C relies on, for exporters may be wrong, too. */
static const char *
buffer_lacks(const Py_buffer *view, const buffer_kind *kind)
{
    const char *format = view->format == NULL ? "B" : view->format;
    Py_ssize_t bytes = view->itemsize;

    if (format[0] == '@' || format[0] == '=' || format[0] == (PY_LITTLE_ENDIAN ? '<' : '>')) {
        format++;
    }
    if (format[0] == '\0' || format[1] != '\0' || strchr(kind->formats, format[0]) == NULL || bytes != kind->itemsize) {
        return "its items are others";
    }
    if (view->ndim != kind->dimensions || view->shape == NULL) {
        return "it has another number of dimensions";
    }
    for (int k = 0; k < view->ndim; k++) {
        if (view->shape[k] < 0 || (view->shape[k] > 0 && bytes > PY_SSIZE_T_MAX / view->shape[k])) {
            return "no memory can have its shape"; /* and the product would overflow */
        }
        bytes *= view->shape[k];
    }
    if (bytes != view->len) {
        return "its shape is not that of its memory";
    }
    if (!PyBuffer_IsContiguous(view, 'C')) {
        return "it has gaps";
    }
    return bytes > 0 && (uintptr_t)view->buf % (size_t)kind->itemsize != 0 ? "it is not aligned" : NULL;
}

/* Acquires the buffer of an object. 0: the caller must call PyBuffer_Release. -1: nothing is held, and an exception is set:
   TypeError, or what the exporter raised, which for one that is read-only is a BufferError, with NumPy a ValueError. */
static int
buffer_acquire(PyObject *object, const buffer_kind *kind, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, kind->flags) < 0) {
        return -1;
    }
    const char *lacks = buffer_lacks(view, kind);
    if (lacks == NULL) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "needs %s, not this %.200s: %s (format '%.20s', %d-D)", kind->words,
                 Py_TYPE(object)->tp_name, lacks, view->format == NULL ? "B" : view->format, view->ndim);
    PyBuffer_Release(view);
    return -1;
}

/* ---- nop, fib, total ---- */

static const char nop_doc[] = "nop($module, x, /)\n--\n\n"
                              "Return x, an integer of 64 bits: what a call costs when the function does nothing.\n\n"
                              "Raises TypeError for what is no integer, OverflowError beyond 64 bits.";

static PyObject *
extension_nop(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int64_t x;

    return convert_integer(argument, &x) < 0 ? NULL : PyLong_FromLongLong(door_nop(x));
}

static const char fib_doc[] =
    "fib($module, n, /)\n--\n\n"
    "Return the n-th Fibonacci number by double recursion, n from 0 to 92.\n\n"
    "Raises TypeError for what is no integer, ValueError out of that range, OverflowError beyond 64 bits.\n\n"
    "Threads: the GIL is released while it computes, from n = 16 on.";

static PyObject *
extension_fib(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int64_t n, result;

    if (convert_integer(argument, &n) < 0) {
        return NULL;
    }
    PyThreadState *detached = n < FIB_DETACH_FROM ? NULL : PyEval_SaveThread();
    result = door_fib(n);
    if (detached != NULL) {
        PyEval_RestoreThread(detached);
    }
    if (result < 0) {
        return PyErr_Format(PyExc_ValueError, "n must be from 0 to 92, not %lld", (long long)n);
    }
    return PyLong_FromLongLong(result);
}

static const char total_doc[] =
    "total($module, values, /)\n--\n\n"
    "Return the sum of a buffer of doubles, added from the first to the last, each addition rounded.\n\n"
    "Raises TypeError for anything but a C-contiguous buffer of doubles in one dimension.\n\n"
    "Threads: the GIL is released while it adds 1024 of them and more; they can't be resized meanwhile.";

static PyObject *
extension_total(PyObject *Py_UNUSED(module), PyObject *values)
{
    Py_buffer view;
    double result;

    if (buffer_acquire(values, &doubles, &view) < 0) {
        return NULL;
    }
    PyThreadState *detached = view.shape[0] < TOTAL_DETACH_FROM ? NULL : PyEval_SaveThread();
    result = door_total(view.buf, view.shape[0]);
    if (detached != NULL) {
        PyEval_RestoreThread(detached);
    }
    PyBuffer_Release(&view);
    return PyFloat_FromDouble(result);
}

/* ---- mandelbrot, mandelbrot_threaded ---- */

enum { COUNTS, XMIN, XMAX, YMIN, YMAX, MAX_ITER, THREADS, ALL };

/* Both of them: with `threaded`, there is one argument more. */
static PyObject *
draw(const char *name, bool threaded, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *result = NULL;
    double at[MAX_ITER]; /* from XMIN to YMAX */
    int64_t max_iter, threads = 1;
    int32_t status;
    Py_buffer view;

    if (nargs != (threaded ? ALL : THREADS)) {
        return PyErr_Format(PyExc_TypeError, "%s() takes %d arguments, not %zd", name, threaded ? ALL : THREADS, nargs);
    }
    for (int k = XMIN; k <= YMAX; k++) {
        if (convert_real(args[k], &at[k]) < 0) {
            return NULL;
        }
    }
    if (convert_integer(args[MAX_ITER], &max_iter) < 0 || (threaded && convert_integer(args[THREADS], &threads) < 0) ||
        buffer_acquire(args[COUNTS], &picture, &view) < 0) {
        return NULL;
    }

    const int64_t height = view.shape[0], width = view.shape[1];
    PyThreadState *detached = PyEval_SaveThread();
    status = threaded ? door_mandelbrot_threaded(view.buf, height, width, at[XMIN], at[XMAX], at[YMIN], at[YMAX],
                                                 max_iter, threads)
                      : door_mandelbrot(view.buf, height, width, at[XMIN], at[XMAX], at[YMIN], at[YMAX], max_iter);
    PyEval_RestoreThread(detached);

    if (status == 0) {
        result = Py_NewRef(args[COUNTS]);
    } else if (status == -1) {
        PyErr_Format(PyExc_ValueError, "out of range: the window must be finite, max_iter from 0 to 2**31 - 1%s",
                     threaded ? ", threads from 1 to 1024" : "");
    } else {
        PyErr_NoMemory();
    }
    PyBuffer_Release(&view);
    return result;
}

static const char mandelbrot_doc[] =
    "mandelbrot($module, counts, xmin, xmax, ymin, ymax, max_iter, /)\n--\n\n"
    "Fill counts with the escape counts of the Mandelbrot set in a window, and return it.\n\n"
    "counts: a writable C-contiguous buffer of int32, (height, width). max_iter: 0 to 2**31 - 1.\n\n"
    "Raises TypeError for a wrong type or buffer, ValueError out of range, OverflowError beyond 64 bits.\n\n"
    "Threads: the GIL is released while it draws; counts can't be resized meanwhile.";

static PyObject *
extension_mandelbrot(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return draw("mandelbrot", false, args, nargs);
}

static const char mandelbrot_threaded_doc[] =
    "mandelbrot_threaded($module, counts, xmin, xmax, ymin, ymax, max_iter, threads, /)\n--\n\n"
    "mandelbrot() by so many threads, the calling one among them: 1 to 1024.";

static PyObject *
extension_mandelbrot_threaded(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    return draw("mandelbrot_threaded", true, args, nargs);
}

/* ---- the module ---- */

/* CPython's type for a table entry, by way of a type that compilers take for a deliberate cast. */
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef extension_methods[] = {
    {"nop", extension_nop, METH_O, nop_doc},
    {"fib", extension_fib, METH_O, fib_doc},
    {"total", extension_total, METH_O, total_doc},
    {"mandelbrot", METHOD(extension_mandelbrot), METH_FASTCALL, mandelbrot_doc},
    {"mandelbrot_threaded", METHOD(extension_mandelbrot_threaded), METH_FASTCALL, mandelbrot_threaded_doc},
    {NULL, NULL, 0, NULL},
};

/* Without the first, an interpreter with a GIL of its own refuses the module; without the second, a free-threaded Python
   turns the GIL on for it. */
static PyModuleDef_Slot extension_slots[] = {
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef extension_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "kernels_extension",
    .m_doc = "The functions of kernels.h.",
    .m_size = 0, /* no state */
    .m_methods = extension_methods,
    .m_slots = extension_slots,
};

PyMODINIT_FUNC PyInit_kernels_extension(void);

/* Multi-phase initialisation: hands over the description, from which each interpreter makes a module of its own. */
PyMODINIT_FUNC
PyInit_kernels_extension(void)
{
    return PyModuleDef_Init(&extension_module);
}
