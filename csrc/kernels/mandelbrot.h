/* mandelbrot.h: what every Mandelbrot kernel implements, and the table it is entered in.

   To add a kernel: write mandelbrot_<name>.c with one function of type mandelbrot_compute, declare it here,
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

/* Rows [row, row_end) of columns [column, column_end): one thread's next piece of work. */
typedef struct {
    ptrdiff_t row, row_end, column, column_end; /* never empty */
} mandelbrot_tile;

/* Where a thread gets its tiles from. A kernel may take the next one before the last is finished, so that it never
   runs out of pixels to work on side by side. */
typedef struct mandelbrot_tiles {
    bool (*next)(struct mandelbrot_tiles *self, mandelbrot_tile *tile); /* false: that was the last one */
} mandelbrot_tiles;

/* Computes tiles until there are none left, or a checkpoint says stop. Spends one step for each iteration of each
   pixel, roughly. While it works, and after a stop, a pixel of a tile that it has taken may hold max_iter before its
   count is known. Different threads compute different tiles at the same time. */
typedef void (*mandelbrot_compute)(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);

typedef struct {
    const char *name;
    mandelbrot_compute compute;
} mandelbrot_kernel;

enum { MANDELBROT_KERNELS_MOST = 8 };

/* The kernels that this CPU can run, slowest first; returns their number. Ask once: the question takes microseconds in
   a virtual machine, where each cpuid instruction is a call of the hypervisor. */
size_t mandelbrot_kernels_here(mandelbrot_kernel kernels[MANDELBROT_KERNELS_MOST]);

/* Fills the picture with `threads` threads, the calling one among them, 1 at least. `interrupted(context)` is called on
   the calling thread, many times a second; see pool_run. */
pool_status mandelbrot_draw(const mandelbrot_picture *picture, const mandelbrot_kernel *kernel, size_t threads,
                            pool_interrupted interrupted, void *context);

/* mandelbrot_scalar.c */
void mandelbrot_scalar(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_fill(int32_t *counts, ptrdiff_t height, ptrdiff_t width, double xmin, double xmax, double ymin,
                     double ymax, int32_t max_iter);

/* mandelbrot_vector.h, for different registers. Those called shortcut do less work: they leave out points that are
   known to stay, and notice some of those that go round in circles. Each exists only for the CPUs it is written for. */
void mandelbrot_portable(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_portable_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_neon(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_neon_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_avx2(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_avx2_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_avx512(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_avx512_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_zen4(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);
void mandelbrot_zen4_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check);

#endif
