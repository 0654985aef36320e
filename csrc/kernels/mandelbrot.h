/* mandelbrot.h: what every Mandelbrot kernel implements, and the table it is entered in.

   To add a kernel: write mandelbrot_<name>.c with one function of type mandelbrot_tile, declare it here,
   and give it a row in the table in mandelbrot.c. */

#ifndef SNEK_MANDELBROT_H
#define SNEK_MANDELBROT_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint.h"
#include "pool.h"

/* The picture: height rows of width counts, row after row without gaps.
   Pixel (j, i), row j and column i, samples the point
       (xmin + (xmax - xmin) * i / width,  ymin + (ymax - ymin) * j / height). */
typedef struct {
    int32_t *counts; /* borrowed: whoever made the picture keeps it alive until the call is over */
    ptrdiff_t height, width;
    double xmin, xmax, ymin, ymax; /* finite, and so are xmax - xmin and ymax - ymin */
    int32_t max_iter;              /* >= 0 */
} mandelbrot_picture;

/* Computes rows [row, row_end) of columns [column, column_end). Spends one step for each iteration of each
   pixel, roughly; false: a checkpoint said stop, and part of the tile is as it was before. Different tiles may
   be computed by different threads at the same time. */
typedef bool (*mandelbrot_tile)(const mandelbrot_picture *picture, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t column,
                                ptrdiff_t column_end, checkpoint *check);

typedef struct {
    const char *name;
    mandelbrot_tile tile;
    bool (*supported)(void); /* can this CPU run it? NULL: every CPU can */
} mandelbrot_kernel;

/* Slowest first, ends with a row whose name is NULL. */
extern const mandelbrot_kernel mandelbrot_kernels[];

bool mandelbrot_supported(const mandelbrot_kernel *kernel);

/* Fills the picture with `threads` threads, the calling one among them. `interrupted(context)` is called on the
   calling thread, many times a second; see pool_run. */
pool_status mandelbrot_draw(const mandelbrot_picture *picture, const mandelbrot_kernel *kernel, size_t threads,
                            pool_interrupted interrupted, void *context);

/* mandelbrot_scalar.c */
bool mandelbrot_scalar(const mandelbrot_picture *picture, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t column,
                       ptrdiff_t column_end, checkpoint *check);
void mandelbrot_fill(int32_t *counts, ptrdiff_t height, ptrdiff_t width, double xmin, double xmax, double ymin,
                     double ymax, int32_t max_iter);

#endif
