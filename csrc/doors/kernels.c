/* kernels.c: see kernels.h. Checks what comes from another language, and calls the kernels of ../kernels.

   Threads, ownership: see kernels.h. */

/* A library that is compiled with -fvisibility=hidden shows these functions and nothing else. */
#pragma GCC visibility push(default)
#include "kernels.h"
#pragma GCC visibility pop

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "../kernels/fib.h"
#include "../kernels/mandelbrot.h"
#include "../kernels/pool.h"

enum { DONE = 0, OUT_OF_RANGE = -1, NO_MEMORY = -2 };

int64_t
door_nop(int64_t x)
{
    return x;
}

int64_t
door_fib(int64_t n)
{
    return n < 0 || n > FIB_MAX ? OUT_OF_RANGE : fib((int)n);
}

double
door_total(const double *values, int64_t count)
{
    double total = 0.0;

    for (int64_t i = 0; i < count; i++) {
        total += values[i];
    }
    return total;
}

/* Can these counts be in memory, and is this a window? Divides, since a product might overflow. A difference is finite
   only where both its ends are. */
static bool
in_range(int64_t height, int64_t width, double xmin, double xmax, double ymin, double ymax, int64_t max_iter)
{
    const int64_t most = PTRDIFF_MAX / (ptrdiff_t)sizeof(int32_t);

    return height >= 0 && height <= most && width >= 0 && width <= most && (height == 0 || width <= most / height) &&
           isfinite(xmax - xmin) && isfinite(ymax - ymin) && max_iter >= 0 && max_iter <= INT32_MAX;
}

int32_t
door_mandelbrot(int32_t *counts, int64_t height, int64_t width, double xmin, double xmax, double ymin, double ymax,
                int64_t max_iter)
{
    if (!in_range(height, width, xmin, xmax, ymin, ymax, max_iter)) {
        return OUT_OF_RANGE;
    }
    mandelbrot_fill(counts, (ptrdiff_t)height, (ptrdiff_t)width, xmin, xmax, ymin, ymax, (int32_t)max_iter);
    return DONE;
}

/* One row as the only tile. */
typedef struct {
    mandelbrot_tiles tiles; /* first: row_next gets its address */
    ptrdiff_t row, width;
    bool taken;
} one_row;

static bool
row_next(mandelbrot_tiles *tiles, mandelbrot_tile *tile)
{
    one_row *self = (one_row *)tiles;
    bool left = !self->taken;

    *tile = (mandelbrot_tile){self->row, self->row + 1, 0, self->width};
    self->taken = true;
    return left;
}

/* The pool's task: a chunk is a row. */
static void
draw_row(void *context, size_t chunk, size_t member, checkpoint *check)
{
    const mandelbrot_picture *picture = context;
    one_row row = {{row_next}, (ptrdiff_t)chunk, picture->width, false};

    (void)member;
    mandelbrot_scalar(picture, &row.tiles, check);
}

int32_t
door_mandelbrot_threaded(int32_t *counts, int64_t height, int64_t width, double xmin, double xmax, double ymin,
                         double ymax, int64_t max_iter, int64_t threads)
{
    if (!in_range(height, width, xmin, xmax, ymin, ymax, max_iter) || threads < 1 || threads > POOL_MAX_THREADS) {
        return OUT_OF_RANGE;
    }
    if (height == 0 || width == 0) {
        return DONE;
    }
    mandelbrot_picture picture = {counts, (ptrdiff_t)height, (ptrdiff_t)width, xmin, xmax, ymin,
                                  ymax,   (int32_t)max_iter};
    /* Nobody interrupts it, so it is done, or was not begun. */
    pool_status status = pool_run(draw_row, &picture, sizeof(picture), (size_t)height, (size_t)threads, NULL, NULL);
    return status == POOL_DONE ? DONE : NO_MEMORY;
}
