/* mandelbrot_scalar.c: the reference kernel. One pixel at a time, one rounding per operation.

   In Python:

       def escape_count(cx: float, cy: float, max_iter: int) -> int:
           x = y = 0.0
           n = 0
           while n < max_iter and x * x + y * y <= 4.0:
               x, y = x * x - y * y + cx, 2.0 * x * y + cy
               n += 1
           return n

   Every other kernel and every other language of the course is compared with this one, so it must give the
   same counts whatever compiles it: no fused multiply-add (it skips a rounding), no vector instructions
   (gcc packs x * x and y * y into one register and loses more by the shuffling than it gains).

   Threads: no state; tiles that do not overlap may be computed at the same time.
   Ownership: writes to picture->counts, owns nothing. */

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-tree-vectorize", "no-tree-slp-vectorize")
#endif

#include "mandelbrot.h"

/* The number of steps z -> z * z + c taken while |z| <= 2, at most max_iter; -1: told to stop. */
static int32_t
escape_count(double cx, double cy, int32_t max_iter, checkpoint *check)
{
    double x = 0.0, y = 0.0, xx = 0.0, yy = 0.0;
    int32_t n = 0;
    bool bounded = true;

    /* In slices, since a single pixel may take seconds: max_iter goes up to 2^31 - 1. */
    while (bounded && n < max_iter) {
        int32_t begin = n;
        int32_t end = max_iter - n < CHECKPOINT_BUDGET ? max_iter : n + CHECKPOINT_BUDGET;

        while (n < end && (bounded = xx + yy <= 4.0)) {
            y = 2.0 * x * y + cy;
            x = xx - yy + cx;
            xx = x * x;
            yy = y * y;
            n++;
        }
        if (checkpoint_spend(check, n - begin)) {
            return -1;
        }
    }
    return n;
}

void
mandelbrot_scalar(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    double dx = picture->xmax - picture->xmin;
    double dy = picture->ymax - picture->ymin;
    mandelbrot_tile tile;

    while (tiles->next(tiles, &tile)) {
        for (ptrdiff_t j = tile.row; j < tile.row_end; j++) {
            int32_t *counts = picture->counts + j * picture->width;
            double cy = picture->ymin + dy * (double)j / (double)picture->height;

            for (ptrdiff_t i = tile.column; i < tile.column_end; i++) {
                double cx = picture->xmin + dx * (double)i / (double)picture->width;
                int32_t n = escape_count(cx, cy, picture->max_iter, check);

                if (n < 0 || checkpoint_spend(check, 1)) {
                    return;
                }
                counts[i] = n;
            }
        }
    }
}

/* The whole picture as one tile. */
typedef struct {
    mandelbrot_tiles tiles;
    ptrdiff_t height, width;
} whole;

static bool
whole_next(mandelbrot_tiles *tiles, mandelbrot_tile *tile)
{
    whole *self = (whole *)tiles;
    bool left = self->height > 0 && self->width > 0;

    *tile = (mandelbrot_tile){0, self->height, 0, self->width};
    self->height = 0;
    return left;
}

/* The whole picture on the calling thread, for callers that speak only C's own types: ctypes, cffi, Rust... */
void
mandelbrot_fill(int32_t *counts, ptrdiff_t height, ptrdiff_t width, double xmin, double xmax, double ymin, double ymax,
                int32_t max_iter)
{
    mandelbrot_picture picture = {counts, height, width, xmin, xmax, ymin, ymax, max_iter};
    whole all = {{whole_next}, height, width};
    checkpoint nobody = {CHECKPOINT_BUDGET, NULL};

    mandelbrot_scalar(&picture, &all.tiles, &nobody);
}
