/* detached.h: long C code without the GIL, that Ctrl-C stops all the same.

   In Python (if Python could give up its own GIL):

       with detached() as here:
           for step in work:
               if here.interrupted():      # attaches, some 30 times a second, and lets signal handlers run
                   break
       # attached again; if interrupted, the handler's exception is set

   Between detached_begin and detached_end no Python object may be touched and no Python function called; only
   detached_interrupted does, and it attaches first. Signal handlers run in the main thread of the main interpreter
   only: a call in any other thread is not interrupted by Ctrl-C (the wait for it in the main thread is).

   Any Python code may run inside detached_interrupted: hold no lock when calling it. When the interpreter is
   finalising it does not return at all (a daemon thread ends there, or hangs from 3.14 on).

   Threads: a `detached` belongs to the thread that began it.
   Ownership: lives on the caller's stack. */

#ifndef SNEK_DETACHED_H
#define SNEK_DETACHED_H

#include <Python.h>

#include <stdbool.h>
#include <time.h>

#include "../kernels/checkpoint.h"

/* Short against the 100 ms in which people feel an answer to be immediate; long against what an attach costs:
   some 60 ns when the GIL is free, a switch interval (5 ms) when Python code runs in another thread. */
#define DETACHED_POLL_NANOSECONDS 30000000LL

typedef struct {
    checkpoint check; /* first: detached_expired gets its address */
    PyThreadState *thread;
    long long next_poll;
} detached;

/* Nanoseconds on a clock that nobody sets. */
static long long
detached_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* True: an exception is set, leave. Quick unless a poll is due. */
static bool
detached_interrupted(void *context)
{
    detached *self = context;

    if (detached_now() < self->next_poll) {
        return false;
    }
    PyEval_RestoreThread(self->thread);
    bool interrupted = PyErr_CheckSignals() < 0;
    self->thread = PyEval_SaveThread();
    self->next_poll = detached_now() + DETACHED_POLL_NANOSECONDS;
    return interrupted;
}

/* A signal has interrupted a system call: a poll is due, whenever the last one was. */
static inline void
detached_signalled(void *context)
{
    detached *self = context;

    self->next_poll = 0;
}

static bool
detached_expired(checkpoint *check)
{
    return detached_interrupted((detached *)check);
}

static void
detached_begin(detached *self)
{
    self->check = (checkpoint){CHECKPOINT_BUDGET, detached_expired};
    self->next_poll = detached_now() + DETACHED_POLL_NANOSECONDS;
    self->thread = PyEval_SaveThread();
}

static void
detached_end(detached *self)
{
    PyEval_RestoreThread(self->thread);
}

#endif
