/* kernel_driver.c: draws pictures of awkward sizes and depths with every kernel that this CPU runs, and compares them
   with the scalar one. Prints what is wrong and ends with 1, or prints the names of the kernels. Fit for sanitizers:
   each picture is a block of exactly its size. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/mandelbrot.h"

typedef struct {
    int height, width;
    double xmin, xmax, ymin, ymax;
    int32_t max_iter;
} picture;

#define DEFAULT -2.0, 0.47, -1.12, 1.12
#define INSIDE -0.1, 0.1, -0.1, 0.1
#define OUTSIDE 1.0, 3.0, 0.5, 3.0
#define BORDER -0.7, -0.8, 0.05, 0.15

/* Rounding decides only after many steps: before that, kernels must agree. The error doubles at least at each step. */
enum { EXACT_BELOW = 20 };

static int failures = 0;
static mandelbrot_kernel kernels[MANDELBROT_KERNELS_MOST];
static size_t kernel_count;

static void
compare(const picture *job, const mandelbrot_kernel *kernel, size_t threads, const int32_t *expected)
{
    long pixels = (long)job->height * job->width, differ = 0;
    int32_t *counts = malloc((size_t)pixels * sizeof *counts);
    mandelbrot_picture drawn = {counts,    job->height, job->width, job->xmin,
                                job->xmax, job->ymin,   job->ymax,  job->max_iter};

    for (long k = 0; k < pixels; k++) {
        counts[k] = -1;
    }
    if (mandelbrot_draw(&drawn, kernel, threads, NULL, NULL) != POOL_DONE) {
        failures++;
    }
    for (long k = 0; k < pixels; k++) {
        if (counts[k] != expected[k]) {
            differ++;
            if (counts[k] < EXACT_BELOW || expected[k] < EXACT_BELOW || counts[k] > job->max_iter) {
                differ += pixels;
            }
        }
    }
    if (differ > (pixels < 2000 ? 1 : pixels / 2000)) {
        failures++;
        printf("%s, %zu threads, %d x %d, max_iter %d: %ld of %ld pixels differ\n", kernel->name, threads, job->height,
               job->width, job->max_iter, differ % pixels, pixels);
    }
    free(counts);
}

static void
run(picture job)
{
    int32_t *expected = malloc((size_t)job.height * (size_t)job.width * sizeof *expected);

    mandelbrot_fill(expected, job.height, job.width, job.xmin, job.xmax, job.ymin, job.ymax, job.max_iter);
    for (size_t k = 0; k < kernel_count; k++) {
        for (size_t threads = 1; threads <= 3; threads += 2) {
            compare(&job, &kernels[k], threads, expected);
        }
    }
    free(expected);
}

static int asked;

static bool
stop_once(checkpoint *check)
{
    (void)check;
    return ++asked == 1;
}

static int rows;

/* The same row again and again. */
static bool
next_row(mandelbrot_tiles *tiles, mandelbrot_tile *tile)
{
    (void)tiles;
    *tile = (mandelbrot_tile){0, 1, 0, 300};
    return ++rows < 10000;
}

/* A checkpoint that says stop need not say it again. */
static void
stopping(const mandelbrot_kernel *kernel)
{
    int32_t counts[300];
    mandelbrot_picture job = {counts, 1, 300, OUTSIDE, 50};
    mandelbrot_tiles tiles = {next_row};
    checkpoint check = {CHECKPOINT_BUDGET, stop_once};

    asked = rows = 0;
    kernel->compute(&job, &tiles, &check);
    if (asked != 1) {
        failures++;
        printf("%s: asked %d times after it was told to stop\n", kernel->name, asked - 1);
    }
}

int
main(void)
{
    /* around the steps at which a vector kernel changes what it does: 13, 37, and 37 + multiples of a block */
    static const int32_t depths[] = {0, 1, 2, 3, 12, 13, 14, 36, 37, 38, 73, 74, 108, 109, 110, 111, 181, 182, 333};
    static const int widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 255, 257, 511, 513, 1100};

    kernel_count = mandelbrot_kernels_here(kernels);
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        run((picture){37, 53, DEFAULT, depths[d]});
        run((picture){24, 24, INSIDE, depths[d]});
        run((picture){40, 30, BORDER, depths[d]});
    }
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        run((picture){1, widths[w], DEFAULT, 100});
        run((picture){widths[w], 1, DEFAULT, 100});
        run((picture){3, widths[w], INSIDE, 60});
        run((picture){5, widths[w], OUTSIDE, 60});
    }
    for (int width = 1; width <= 17; width++) { /* narrow, in whole strips and tiles and in others */
        run((picture){640 / width, width, DEFAULT, 100});
        run((picture){3000 / width, width, BORDER, 60});
    }
    run((picture){200, 300, DEFAULT, 1000});
    run((picture){4, 1, -0.75, -0.74, 0.01, 0.02,
                  1000}); /* escape after 180 to 315 steps; the last registers are empty */
    run((picture){60, 40, OUTSIDE, INT32_MAX});
    run((picture){9, 9, 1e308, -1e307, -1e308, 1e-308, 50});
    run((picture){9, 9, 0.0, 0.0, 5e-324, 0.0, 50});

    for (size_t k = 0; k < kernel_count; k++) {
        stopping(&kernels[k]);
    }
    for (size_t k = 0; failures == 0 && k < kernel_count; k++) {
        printf("%s\n", kernels[k].name);
    }
    return failures != 0;
}
