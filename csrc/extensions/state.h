/* state.h: what the files of the module snek._snek share: its state, and the argument `threads`.

   In Python:

       def convert_threads(threads):
           number = operator.index(threads)
           if not 0 <= number <= 1024: raise ValueError
           return number or os.process_cpu_count()

   Errors: 0, or -1 with an exception set. TypeError for a wrong type, ValueError for a wrong value.
   Threads: the caller must have an attached thread state. The state does not change after the import.
   Ownership: the state belongs to the module, one for each interpreter. */

#ifndef SNEK_STATE_H
#define SNEK_STATE_H

#include <Python.h>

#include "../kernels/cpus.h"
#include "../kernels/mandelbrot.h"
#include "../kernels/pool.h"
#include "parser.h"

typedef struct {
    mandelbrot_kernel kernels[MANDELBROT_KERNELS_MOST]; /* those that this CPU runs, slowest first */
    size_t kernel_count;
    PyObject *kernel_names; /* tuple of str */
    int cpu_count;          /* from -X cpu_count or PYTHON_CPU_COUNT; -1: not given */
} snek_state;

static inline snek_state *
snek_get_state(PyObject *module)
{
    return PyModule_GetState(module);
}

/* As many threads as there are CPUs for this process. Needs no attached thread state. */
static inline size_t
snek_default_threads(const snek_state *state)
{
    int number = state->cpu_count > 0 ? state->cpu_count : cpus_usable();

    return number > POOL_MAX_THREADS ? POOL_MAX_THREADS : (size_t)number;
}

/* Sets *threads to the number asked for. 0 asks for as many as there are CPUs for this process. NULL stands for an
   argument that was not passed: then the number is what *threads was before. */
static inline int
snek_convert_threads(const snek_state *state, PyObject *object, size_t *threads)
{
    long long number = (long long)*threads;

    if (parser_integer("threads", object, 0, POOL_MAX_THREADS, &number) < 0) {
        return -1;
    }
    if (number > 0) {
        *threads = (size_t)number;
    } else if (state->cpu_count > 0 || cpus_usable_recently() > 0) {
        *threads = snek_default_threads(state);
    } else { /* files have to be read, and others may run Python meanwhile */
        PyThreadState *thread = PyEval_SaveThread();

        *threads = snek_default_threads(state);
        PyEval_RestoreThread(thread);
    }
    return 0;
}

#endif
