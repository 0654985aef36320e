/* Mandelbrot in C that the compiler vectorises: tiles of points side by side in arrays, loops that `#pragma omp simd`
   turns into vector instructions.

   STEPS steps are taken without a test. A point that is outside the circle |z| = 2 stays outside, so if the same
   points are inside afterwards, none has left and the steps count for all of them. If not, they are taken again and
   counted one by one. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { ACROSS = 8, DOWN = 4, TILE = ACROSS * DOWN, STEPS = 8 };

typedef struct {
    double x[TILE], y[TILE];
} points;

/* Takes `steps` steps and counts those that begin inside. Returns how many points are left there. */
static inline int
count_steps(points *z, const double *cx, const double *cy, int64_t *n, int64_t *inside, ptrdiff_t steps)
{
    int left = 0;

#pragma omp simd reduction(+ : left)
    for (int k = 0; k < TILE; k++) {
        double x = z->x[k], y = z->y[k];
        int64_t count = n[k];

        for (ptrdiff_t step = 0; step < steps; step++) {
            double yy = y * y;

            count += x * x + yy <= 4.0;
            y = (x + x) * y + cy[k];
            x = x * x + (cx[k] - yy);
        }
        z->x[k] = x;
        z->y[k] = y;
        n[k] = count;
        inside[k] = x * x + y * y <= 4.0;
        left += (int)inside[k];
    }
    return left;
}

static void
escape_counts(const double *cx, const double *cy, ptrdiff_t max_iter, int64_t *n)
{
    points z = {{0}, {0}}, next;
    int64_t inside[TILE];
    int left = TILE;

    for (int k = 0; k < TILE; k++) {
        n[k] = 0;
        inside[k] = 1;
    }
    if (max_iter >= STEPS) { /* many points leave early: the first block is counted at once */
        max_iter -= STEPS;
        left = count_steps(&z, cx, cy, n, inside, STEPS);
    }
    for (; max_iter >= STEPS && left > 0; max_iter -= STEPS) {
        int changed = 0;

#pragma omp simd reduction(+ : changed)
        for (int k = 0; k < TILE; k++) {
            double x = z.x[k], y = z.y[k];

#pragma GCC unroll 8
            for (int step = 0; step < STEPS; step++) {
                double t = cx[k] - y * y;

                y = (x + x) * y + cy[k];
                x = x * x + t;
            }
            next.x[k] = x;
            next.y[k] = y;
            changed += (x * x + y * y <= 4.0) != inside[k];
        }
        if (changed == 0) {
            z = next;
#pragma omp simd
            for (int k = 0; k < TILE; k++) {
                n[k] += STEPS * inside[k];
            }
        } else {
            left = count_steps(&z, cx, cy, n, inside, STEPS);
        }
    }
    if (left > 0) {
        count_steps(&z, cx, cy, n, inside, max_iter);
    }
}

void
mandelbrot_rows(int32_t *counts, ptrdiff_t width, ptrdiff_t height, ptrdiff_t first, ptrdiff_t last, double xmin,
                double xmax, double ymin, double ymax, ptrdiff_t max_iter)
{
    for (ptrdiff_t row = first; row < last; row += DOWN) {
        for (ptrdiff_t column = 0; column < width; column += ACROSS) {
            double cx[TILE], cy[TILE];
            int64_t n[TILE];

            for (int k = 0; k < TILE; k++) {
                cx[k] = xmin + (xmax - xmin) * (double)(column + k % ACROSS) / (double)width;
                cy[k] = ymin + (ymax - ymin) * (double)(row + k / ACROSS) / (double)height;
            }
            escape_counts(cx, cy, max_iter, n);
            for (int k = 0; k < TILE; k++) {
                ptrdiff_t j = row + k / ACROSS, i = column + k % ACROSS;

                if (j < last && i < width) {
                    counts[j * width + i] = (int32_t)n[k];
                }
            }
        }
    }
}
