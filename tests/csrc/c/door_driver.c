/* door_driver.c: calls all that ../../../csrc/doors/kernels.h declares, with values at both ends of their ranges and beyond,
   from one thread and from several at once. Prints what is wrong and ends with 1, or prints "ok". Fit for sanitizers: each
   picture is a block of exactly its size. */

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doors/kernels.h"

#define WINDOW -2.0, 0.47, -1.12, 1.12

enum { DONE = 0, OUT_OF_RANGE = -1, CALLERS = 4, ROUNDS = 20 };

static int failures = 0;

static void
expect(const char *what, int64_t found, int64_t expected)
{
    if (found != expected) {
        failures++;
        printf("%s: %lld, not %lld\n", what, (long long)found, (long long)expected);
    }
}

/* Draws one picture twice: on this thread, and by so many. Returns whether they are the same. */
static bool
same(int64_t height, int64_t width, int64_t max_iter, int64_t threads)
{
    size_t size = (size_t)(height * width) * sizeof(int32_t);
    int32_t *alone = malloc(size), *together = malloc(size);

    bool equal = door_mandelbrot(alone, height, width, WINDOW, max_iter) == DONE &&
                 door_mandelbrot_threaded(together, height, width, WINDOW, max_iter, threads) == DONE &&
                 memcmp(alone, together, size) == 0;
    free(alone);
    free(together);
    return equal;
}

static void
pictures(void)
{
    const int64_t sizes[] = {1, 2, 7, 24};
    const int64_t counts[] = {1, 2, 3, 64};

    for (int s = 0; s < 16; s++) {
        for (int t = 0; t < 4; t++) {
            if (!same(sizes[s / 4], sizes[s % 4], 50, counts[t])) {
                failures++;
                printf("%lld x %lld by %lld threads is another picture\n", (long long)sizes[s / 4],
                       (long long)sizes[s % 4], (long long)counts[t]);
            }
        }
    }
}

static void
refuses(const char *what, int64_t height, int64_t width, double xmin, double xmax, int64_t max_iter, int64_t threads)
{
    int32_t untouched[4] = {-7, -7, -7, -7};

    if (threads == 1) { /* else the threads are what is wrong */
        expect(what, door_mandelbrot(untouched, height, width, xmin, xmax, -1.0, 1.0, max_iter), OUT_OF_RANGE);
    }
    expect(what, door_mandelbrot_threaded(untouched, height, width, xmin, xmax, -1.0, 1.0, max_iter, threads),
           OUT_OF_RANGE);
    for (int i = 0; i < 4; i++) {
        expect(what, untouched[i], -7);
    }
}

static void
hostile(void)
{
    const int64_t many = (int64_t)1 << 33;

    refuses("height < 0", -1, 2, -2.0, 1.0, 9, 1);
    refuses("least height", INT64_MIN, INT64_MIN, -2.0, 1.0, 9, 1);
    refuses("width < 0", 2, -1, -2.0, 1.0, 9, 1);
    refuses("overflows to little", many, many, -2.0, 1.0, 9, 1);
    refuses("a width of no rows", 0, INT64_MAX, -2.0, 1.0, 9, 1);
    refuses("nan", 2, 2, NAN, 1.0, 9, 1);
    refuses("infinite", 2, 2, -2.0, INFINITY, 9, 1);
    refuses("infinitely wide", 2, 2, -1e308, 1e308, 9, 1);
    refuses("max_iter < 0", 2, 2, -2.0, 1.0, -1, 1);
    refuses("max_iter beyond int32", 2, 2, -2.0, 1.0, (int64_t)1 << 31, 1);
    refuses("no thread", 2, 2, -2.0, 1.0, 9, 0);
    refuses("too many threads", 2, 2, -2.0, 1.0, 9, 1025);
    refuses("threads that fit after a cast", 2, 2, -2.0, 1.0, 9, ((int64_t)1 << 32) + 1);
    for (int none = 0; none < 2; none++) {
        expect("no counts", door_mandelbrot(NULL, none * 5, (1 - none) * 5, WINDOW, 9), DONE);
        expect("no counts", door_mandelbrot_threaded(NULL, none * 5, (1 - none) * 5, WINDOW, 9, 3), DONE);
    }
}

static void
numbers(void)
{
    double *values = malloc(3 * sizeof *values);

    values[0] = 1e16;
    values[1] = 1.0;
    values[2] = -1e16;
    expect("total", (int64_t)door_total(values, 3), 0);
    expect("total of none", (int64_t)door_total(NULL, 0), 0);
    expect("total of less than none", (int64_t)door_total(NULL, INT64_MIN), 0);
    free(values);

    expect("fib(20)", door_fib(20), 6765);
    expect("fib(-1)", door_fib(-1), OUT_OF_RANGE);
    expect("fib(93)", door_fib(93), OUT_OF_RANGE);
    expect("fib that fits after a cast", door_fib(((int64_t)1 << 32) + 5), OUT_OF_RANGE);
    expect("nop", door_nop(INT64_MIN), INT64_MIN);
}

/* One of several callers at the same time, each with counts of its own. */
static void *
caller(void *result)
{
    bool *right = result;

    *right = true;
    for (int round = 0; round < ROUNDS; round++) {
        *right = same(16, 16, 50, 3) && door_fib(10) == 55 && *right;
    }
    return NULL;
}

static void
several_callers(void)
{
    pthread_t threads[CALLERS];
    bool right[CALLERS];

    for (int i = 0; i < CALLERS; i++) {
        if (pthread_create(&threads[i], NULL, caller, &right[i]) != 0) {
            puts("no thread");
            exit(1);
        }
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        expect("one of several callers is right", right[i], true);
    }
}

int
main(void)
{
    numbers();
    hostile();
    pictures();
    several_callers();
    if (failures == 0) {
        puts("ok");
    }
    return failures != 0;
}
