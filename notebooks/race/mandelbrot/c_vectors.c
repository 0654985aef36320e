/* Mandelbrot in C with the vector types of GCC and clang: operators work on whole vectors, and no intrinsic ties the code to one
   processor. A step has to wait for the one before it, so VECTORS vectors take theirs side by side.

   STEPS steps are taken without a test. A point that is outside the circle |z| = 2 stays outside, so if the same
   points are inside afterwards, none has left and the steps count for all of them. If not, they are taken again and
   counted one by one. */

#include <stddef.h>
#include <stdint.h>

enum { LANES = 4, VECTORS = 8, STEPS = 10 };

typedef double reals __attribute__((vector_size(8 * LANES)));
typedef int64_t ints __attribute__((vector_size(8 * LANES))); /* a comparison gives -1 where it holds, else 0 */

typedef struct {
    reals x[VECTORS], y[VECTORS];
} points;

static inline void
step(reals *x, reals *y, reals cx, reals cy)
{
    reals t = cx - *y * *y;

    *y = (*x + *x) * *y + cy;
    *x = *x * *x + t;
}

static inline ints
is_inside(reals x, reals y)
{
    return x * x + y * y <= 4.0;
}

static inline int
any(ints mask)
{
    int64_t bits = 0;

    for (int lane = 0; lane < LANES; lane++) {
        bits |= mask[lane];
    }
    return bits != 0;
}

/* Takes `steps` steps and counts those that begin inside. Returns whether a point is left there. */
static inline int
count_steps(points *z, const points *c, ints *n, ints *inside, ptrdiff_t steps)
{
    ints left = {0};

    for (; steps > 0; steps--) {
        for (int k = 0; k < VECTORS; k++) {
            n[k] -= is_inside(z->x[k], z->y[k]);
            step(&z->x[k], &z->y[k], c->x[k], c->y[k]);
        }
    }
    for (int k = 0; k < VECTORS; k++) {
        inside[k] = is_inside(z->x[k], z->y[k]);
        left |= inside[k];
    }
    return any(left);
}

static void
escape_counts(const points *c, ptrdiff_t max_iter, ints *n)
{
    points z = {{{0}}, {{0}}};
    ints inside[VECTORS];
    int left = 1;

    for (int k = 0; k < VECTORS; k++) {
        n[k] = (ints){0};
    }
    if (max_iter >= STEPS) { /* many points leave early: the first block is counted at once */
        max_iter -= STEPS;
        left = count_steps(&z, c, n, inside, STEPS);
    }
    for (; max_iter >= STEPS && left; max_iter -= STEPS) {
        points next = z;
        ints changed = {0};

#pragma GCC unroll 10
        for (int i = 0; i < STEPS; i++) {
            for (int k = 0; k < VECTORS; k++) {
                step(&next.x[k], &next.y[k], c->x[k], c->y[k]);
            }
        }
        for (int k = 0; k < VECTORS; k++) {
            changed |= is_inside(next.x[k], next.y[k]) ^ inside[k];
        }
        if (any(changed)) {
            left = count_steps(&z, c, n, inside, STEPS);
        } else {
            z = next;
            for (int k = 0; k < VECTORS; k++) {
                n[k] += inside[k] & STEPS;
            }
        }
    }
    if (left) {
        count_steps(&z, c, n, inside, max_iter);
    }
}

void
mandelbrot_rows(int32_t *counts, ptrdiff_t width, ptrdiff_t height, ptrdiff_t first, ptrdiff_t last, double xmin,
                double xmax, double ymin, double ymax, ptrdiff_t max_iter)
{
    const reals lanes = {0, 1, 2, 3};

    for (ptrdiff_t row = first; row < last; row += VECTORS) {
        for (ptrdiff_t column = 0; column < width; column += LANES) {
            points c;
            ints n[VECTORS];

            for (int k = 0; k < VECTORS; k++) {
                c.x[k] = xmin + (xmax - xmin) * (lanes + (double)column) / (double)width;
                c.y[k] = (reals){0} + (ymin + (ymax - ymin) * (double)(row + k) / (double)height);
            }
            escape_counts(&c, max_iter, n);
            for (int k = 0; k < VECTORS && row + k < last; k++) {
                for (int lane = 0; lane < LANES && column + lane < width; lane++) {
                    counts[(row + k) * width + column + lane] = (int32_t)n[k][lane];
                }
            }
        }
    }
}
