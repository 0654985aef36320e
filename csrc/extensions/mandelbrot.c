/* mandelbrot.c: the functions mandelbrot and kernels of the module snek._snek. A picture is drawn into another's array.

   In Python:

       def mandelbrot(out, *, xmin=-2.0, xmax=0.47, ymin=-1.12, ymax=1.12, max_iter=1000, threads=1, kernel="auto"):
           picture = Picture(float(xmin), float(xmax), float(ymin), float(ymax), operator.index(max_iter))
           threads = operator.index(threads) or os.process_cpu_count()
           with memoryview(out) as view:                     # int32, (height, width), writable, without gaps
               kernels.mandelbrot_draw(picture, view, kernel, threads)
           return out

       def kernels():
           return tuple(kernel.name for kernel in kernels.mandelbrot_kernels_here())

   Its steps are those of every function that works on somebody's memory:

   1. Convert the arguments. That may run any Python code, so nothing is held yet.
   2. Acquire the buffer. From here on every way out releases it.
   3. Detach: the GIL is free for others.
   4. Compute in plain C.
   5. Attach, make the result or the exception, release the buffer.

   Threads: any number of calls at once, in any threads and interpreters. Two calls on one buffer race for its contents,
   as two memcpy would.
   Ownership: the buffer is borrowed for the duration of a call, and its owner can't resize it meanwhile. */

#define PY_SSIZE_T_CLEAN
#include "mandelbrot.h"

#include <limits.h>

#include "buffers.h"
#include "detached.h"
#include "parser.h"

/* ---- mandelbrot ---- */

const char snek_mandelbrot_doc[] =
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
    "threads: at most so many, 1 to 1024, the calling one among them; 0: one for each CPU it may use (its\n"
    "    affinity, its cgroup's quota of at most a second ago; -X cpu_count and PYTHON_CPU_COUNT override\n"
    "    both from 3.14 on). They run where the calling thread may run. A picture that takes less than some\n"
    "    50 microseconds is drawn by the calling thread alone.\n"
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

/* The part of a picture that comes from numbers: the window and max_iter. */
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

/* The kernel of that name. "auto" is the fastest that takes every step. */
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

PyObject *
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

const char snek_kernels_doc[] =
    "kernels($module, /)\n--\n\n"
    "Return the names of the mandelbrot kernels that this CPU can run, slowest first, as a tuple.\n\n"
    "All take every step of every pixel but 'shortcut', which leaves out what is known to stay: points in\n"
    "the main cardioid and the disc beside it, and orbits that return to where they were. It stands second,\n"
    "whatever its speed: 'auto' takes the last.";

PyObject *
snek_kernels(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(snek_get_state(module)->kernel_names);
}

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

/* Asks what this CPU can run, and keeps the answer in the state. -1: an exception is set. */
int
snek_find_kernels(snek_state *state)
{
    state->kernel_count = mandelbrot_kernels_here(state->kernels);
    state->kernel_names = names_of(state->kernels, state->kernel_count);
    return state->kernel_names == NULL ? -1 : 0;
}
