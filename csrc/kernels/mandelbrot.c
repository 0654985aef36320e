/* mandelbrot.c: the table of kernels, and the cutting of a picture into tiles for the pool.

   In Python:

       def draw(picture, kernel, threads):
           with ThreadPool(threads) as pool:
               pool.map(kernel, tiles(picture, threads))

   Threads: mandelbrot_draw may be called from several threads at once, on different pictures; two calls on one
   picture race for its counts.
   Ownership: owns nothing; the picture must outlive the call, and see pool_run for "outlive". */

#include "mandelbrot.h"

/* A tile is small enough for the threads to finish together (rows through the set take a thousand times as long as
   rows beside it), and large enough that fetching the next one costs nothing. */
enum { TILE_MAX = 512, TILE_MIN = 64, TILES_PER_THREAD = 32 };

const mandelbrot_kernel mandelbrot_kernels[] = {
    {"scalar", mandelbrot_scalar, NULL},
    {NULL, NULL, NULL},
};

bool
mandelbrot_supported(const mandelbrot_kernel *kernel)
{
    return kernel->supported == NULL || kernel->supported();
}

/* How the picture is cut: `across` tiles side by side, numbered row after row. */
typedef struct {
    mandelbrot_picture picture;
    mandelbrot_tile tile;
    ptrdiff_t tile_rows, tile_columns, across;
} cut;

static ptrdiff_t
smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* The number of parts when `whole` >= 1 is cut into parts of at most `part` >= 1, without overflow. */
static ptrdiff_t
parts(ptrdiff_t whole, ptrdiff_t part)
{
    return (whole - 1) / part + 1;
}

/* One chunk of the pool's job: tile number `chunk`. */
static void
draw_tile(void *context, size_t chunk, size_t worker, checkpoint *check)
{
    const cut *self = context;
    const mandelbrot_picture *picture = &self->picture;
    ptrdiff_t row = (ptrdiff_t)chunk / self->across * self->tile_rows;
    ptrdiff_t column = (ptrdiff_t)chunk % self->across * self->tile_columns;
    ptrdiff_t rows = smaller(self->tile_rows, picture->height - row);
    ptrdiff_t columns = smaller(self->tile_columns, picture->width - column);

    (void)worker;
    (void)self->tile(picture, row, row + rows, column, column + columns, check);
}

pool_status
mandelbrot_draw(const mandelbrot_picture *picture, const mandelbrot_kernel *kernel, size_t threads,
                pool_interrupted interrupted, void *context)
{
    cut self = {.picture = *picture, .tile = kernel->tile};

    if (picture->height == 0 || picture->width == 0) {
        return POOL_DONE;
    }
    ptrdiff_t pixels = picture->height * picture->width; /* fits: the buffer holds them */
    ptrdiff_t tile = pixels / (ptrdiff_t)(threads * TILES_PER_THREAD);
    tile = tile > TILE_MAX ? TILE_MAX : tile < TILE_MIN ? TILE_MIN : tile;
    self.tile_columns = smaller(picture->width, tile);
    self.tile_rows = smaller(picture->height, tile / self.tile_columns);
    self.across = parts(picture->width, self.tile_columns);
    size_t chunks = (size_t)(self.across * parts(picture->height, self.tile_rows));
    return pool_run(draw_tile, &self, sizeof(self), chunks, threads, interrupted, context);
}
