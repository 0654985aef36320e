/* mandelbrot.c: the table of kernels, and the cutting of a picture into tiles for the pool.

   In Python:

       def draw(picture, kernel, threads):
           with ThreadPool(threads) as pool:
               pool.map(kernel, tiles(picture, threads))

   Threads: mandelbrot_draw may be called from several threads at once, on different pictures; two calls on one
   picture race for its counts.
   Ownership: owns nothing; the picture must outlive the call, and see pool_run for "outlive". */

#include "mandelbrot.h"

#include "simd.h"

/* Sizes in pixels. A tile is so small that the threads finish together, although rows through the set take a thousand
   times as long as rows beside it; and so large that fetching the next one costs nothing. It is several rows high, as
   something is computed once for each of its columns. It is wide, as threads that write to neighbouring memory wait for
   each other's cache lines: with tiles of 64 columns and 8 rows, two threads lost a third of their speed (Zen 4). */
enum { TILE_MIN = 64, TILE_MAX = 2048, TILE_COLUMNS = 512, TILES_PER_THREAD = 32 };

/* One row for each kind of register. */
static const struct {
    const char *name;
    mandelbrot_compute compute, shortcut; /* takes every step; does less work, or NULL */
    bool (*supported)(void);              /* can this CPU run it? NULL: every CPU can */
} table[] = {
    {"scalar", mandelbrot_scalar, NULL, NULL},
    {"portable", mandelbrot_portable, mandelbrot_portable_shortcut, NULL},
#if defined(__x86_64__)
    {"avx2", mandelbrot_avx2, mandelbrot_avx2_shortcut, simd_has_avx2},
    {"avx512", mandelbrot_avx512, mandelbrot_avx512_shortcut, simd_has_avx512},
    {"zen4", mandelbrot_zen4, mandelbrot_zen4_shortcut, simd_has_avx512_and_adders},
#elif defined(__aarch64__)
    {"neon", mandelbrot_neon, mandelbrot_neon_shortcut, NULL},
#endif
};

_Static_assert(sizeof table / sizeof *table + 1 <= MANDELBROT_KERNELS_MOST, "room for the table, and the shortcut");

size_t
mandelbrot_kernels_here(mandelbrot_kernel kernels[MANDELBROT_KERNELS_MOST])
{
    enum { SHORTCUT = 1 }; /* its place: "auto" is the last kernel, and takes every step */
    size_t count = 0;

    kernels[SHORTCUT].name = "shortcut";
    for (size_t row = 0; row < sizeof table / sizeof *table; row++) {
        if (table[row].supported == NULL || table[row].supported()) {
            kernels[count++] = (mandelbrot_kernel){table[row].name, table[row].compute};
            count += count == SHORTCUT;
            if (table[row].shortcut != NULL) { /* the one with the widest registers */
                kernels[SHORTCUT].compute = table[row].shortcut;
            }
        }
    }
    return count;
}

/* How the picture is cut: `across` tiles side by side, numbered row after row. */
typedef struct {
    mandelbrot_picture picture;
    mandelbrot_compute compute;
    ptrdiff_t tile_rows, tile_columns, across;
} cut;

/* What one thread takes tiles from: the chunks of the job. It was called with the first of them. */
typedef struct {
    mandelbrot_tiles tiles; /* first: cut_next gets its address */
    const cut *cut;
    checkpoint *check;
    size_t chunk;
    bool taken; /* is `chunk` waiting to be handed out? */
} cut_tiles;

static ptrdiff_t
smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* How many parts there are when `whole` >= 1 is cut into parts of at most `part` >= 1. It does not overflow. */
static ptrdiff_t
parts(ptrdiff_t whole, ptrdiff_t part)
{
    return (whole - 1) / part + 1;
}

static bool
cut_next(mandelbrot_tiles *tiles, mandelbrot_tile *tile)
{
    cut_tiles *self = (cut_tiles *)tiles;
    const cut *grid = self->cut;

    if (!self->taken && !pool_take(self->check, &self->chunk)) {
        return false;
    }
    self->taken = false;
    tile->row = (ptrdiff_t)self->chunk / grid->across * grid->tile_rows;
    tile->column = (ptrdiff_t)self->chunk % grid->across * grid->tile_columns;
    tile->row_end = tile->row + smaller(grid->tile_rows, grid->picture.height - tile->row);
    tile->column_end = tile->column + smaller(grid->tile_columns, grid->picture.width - tile->column);
    return true;
}

/* The pool's task: draws this tile, and all that the thread can get after it. */
static void
draw_tiles(void *context, size_t chunk, size_t member, checkpoint *check)
{
    const cut *self = context;
    cut_tiles mine = {{cut_next}, self, check, chunk, true};

    (void)member;
    self->compute(&self->picture, &mine.tiles, check);
}

pool_status
mandelbrot_draw(const mandelbrot_picture *picture, const mandelbrot_kernel *kernel, size_t threads,
                pool_interrupted interrupted, void *context)
{
    cut self = {.picture = *picture, .compute = kernel->compute};

    if (picture->height == 0 || picture->width == 0) {
        return POOL_DONE;
    }
    ptrdiff_t pixels = picture->height * picture->width; /* fits: the buffer holds them */
    ptrdiff_t tile = pixels / (ptrdiff_t)((threads > 0 ? threads : 1) * TILES_PER_THREAD);
    tile = tile > TILE_MAX ? TILE_MAX : tile < TILE_MIN ? TILE_MIN : tile;
    self.tile_columns = smaller(picture->width, smaller(tile, TILE_COLUMNS));
    self.tile_rows = smaller(picture->height, tile / self.tile_columns);
    self.across = parts(picture->width, self.tile_columns);
    size_t chunks = (size_t)(self.across * parts(picture->height, self.tile_rows));
    return pool_run_alone_first(draw_tiles, &self, sizeof(self), chunks, threads, interrupted, context);
}
