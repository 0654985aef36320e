/* pool.c: a pool of threads for the whole process.

   In Python:

       def pool_run(task, context, chunks, threads, interrupted):
           job = Job(iter(range(chunks)))
           jobs.append(job)                  # at most threads - 1 idle helpers come and join
           for chunk in job.chunks:          # shared with them: whoever is free takes the next chunk
               task(context, chunk)          # its checkpoints ask interrupted()
           jobs.remove(job)                  # nobody joins from now on
           while job.helpers:                # they finish the chunk they are at
               job.helpers_gone.wait(0.01)
               interrupted()

   The words, here and in pool.h:

       job       one call of pool_run
       chunk     a piece of it
       helper    a thread of the pool
       member    a thread's place in a job; number 0 is the calling thread's, the others are helpers'

   Why it is as it is:

   * The calling thread works too. So a job makes progress whatever the helpers do. Any number of calls, from any
     threads and interpreters, even from inside interrupted(), can be under way without a deadlock. Helpers join the
     oldest job that still wants some.
   * Chunks are handed out one by one, so uneven chunks even out.
   * Helpers start when they are first wanted, and sleep between jobs until the process ends. They block signals, which
     are for the interpreter's own threads. They let through only those that they cause themselves, such as SIGSEGV, so
     that faulthandler can report them.
   * A helper runs on the CPUs that the calling thread may use. The job holds this set, and a helper takes it over when
     it joins. Otherwise it would keep the set of the thread that started it: a first call from a pinned thread would
     pin the helpers for good.
   * A helper that joins a job goes to a CPU where no other member of it is. Linux often wakes a thread on the CPU of
     the thread that woke it, and moves it away only milliseconds later. A short job would be over by then, and its
     threads would have taken turns on one CPU: seen beside other programs, and at times on an idle virtual machine.
   * After fork() a child has only the thread that forked. Handlers registered with pthread_atfork make the pool
     whole in the parent and empty in the child, whose next call starts helpers of its own.
   * A job lives on the heap, with a copy of its context, and not on the caller's stack. When the interpreter finalises,
     CPython up to 3.13 ends a daemon thread with pthread_exit, and its stack is gone. The helpers of its job still
     work, and must not notice.

   Threads: pool_run may be called from any thread at any time. Tasks of one job run concurrently.
   Ownership: the job belongs to the thread that called pool_run; helpers may touch it only between joining and
   leaving, both with the pool's lock held. `the_pool` and the last quota in cpus.c are the only mutable globals of the
   package; they hold no Python object, so interpreters may share them. */

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

/* A thread's stack. Kernels need some 20 kilobytes; sanitizers and debuggers like some more. */
#define STACK_BYTES (512 * 1024)

/* How often a caller that waits for its helpers asks interrupted(). */
#define WAIT_NANOSECONDS 10000000L

/* Where nobody knows how long a job takes, helpers are invited late: when the calling thread has worked for
   ALONE_NANOSECONDS, and LEFT_NANOSECONDS more seem to be left. To wake a helper, and to wait for it at the end, costs
   the calling thread some 8 microseconds (Zen 4, a virtual machine). A long job loses little when helpers come late,
   and a short one nothing when they don't come. */
#define ALONE_NANOSECONDS 20000
#define LEFT_NANOSECONDS 25000

typedef struct pool_job pool_job;

/* One thread's place in one job. */
typedef struct {
    _Alignas(CACHE_LINE_BYTES) checkpoint check; /* first, so that a checkpoint's address is its member's */
    pool_job *job;
    size_t number;  /* 0: the thread that called pool_run */
    atomic_int cpu; /* where it was when it joined: the CPU's number plus 1; 0: not known */
} pool_member;

struct pool_job {
    /* written by every member, once a chunk */
    _Alignas(CACHE_LINE_BYTES) atomic_size_t next_chunk;

    /* written once, read at every checkpoint */
    _Alignas(CACHE_LINE_BYTES) atomic_bool stopped;
    pool_task task;
    void *context; /* behind the members, in the same block */
    size_t chunks;
    pool_interrupted interrupted;
    void *interrupted_context;
    size_t wanted; /* helpers, at most */
    bool forked;

    /* written by the calling thread, before helpers can come */
    bool invited;             /* helpers may have come */
    long long began;          /* when it began to work, where helpers are invited late; else 0 */
    unsigned long generation; /* of the pool, when it invited them */
    cpus_set allowed;         /* the CPUs that it may run on, and so may helpers for this job */

    /* guarded by the pool's lock */
    pool_job *next;
    size_t joined;               /* helpers that came, ever */
    size_t active;               /* helpers that have not left yet */
    pthread_cond_t helpers_gone; /* the last of them has left */

    pool_member members[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;      /* a job that wants helpers was added */
    pool_job *jobs;           /* oldest first */
    size_t helpers;           /* threads started */
    size_t idle;              /* of which are waiting for work */
    unsigned long generation; /* number of forks between the first process and this one */
} the_pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void job_invite(pool_job *job);

/* ---- working ---- */

/* Nanoseconds on a clock that nobody sets. */
static long long
nanoseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* How many chunks are not taken yet. */
static size_t
job_chunks_left(const pool_job *job)
{
    size_t next = atomic_load_explicit(&job->next_chunk, memory_order_relaxed);

    return next < job->chunks ? job->chunks - next : 0;
}

/* Is it time for helpers? The guess is that a chunk that is left takes as long as one that has been taken. */
static bool
job_is_worth_helpers(const pool_job *job)
{
    double left = (double)job_chunks_left(job);
    double taken = (double)job->chunks - left;
    double elapsed = (double)(nanoseconds_now() - job->began);

    return elapsed >= ALONE_NANOSECONDS && elapsed * left >= LEFT_NANOSECONDS * taken;
}

/* Asks whoever called pool_run whether the job shall stop; on the calling thread. */
static bool
job_is_interrupted(pool_job *job)
{
    bool stop = job->interrupted(job->interrupted_context);

    /* Python may have run, and forked. The child has lost the helpers and what they had taken. */
    if (job->generation != the_pool.generation && job->joined > 0) {
        job->forked = true;
        stop = true;
    }
    return stop;
}

/* Called when a member's budget is spent; true: stop. The calling thread asks two questions more: do helpers pay by
   now, and has the job been interrupted? */
static bool
member_expired(checkpoint *check)
{
    pool_member *member = (pool_member *)check;
    pool_job *job = member->job;

    if (member->number == 0 && !atomic_load_explicit(&job->stopped, memory_order_relaxed)) {
        if (!job->invited && job->wanted > 0 && job_is_worth_helpers(job)) {
            job_invite(job);
        }
        if (job->interrupted != NULL && job_is_interrupted(job)) {
            atomic_store_explicit(&job->stopped, true, memory_order_relaxed);
        }
    }
    return atomic_load_explicit(&job->stopped, memory_order_relaxed);
}

/* Takes the next chunk for a member. `check` is the checkpoint that its task was given, and tells which member it is. A
   task that takes a chunk must compute it before it returns. False: there is none left, or the job is stopped. */
bool
pool_take(checkpoint *check, size_t *chunk)
{
    pool_job *job = ((pool_member *)check)->job;

    if (atomic_load_explicit(&job->stopped, memory_order_relaxed)) {
        return false;
    }
    *chunk = atomic_fetch_add_explicit(&job->next_chunk, 1, memory_order_relaxed);
    return *chunk < job->chunks;
}

/* From now on nobody takes another chunk of this member's job. Chunks are taken in order: all those up to the last one
   taken are still computed. */
void
pool_finish(checkpoint *check)
{
    pool_job *job = ((pool_member *)check)->job;

    atomic_store_explicit(&job->next_chunk, job->chunks, memory_order_relaxed);
}

/* Takes chunks until there are none left, or the job is stopped. */
static void
job_work(pool_job *job, size_t number)
{
    pool_member *member = &job->members[number];
    size_t chunk;

    member->check = (checkpoint){CHECKPOINT_BUDGET, member_expired};
    member->job = job;
    member->number = number;
    while (pool_take(&member->check, &chunk)) {
        job->task(job->context, chunk, number, &member->check);
    }
}

/* ---- helpers ---- */

/* Moves the calling helper to the CPUs that its job may use, away from those where other members are. */
static void
job_settle(pool_job *job, size_t number)
{
    int taken[POOL_MAX_THREADS];

    for (size_t i = 0; i < number; i++) {
        taken[i] = atomic_load_explicit(&job->members[i].cpu, memory_order_relaxed) - 1;
    }
    cpus_settle(&job->allowed, taken, number);
    atomic_store_explicit(&job->members[number].cpu, cpus_current() + 1, memory_order_relaxed);
}

/* The oldest job that wants one more helper, or NULL. */
static pool_job *
pool_find_job_lock_held(void)
{
    pool_job *job = the_pool.jobs;

    while (job != NULL && (job->joined == job->wanted || job_chunks_left(job) == 0)) {
        job = job->next;
    }
    return job;
}

/* A helper's life. */
static void *
pool_helper(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&the_pool.lock);
    for (;;) {
        pool_job *job = pool_find_job_lock_held();

        if (job == NULL) {
            the_pool.idle++;
            pthread_cond_wait(&the_pool.work, &the_pool.lock);
            the_pool.idle--;
            continue;
        }
        size_t number = ++job->joined;
        job->active++;
        pthread_mutex_unlock(&the_pool.lock);

        job_settle(job, number);
        job_work(job, number);

        pthread_mutex_lock(&the_pool.lock);
        if (--job->active == 0) {
            pthread_cond_signal(&job->helpers_gone); /* the caller can't free the job before we let go of the lock */
        }
    }
    return NULL;
}

/* How many helpers there should be: as many as the jobs at hand want together, so that they don't wait for each other,
   but no more than `cpus`, unless a single job asks for more. */
static size_t
pool_demand_lock_held(size_t cpus)
{
    size_t sum = 0, largest = 0;

    for (const pool_job *job = the_pool.jobs; job != NULL; job = job->next) {
        sum += job->wanted;
        largest = job->wanted > largest ? job->wanted : largest;
    }
    sum = sum > cpus ? cpus : sum;
    return sum > largest ? sum : largest;
}

/* Starts helpers until there are `count`. Where the system refuses, there are fewer, and jobs take longer. */
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
job_wait_lock_held(pool_job *job)
{
#if defined(__APPLE__)
    struct timespec moment = {0, WAIT_NANOSECONDS};

    pthread_cond_timedwait_relative_np(&job->helpers_gone, &the_pool.lock, &moment);
#else
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_NANOSECONDS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&job->helpers_gone, &the_pool.lock, &until);
#endif
}

/* Makes the condition helpers_gone, on a clock that nobody sets; 0, or an error number. */
static int
job_init_condition(pool_job *job)
{
#if defined(__APPLE__)
    return pthread_cond_init(&job->helpers_gone, NULL);
#else
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);

    if (error == 0) {
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        error = error != 0 ? error : pthread_cond_init(&job->helpers_gone, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return error;
#endif
}

/* A job with its members and a copy of the context, in one block; NULL: no memory. */
static pool_job *
job_new(pool_task task, const void *context, size_t context_size, size_t chunks, size_t threads,
        pool_interrupted interrupted, void *interrupted_context)
{
    threads = threads > chunks ? chunks : threads;
    threads = threads > POOL_MAX_THREADS ? POOL_MAX_THREADS : threads < 1 ? 1 : threads;
    size_t context_offset = sizeof(pool_job) + threads * sizeof(pool_member);
    void *block;

    if (context_size > SIZE_MAX - context_offset ||
        posix_memalign(&block, CACHE_LINE_BYTES, context_offset + context_size) != 0) {
        return NULL;
    }
    pool_job *job = memset(block, 0, context_offset);
    atomic_init(&job->next_chunk, 0);
    atomic_init(&job->stopped, false);
    job->task = task;
    job->context = (char *)block + context_offset;
    if (context_size > 0) { /* memcpy must not be given NULL, not even for nothing */
        memcpy(job->context, context, context_size);
    }
    job->chunks = chunks;
    job->interrupted = interrupted;
    job->interrupted_context = interrupted_context;
    job->wanted = threads - 1;
    if (job_init_condition(job) != 0) {
        free(block);
        return NULL;
    }
    return job;
}

static void
job_free(pool_job *job)
{
    pthread_cond_destroy(&job->helpers_gone);
    free(job);
}

/* Appends the job to the list, and makes sure that there are helpers for it. What takes long is done before the
   lock is taken. */
static void
job_invite(pool_job *job)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pool_job **end = &the_pool.jobs;

    pthread_once(&once, register_fork_handlers);
    cpus_allowed(&job->allowed);
    size_t cpus = (size_t)(job->allowed.count > 0 ? job->allowed.count : cpus_in_affinity());
    atomic_store_explicit(&job->members[0].cpu, cpus_current() + 1, memory_order_relaxed);
    job->invited = true;

    pthread_mutex_lock(&the_pool.lock);
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = job;
    job->generation = the_pool.generation;
    pool_start_helpers_lock_held(pool_demand_lock_held(cpus));
    for (size_t i = 0; i < job->wanted && i < the_pool.idle; i++) {
        pthread_cond_signal(&the_pool.work);
    }
    pthread_mutex_unlock(&the_pool.lock);
}

/* Takes the job off the list and waits until its helpers have left it. */
static void
pool_remove(pool_job *job)
{
    pthread_mutex_lock(&the_pool.lock);
    pool_job **link = &the_pool.jobs;

    while (*link != NULL && *link != job) { /* not there: the list was emptied by a fork */
        link = &(*link)->next;
    }
    if (*link == job) {
        *link = job->next;
    }
    while (job->active > 0 && job->generation == the_pool.generation) {
        job_wait_lock_held(job);
        if (job->active > 0) {
            pthread_mutex_unlock(&the_pool.lock);
            (void)member_expired(&job->members[0].check);
            pthread_mutex_lock(&the_pool.lock);
        }
    }
    pthread_mutex_unlock(&the_pool.lock);
}

/* Works on the job until it is done or stopped, and frees it. */
static pool_status
job_run(pool_job *job)
{
    job_work(job, 0);
    if (job->invited) {
        pool_remove(job);
    }
    pool_status status = job->forked ? POOL_FORKED : atomic_load(&job->stopped) ? POOL_STOPPED : POOL_DONE;
    job_free(job);
    return status;
}

/* Calls task(copy of context, chunk, ...) for every chunk in 0 .. chunks - 1, on at most `threads` threads (1 to
   POOL_MAX_THREADS), the calling one among them. Returns when all is done or stopped, and no thread works on it any
   more. `context_size` bytes of `context` are copied. What they point to must stay until pool_run returns; if the
   thread is ended inside interrupted(), it must stay for ever. */
pool_status
pool_run(pool_task task, const void *context, size_t context_size, size_t chunks, size_t threads,
         pool_interrupted interrupted, void *interrupted_context)
{
    pool_job *job = job_new(task, context, context_size, chunks, threads, interrupted, interrupted_context);

    if (job == NULL) {
        return POOL_NO_MEMORY;
    }
    if (job->wanted > 0) {
        job_invite(job);
    }
    return job_run(job);
}

/* The same for jobs that may be too short for several threads. The calling thread begins alone. It invites helpers at a
   checkpoint, when it has worked for a moment and much seems to be left. */
pool_status
pool_run_alone_first(pool_task task, const void *context, size_t context_size, size_t chunks, size_t threads,
                     pool_interrupted interrupted, void *interrupted_context)
{
    pool_job *job = job_new(task, context, context_size, chunks, threads, interrupted, interrupted_context);

    if (job == NULL) {
        return POOL_NO_MEMORY;
    }
    job->began = nanoseconds_now();
    return job_run(job);
}
