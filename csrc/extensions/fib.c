/* fib.c: the functions nop and fib of the module snek._snek: a call that does nothing, and a call that works.

   In Python:

       def nop(x, /):
           return x

       def fib(n, /):
           n = operator.index(n)
           if not 0 <= n <= 92: raise ValueError
           return kernels.fib(n)

   The steps of fib are those of every function that computes: convert the arguments, detach, compute in plain C,
   attach, return or raise.

   Threads: any number of calls at once, in any threads and interpreters. fib detaches the thread state (releases the
   GIL) while it computes.
   Ownership: nothing is kept. nop returns a new reference to what it was given. */

#define PY_SSIZE_T_CLEAN
#include "fib.h"

#include "../kernels/fib.h"
#include "detached.h"
#include "parser.h"

/* ---- nop ---- */

const char snek_nop_doc[] = "nop($module, x, /)\n--\n\n"
                            "Return x: what a call costs when the function does nothing.";

PyObject *
snek_nop(PyObject *Py_UNUSED(module), PyObject *x)
{
    return Py_NewRef(x);
}

/* ---- fib ---- */

const char snek_fib_doc[] =
    "fib($module, n, /)\n--\n\n"
    "Return the n-th Fibonacci number, by double recursion: fib(n - 1) + fib(n - 2).\n\n"
    "The time grows as the result does, by 1.6 for each n: the yardstick for work inside one call.\n\n"
    "n: 0 to 92.\n\n"
    "Raises TypeError if n is not an integer, ValueError if it is out of range.\n\n"
    "Threads: the thread state is detached (the GIL released) while it computes, from n = 16 on. Ctrl-C\n"
    "stops it within 100 ms when it runs in the main thread, later where other threads keep the GIL busy.";

/* fib(15) takes about a microsecond. For less, detaching would cost more than other threads could gain by it. */
#define FIB_DETACH_FROM 16

PyObject *
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
