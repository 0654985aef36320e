/* detached.h: how long C code runs without the GIL, and is stopped by Ctrl-C all the same.

   In Python (if Python could give up its own GIL):

       with detached() as here:
           for step in work:
               if here.interrupted():      # attaches, some 30 times a second, and lets signal handlers run
                   break
       # attached again; if interrupted, the handler's exception is set

   Between detached_begin and detached_end no Python object may be touched and no Python function called. Only
   detached_interrupted does so, and it attaches first. Signal handlers run in the main thread of the main interpreter
   only. So Ctrl-C doesn't interrupt a call in another thread; it interrupts the main thread, which may wait for it.

   Any Python code may run inside detached_interrupted: hold no lock when you call it. When the interpreter is
   finalising, it doesn't return at all: a daemon thread ends there, or hangs from 3.14 on.

   Threads: a `detached` belongs to the thread that began it.
   Ownership: lives on the caller's stack. */

#ifndef SNEK_DETACHED_H
#define SNEK_DETACHED_H

#include <Python.h>

#include <stdbool.h>
#include <time.h>

#include "../kernels/checkpoint.h"

/* People feel an answer within 100 ms to be immediate, and this is shorter. It is long beside what it costs to attach:
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

/* True: an exception is set, so leave. Quick, unless it is time to attach and ask. */
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

/* A signal has interrupted a system call, so the next detached_interrupted attaches at once. */
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
