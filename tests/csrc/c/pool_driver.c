/* pool_driver.c: the pool without Python, for ThreadSanitizer and AddressSanitizer. Prints "ok", or what is wrong. */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels/mandelbrot.h"
#include "kernels/pool.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("line %d: not true: %s\n", __LINE__, #condition);                                                   \
            fflush(stdout);                                                                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

enum { CHUNKS = 500, MAX_MEMBERS = 16 };

/* Plain integers on purpose: if two threads were given one chunk or one member's number, TSan would see a race, and
   the sums would be wrong. */
typedef struct {
    int done[CHUNKS];
    long by_member[MAX_MEMBERS];
} ledger;

typedef struct {
    ledger *ledger;
    size_t threads;
    int cost;
} booking;

static void
book(void *context, size_t chunk, size_t member, checkpoint *check)
{
    const booking *self = context;

    CHECK(chunk < CHUNKS && member < self->threads);
    for (volatile int k = 0; k < self->cost * (int)(chunk % 7); k++) {
    }
    self->ledger->done[chunk]++;
    self->ledger->by_member[member]++;
    (void)checkpoint_spend(check, 1000);
}

typedef pool_status (*way_to_run)(pool_task, const void *, size_t, size_t, size_t, pool_interrupted, void *);

/* Every chunk exactly once, every booking by the member who made it. */
static void
one_job_run_by(way_to_run run, size_t threads, int cost)
{
    ledger *books = calloc(1, sizeof *books);
    booking self = {books, threads, cost};
    long sum = 0;

    CHECK(run(book, &self, sizeof self, CHUNKS, threads, NULL, NULL) == POOL_DONE);
    for (int k = 0; k < CHUNKS; k++) {
        CHECK(books->done[k] == 1);
    }
    for (int k = 0; k < MAX_MEMBERS; k++) {
        sum += books->by_member[k];
    }
    CHECK(sum == CHUNKS);
    free(books);
}

static void
one_job(size_t threads, int cost)
{
    one_job_run_by(pool_run, threads, cost);
}

static void *
many_jobs(void *argument)
{
    for (size_t k = 0; k < 60; k++) {
        one_job_run_by(k % 2 == 0 ? pool_run : pool_run_alone_first, 1 + (k + *(size_t *)argument) % MAX_MEMBERS,
                       k % 3 == 0 ? 200 : 0);
    }
    return NULL;
}

/* Two chunks that each wait for the other: two threads must be at it at the same time. */
static void
meet(void *context, size_t chunk, size_t member, checkpoint *check)
{
    atomic_int *arrived = *(atomic_int **)context;

    (void)chunk, (void)member, (void)check;
    atomic_fetch_add(arrived, 1);
    for (int k = 0; k < 5000 && atomic_load(arrived) < 2; k++) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    CHECK(atomic_load(arrived) == 2);
}

static void
meeting(void)
{
    atomic_int arrived = 0;
    atomic_int *context = &arrived;

    CHECK(pool_run(meet, &context, sizeof context, 2, 2, NULL, NULL) == POOL_DONE);
}

typedef struct {
    atomic_bool begun, go_on;
} helped;

/* The calling thread's chunk goes on until a helper has come, and the helper's a while longer. */
static void
wait_for_help(void *context, size_t chunk, size_t member, checkpoint *check)
{
    helped *self = *(helped **)context;

    (void)chunk;
    if (member != 0) {
        atomic_store(&self->begun, true);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        self->go_on = true;
    }
    for (int k = 0; k < 5000 && !atomic_load(&self->begun); k++) {
        (void)checkpoint_spend(check, CHECKPOINT_BUDGET + 1);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    CHECK(atomic_load(&self->begun));
}

/* Helpers are invited to a job that turns out to be long, and it lasts until they have left it. */
static void
late_helpers(void)
{
    helped self = {false, false};
    helped *context = &self;

    CHECK(pool_run_alone_first(wait_for_help, &context, sizeof context, 100, 2, NULL, NULL) == POOL_DONE);
    CHECK(atomic_load(&self.go_on));
}

/* Several threads submit at the same time. */
static void
many_submitters(void)
{
    pthread_t threads[6];
    size_t numbers[6];

    for (size_t k = 0; k < 6; k++) {
        numbers[k] = k;
        CHECK(pthread_create(&threads[k], NULL, many_jobs, &numbers[k]) == 0);
    }
    for (size_t k = 0; k < 6; k++) {
        pthread_join(threads[k], NULL);
    }
}

/* A task that never ends by itself. */
static void
endless(void *context, size_t chunk, size_t member, checkpoint *check)
{
    (void)context, (void)chunk, (void)member;
    while (!checkpoint_spend(check, 1000)) {
    }
}

/* Work for the helpers only, as far as that can be arranged: the caller's chunks are short. */
static void
endless_for_helpers(void *context, size_t chunk, size_t member, checkpoint *check)
{
    if (member != 0) {
        endless(context, chunk, member, check);
    } else {
        nanosleep(&(struct timespec){0, 20000000}, NULL); /* until the helpers have come */
    }
}

static bool
after_some_calls(void *context)
{
    int *calls = context;

    return --*calls == 0;
}

static void
stopping(void)
{
    for (size_t threads = 1; threads <= 4; threads++) {
        int calls = 5;

        CHECK(pool_run(endless, NULL, 0, 100, threads, after_some_calls, &calls) == POOL_STOPPED);
        CHECK(calls == 0); /* not asked again once it has said stop */
        one_job(threads, 0);
    }
    int calls = 3;
    CHECK(pool_run(endless_for_helpers, NULL, 0, 3, 3, after_some_calls, &calls) == POOL_STOPPED);
    one_job(3, 0);
}

/* interrupted() uses the pool itself, as a signal handler may. */
static bool
nesting(void *context)
{
    int *calls = context;

    one_job(3, 10);
    return --*calls == 0;
}

static void
nested(void)
{
    for (size_t threads = 1; threads <= 3; threads++) {
        int calls = 3;

        CHECK(pool_run(endless, NULL, 0, 10, threads, nesting, &calls) == POOL_STOPPED);
    }
}

static void
edges(void)
{
    ledger *books = calloc(1, sizeof *books);
    booking self = {books, MAX_MEMBERS, 0};

    CHECK(pool_run(book, &self, sizeof self, 0, 4, NULL, NULL) == POOL_DONE);
    CHECK(books->done[0] == 0);
    CHECK(pool_run(book, &self, sizeof self, 1, MAX_MEMBERS, NULL, NULL) == POOL_DONE);
    CHECK(books->done[0] == 1 && books->by_member[0] == 1);
    CHECK(pool_run(book, &self, SIZE_MAX - 10, 1, 1, NULL, NULL) == POOL_NO_MEMORY);
    free(books);
}

/* The same picture whatever the number of threads, for shapes that do not fill their tiles. */
static void
pictures(void)
{
    mandelbrot_kernel kernels[MANDELBROT_KERNELS_MOST];
    size_t kernel_count = mandelbrot_kernels_here(kernels);
    static const ptrdiff_t shapes[][2] = {{1, 1}, {3, 1300}, {1300, 3}, {50, 50}, {1, 4000}, {0, 9}, {9, 0}, {90, 600}};

    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t pixels = (size_t)(shapes[s][0] * shapes[s][1]);
        int32_t *one = malloc(pixels * 4 + 1), *many = malloc(pixels * 4 + 1);

        mandelbrot_fill(one, shapes[s][0], shapes[s][1], -2, 0.47, -1.12, 1.12, 60);
        for (const mandelbrot_kernel *kernel = kernels; kernel < kernels + kernel_count; kernel++) {
            for (size_t threads = 0; threads <= 5; threads++) { /* 0 does as 1 */
                mandelbrot_picture picture = {many, shapes[s][0], shapes[s][1], -2, 0.47, -1.12, 1.12, 60};
                size_t different = 0;

                memset(many, 255, pixels * 4);
                CHECK(mandelbrot_draw(&picture, kernel, threads, NULL, NULL) == POOL_DONE);
                for (size_t k = 0; k < pixels; k++) {
                    different += one[k] != many[k];
                }
                CHECK(different <= (strcmp(kernel->name, "scalar") == 0 ? 0 : 1 + pixels / 2000));
            }
        }
        free(one);
        free(many);
    }
}

/* A child has no helpers, and makes its own; run with the argument "fork" (ThreadSanitizer doesn't like it). */
static void
forking(unsigned seconds)
{
    for (int k = 0; k < 20; k++) {
        pid_t child = fork();

        if (child == 0) {
            alarm(seconds);
            one_job(4, 10);
            meeting();
            _Exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        one_job(4, 10);
    }
}

int
main(int count, char **arguments)
{
    unsigned seconds = count > 2 ? (unsigned)atoi(arguments[2]) : 240;

    alarm(seconds); /* ends a deadlock */
    edges();
    meeting();
    for (size_t threads = 1; threads <= MAX_MEMBERS; threads++) {
        one_job(threads, 50);
    }
    for (size_t threads = 1; threads <= 4; threads++) {
        one_job_run_by(pool_run_alone_first, threads, 5000);
    }
    late_helpers();
    pictures();
    stopping();
    nested();
    many_submitters();
    if (count > 1 && strcmp(arguments[1], "fork") == 0) {
        forking(seconds);
    }
    puts("ok");
    return 0;
}
