/* pool.c: a pool of worker threads for the whole process.

   In Python:

       def pool_run(task, context, chunks, threads, interrupted):
           job = Job(iter(range(chunks)))
           jobs.append(job)                  # at most threads - 1 idle helpers come and join
           for chunk in job.chunks:          # shared with them: whoever is free takes the next chunk
               task(context, chunk)          # its checkpoints ask interrupted()
           jobs.remove(job)                  # nobody joins from now on
           while job.helpers:                # they finish the chunk they are at
               job.left.wait(0.01)
               interrupted()

   Why it is as it is:

   * The calling thread works too. So a job makes progress whatever the helpers do, and any number of calls, from any
     threads and interpreters, even from inside interrupted(), can be under way without a deadlock. Helpers join the
     oldest job that still wants some.
   * Chunks are handed out one by one, so uneven chunks even out.
   * Helpers start when first wanted, then sleep between jobs until the process ends. They block all signals but those
     that they cause themselves, for faulthandler to report: a signal is for the interpreter's own threads.
   * A helper that joins a job goes to a CPU that no other worker of it is on. Linux likes to wake a thread on the CPU
     of the thread that woke it, and looks again after milliseconds: a short job would be over by then, computed by all
     its threads in turn on one CPU. Seen beside other programs, and now and then on an idle virtual machine.
   * After fork() a child has only the thread that forked. Handlers registered with pthread_atfork make the pool
     whole in the parent and empty in the child, whose next call starts helpers of its own.
   * A job lives on the heap, context included, never on the caller's stack: CPython up to 3.13 ends a daemon thread
     that comes back to a finalising interpreter by pthread_exit, and the helpers of its job must not notice.

   Threads: pool_run may be called from any thread at any time. Tasks of one job run concurrently.
   Ownership: the job belongs to the thread that called pool_run; helpers may touch it only between joining and
   leaving, both with the pool's lock held. `the_pool` is the only mutable global of the package; it holds no Python
   object, so interpreters may share it. */

#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#else
#define _POSIX_C_SOURCE 200809L
#endif

#include "pool.h"

#include "cpus.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What threads write often lives this far apart: x86 fetches cache lines in pairs, Apple's are 128 bytes. */
#define LINE 128

/* A thread's stack. Kernels need some 20 kilobytes; sanitizers and debuggers like some more. */
#define STACK_BYTES (512 * 1024)

/* How often a caller that waits for its helpers asks interrupted(). */
#define WAIT_NANOSECONDS 10000000L

typedef struct job job;

/* One thread's part in one job. */
typedef struct {
    _Alignas(LINE) checkpoint check; /* first, so that a checkpoint's address is its worker's */
    job *job;
    size_t index;   /* 0: the thread that called pool_run */
    atomic_int cpu; /* where it was when it joined: its number plus 1; 0: not known */
} worker;

struct job {
    /* written by every worker, once a chunk */
    _Alignas(LINE) atomic_size_t next_chunk;

    /* written once, read at every checkpoint */
    _Alignas(LINE) atomic_bool stopped;
    pool_task task;
    void *context; /* behind the workers, in the same block */
    size_t chunks;
    pool_interrupted interrupted;
    void *interrupted_context;
    unsigned long generation; /* of the pool, when the job began */
    bool forked;

    /* guarded by the pool's lock */
    job *next;
    size_t wanted; /* helpers, at most */
    size_t joined; /* helpers that came, ever */
    size_t active; /* helpers that have not left yet */
    pthread_cond_t left;

    worker workers[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;      /* a job that wants helpers was added */
    job *jobs;                /* oldest first */
    size_t helpers;           /* threads started */
    size_t idle;              /* of which are waiting for work */
    unsigned long generation; /* number of forks between the first process and this one */
} the_pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* ---- working ---- */

/* A worker's budget is spent: should it stop? The caller's worker asks interrupted() as well. */
static bool
worker_expired(checkpoint *check)
{
    worker *self = (worker *)check;
    job *work = self->job;

    if (!atomic_load_explicit(&work->stopped, memory_order_relaxed) && self->index == 0 && work->interrupted != NULL) {
        bool stop = work->interrupted(work->interrupted_context);

        /* Python may have run, and forked. The child has lost the helpers and what they had taken. */
        if (work->generation != the_pool.generation && work->joined > 0) {
            work->forked = true;
            stop = true;
        }
        if (stop) {
            atomic_store_explicit(&work->stopped, true, memory_order_relaxed);
        }
    }
    return atomic_load_explicit(&work->stopped, memory_order_relaxed);
}

/* Takes the next chunk for the worker whose checkpoint this is, the one that its task was given. Whoever takes a chunk
   computes it before returning. False: there is none left, or the job is stopped. */
bool
pool_take(checkpoint *check, size_t *chunk)
{
    job *work = ((worker *)check)->job;

    if (atomic_load_explicit(&work->stopped, memory_order_relaxed)) {
        return false;
    }
    *chunk = atomic_fetch_add_explicit(&work->next_chunk, 1, memory_order_relaxed);
    return *chunk < work->chunks;
}

/* From now on nobody takes another chunk of the job of the worker whose checkpoint this is. Those taken, all the lower
   ones among them, are computed. */
void
pool_finish(checkpoint *check)
{
    job *work = ((worker *)check)->job;

    atomic_store_explicit(&work->next_chunk, work->chunks, memory_order_relaxed);
}

/* Takes chunks until there are none left, or the job is stopped. */
static void
job_work(job *self, size_t index)
{
    worker *me = &self->workers[index];
    size_t chunk;

    me->check = (checkpoint){CHECKPOINT_BUDGET, worker_expired};
    me->job = self;
    me->index = index;
    while (pool_take(&me->check, &chunk)) {
        self->task(self->context, chunk, index, &me->check);
    }
}

/* ---- helpers ---- */

/* Takes the calling helper off a CPU where another worker of its job is. */
static void
job_spread(job *self, size_t index)
{
    int taken[POOL_MAX_THREADS];
    int here = cpus_current();
    bool alone = true;

    for (size_t i = 0; i < index; i++) {
        taken[i] = atomic_load_explicit(&self->workers[i].cpu, memory_order_relaxed) - 1;
        alone = alone && (taken[i] != here || here < 0);
    }
    if (!alone) {
        cpus_move_off(taken, index);
        here = cpus_current();
    }
    atomic_store_explicit(&self->workers[index].cpu, here + 1, memory_order_relaxed);
}

/* The oldest job that wants one more helper, or NULL. */
static job *
pool_find_job_lock_held(void)
{
    job *work = the_pool.jobs;

    while (work != NULL && (work->joined == work->wanted ||
                            atomic_load_explicit(&work->next_chunk, memory_order_relaxed) >= work->chunks)) {
        work = work->next;
    }
    return work;
}

/* A helper's life. */
static void *
pool_helper(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&the_pool.lock);
    for (;;) {
        job *work = pool_find_job_lock_held();

        if (work == NULL) {
            the_pool.idle++;
            pthread_cond_wait(&the_pool.work, &the_pool.lock);
            the_pool.idle--;
            continue;
        }
        size_t index = ++work->joined;
        work->active++;
        pthread_mutex_unlock(&the_pool.lock);

        job_spread(work, index);
        job_work(work, index);

        pthread_mutex_lock(&the_pool.lock);
        if (--work->active == 0) {
            pthread_cond_signal(&work->left); /* the caller can't free the job before we let go of the lock */
        }
    }
    return NULL;
}

/* How many helpers there should be: as many as the jobs at hand want together, so that they don't wait for each other,
   but no more than the machine has CPUs, unless a single job asks for more. */
static size_t
pool_demand_lock_held(void)
{
    size_t sum = 0, largest = 0;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    size_t cpus = online > 0 ? (size_t)online : 1;

    for (const job *work = the_pool.jobs; work != NULL; work = work->next) {
        sum += work->wanted;
        largest = work->wanted > largest ? work->wanted : largest;
    }
    sum = sum > cpus ? cpus : sum;
    return sum > largest ? sum : largest;
}

/* Starts helpers until there are `count`, or the system refuses: then there are fewer, and that is all. */
static void
pool_start_helpers_lock_held(size_t count)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    if (the_pool.helpers >= count || pthread_attr_init(&attributes) != 0) {
        return;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread starts with the mask of the one that creates it */
    while (the_pool.helpers < count) {
        pthread_t thread;

        if (pthread_create(&thread, &attributes, pool_helper, NULL) != 0) {
            break;
        }
        the_pool.helpers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/* ---- fork ---- */

static void
before_fork(void)
{
    pthread_mutex_lock(&the_pool.lock);
}

static void
after_fork_in_parent(void)
{
    pthread_mutex_unlock(&the_pool.lock);
}

/* Nobody else is left: forget the helpers, and the jobs of threads that no longer exist. */
static void
after_fork_in_child(void)
{
    the_pool.jobs = NULL;
    the_pool.helpers = 0;
    the_pool.idle = 0;
    the_pool.generation++;
    pthread_cond_init(&the_pool.work, NULL);
    pthread_mutex_unlock(&the_pool.lock);
}

static void
register_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- jobs ---- */

/* Waits until the last helper has left, or for a moment. */
static void
job_wait_lock_held(job *self)
{
#if defined(__APPLE__)
    struct timespec moment = {0, WAIT_NANOSECONDS};

    pthread_cond_timedwait_relative_np(&self->left, &the_pool.lock, &moment);
#else
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_NANOSECONDS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&self->left, &the_pool.lock, &until);
#endif
}

/* The condition `left`, on a clock that nobody sets. */
static int
job_init_condition(job *self)
{
#if defined(__APPLE__)
    return pthread_cond_init(&self->left, NULL);
#else
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);

    if (error == 0) {
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        error = error != 0 ? error : pthread_cond_init(&self->left, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return error;
#endif
}

/* A job with its workers and a copy of the context, in one block; NULL: no memory. */
static job *
job_new(pool_task task, const void *context, size_t context_size, size_t chunks, size_t threads,
        pool_interrupted interrupted, void *interrupted_context)
{
    size_t context_offset = sizeof(job) + threads * sizeof(worker);
    void *block;

    if (context_size > SIZE_MAX - context_offset || posix_memalign(&block, LINE, context_offset + context_size) != 0) {
        return NULL;
    }
    job *self = memset(block, 0, context_offset);
    atomic_init(&self->next_chunk, 0);
    atomic_init(&self->stopped, false);
    self->task = task;
    self->context = (char *)block + context_offset;
    if (context_size > 0) { /* memcpy must not be given NULL, not even for nothing */
        memcpy(self->context, context, context_size);
    }
    self->chunks = chunks;
    self->interrupted = interrupted;
    self->interrupted_context = interrupted_context;
    self->wanted = threads - 1;
    if (job_init_condition(self) != 0) {
        free(block);
        return NULL;
    }
    return self;
}

static void
job_free(job *self)
{
    pthread_cond_destroy(&self->left);
    free(self);
}

/* Appends the job to the list, and makes sure that there are helpers for it. */
static void
pool_add(job *self)
{
    pthread_mutex_lock(&the_pool.lock);
    job **end = &the_pool.jobs;

    atomic_store_explicit(&self->workers[0].cpu, cpus_current() + 1, memory_order_relaxed);
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = self;
    self->generation = the_pool.generation;
    pool_start_helpers_lock_held(pool_demand_lock_held());
    for (size_t i = 0; i < self->wanted && i < the_pool.idle; i++) {
        pthread_cond_signal(&the_pool.work);
    }
    pthread_mutex_unlock(&the_pool.lock);
}

/* Takes the job off the list and waits until its helpers have left it. */
static void
pool_remove(job *self)
{
    pthread_mutex_lock(&the_pool.lock);
    job **link = &the_pool.jobs;

    while (*link != NULL && *link != self) { /* not there: the list was emptied by a fork */
        link = &(*link)->next;
    }
    if (*link == self) {
        *link = self->next;
    }
    while (self->active > 0 && self->generation == the_pool.generation) {
        job_wait_lock_held(self);
        if (self->active > 0) {
            pthread_mutex_unlock(&the_pool.lock);
            (void)worker_expired(&self->workers[0].check);
            pthread_mutex_lock(&the_pool.lock);
        }
    }
    pthread_mutex_unlock(&the_pool.lock);
}

/* Calls task(copy of context, chunk, ...) for every chunk in 0 .. chunks - 1, on at most `threads` threads (1 to
   POOL_MAX_THREADS), the calling one among them; returns when all is done or stopped, and no thread is at it any
   more. `context` is copied, `context_size` bytes of it; what it points to must stay until pool_run returns, and in
   a thread that is ended inside interrupted(), for ever. */
pool_status
pool_run(pool_task task, const void *context, size_t context_size, size_t chunks, size_t threads,
         pool_interrupted interrupted, void *interrupted_context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    threads = threads > chunks ? chunks : threads;
    threads = threads > POOL_MAX_THREADS ? POOL_MAX_THREADS : threads < 1 ? 1 : threads;
    job *self = job_new(task, context, context_size, chunks, threads, interrupted, interrupted_context);
    if (self == NULL) {
        return POOL_NO_MEMORY;
    }
    if (threads > 1) {
        pthread_once(&once, register_fork_handlers);
        pool_add(self);
    }
    job_work(self, 0);
    if (threads > 1) {
        pool_remove(self);
    }
    pool_status status = self->forked ? POOL_FORKED : atomic_load(&self->stopped) ? POOL_STOPPED : POOL_DONE;
    job_free(self);
    return status;
}
