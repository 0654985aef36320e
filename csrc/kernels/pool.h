/* pool.h: see pool.c. */

#ifndef SNEK_POOL_H
#define SNEK_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "checkpoint.h"

#define POOL_MAX_THREADS 1024

/* Threads that write to one cache line wait for each other, so what they write often is this far apart. Apple's lines
   are as long; x86 has lines of 64 bytes, and fetches them in pairs. */
#define CACHE_LINE_BYTES 128

typedef enum {
    POOL_DONE,      /* every chunk was computed */
    POOL_STOPPED,   /* interrupted() said so: some chunks were not computed */
    POOL_FORKED,    /* this is a child forked by interrupted(): the chunks of the helpers are lost */
    POOL_NO_MEMORY, /* nothing was computed */
} pool_status;

/* Computes chunk number `chunk`; runs on any thread, in any order. `member` is the thread's number in this job: below
   the number of threads asked for, 0 for the calling thread, and different for threads that run at the same time.
   When the checkpoint says stop, it must clean up and return. A task may take further chunks itself, to keep something
   from one to the next: see pool_take. */
typedef void (*pool_task)(void *context, size_t chunk, size_t member, checkpoint *check);

/* Called on the thread that called pool_run: at every checkpoint, and every few milliseconds while it waits. So it
   should be quick most of the time. It may do anything, even call pool_run or fork. True: stop the job. */
typedef bool (*pool_interrupted)(void *context);

pool_status pool_run(pool_task task, const void *context, size_t context_size, size_t chunks, size_t threads,
                     pool_interrupted interrupted, void *interrupted_context);
pool_status pool_run_alone_first(pool_task task, const void *context, size_t context_size, size_t chunks,
                                 size_t threads, pool_interrupted interrupted, void *interrupted_context);
bool pool_take(checkpoint *check, size_t *chunk);
void pool_finish(checkpoint *check);

#endif
