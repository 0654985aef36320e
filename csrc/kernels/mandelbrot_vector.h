/* mandelbrot_vector.h: the kernel for CPUs with vector registers, compiled once for each kind of register.

   In Python, with NumPy for the registers:

       def compute(tiles):
           z, c, left, busy = idle lanes                  # VECTORS registers of LANES points
           while refill(idle lanes) or busy.any():
               start = z
               for _ in range(steps):                     # no test in here: four operations a step
                   z = z * z + c
               left -= steps
               escaped = busy & ~(abs(z) <= 2)                # at some step of this block; at which one,
               replayed.append(start[escaped], c[escaped])    # a replay with a test at every step will find
               busy &= ~escaped & (left > 0)

   Where time would be lost, and what is done about it:

   * A step has to wait for the result of the one before it. VECTORS registers of independent points fill this time.
   * A test costs as much as a step. So there is one for a whole block. It misses no point: beyond |z| = 2 there is no
     way back, for |z * z + c| > |z|, up to infinity and nan. But it doesn't say at which step a point escaped. Points
     that escaped are collected, and when they fill registers, they take their block again with a test at each step.
   * Neighbours need different numbers of steps. An idle lane gets the next point that waits, of whatever row or tile.
     So all lanes work until the picture ends.
   * Most points outside of the set escape within a few steps. So all points take FIRST steps with a test at each, and
     those that are left take a short block of YOUNG steps. Those still left wait for a lane: most of them never escape.
   * A row of a narrow picture doesn't fill a register. But its tiles are as wide as it is, so their pixels follow each
     other in memory. They are taken one after the other, across the ends of rows.

   The file that includes this one has included mandelbrot_lanes.h, and defines

       VECTORS                          how many registers of points are worked on side by side
       fused(a, b, c)                   a * b + c, rounded once where the CPU can
       fused_negative(a, b, c)          c - a * b, likewise
       at_most(a, b)                    the lanes where a <= b; not those with a nan
       used_up(n)                       the lanes where n <= 0
       plus_one(n, lanes)               n, and 1 more in these lanes
       pack(v, lanes)                   these lanes side by side, from lane 0 on
       unpack(v, lanes, next)           next[0], next[1]... in these lanes, and v in the others

   Threads: no state. Everything is on the caller's stack: some 20 kilobytes, as some threads have small stacks.
   Ownership: writes to picture->counts, owns nothing. */

#include "mandelbrot.h"

enum {
    TURN = 3,                         /* steps that a loop takes at a time */
    FIRST = 1 + 4 * TURN,             /* steps of every point, each with a test; the first one leads from 0 to c */
    YOUNG = 8 * TURN,                 /* steps of the short block */
    BLOCK_MOST = 24 * TURN,           /* steps of a block where few points escape in it */
    BLOCK_LEAST = 12 * TURN,          /* and where many do: each of them wastes half a block, and takes it again */
    BLOCKS = 16,                      /* after so many blocks, the choice between the two is made again */
    ENOUGH = (LANES + 1) / 2,         /* so many idle lanes of a register are worth a refill */
    SIDE = 4,                         /* registers that are worked on side by side, outside of the main loop */
    BATCH = SIDE * LANES,             /* the points in them */
    STRIP = 64,                       /* points that follow each other in memory and are begun together */
    NARROW = LANES > 2 ? 16 : 6,      /* columns: from here on, row by row is faster (measured, Zen 4) */
    CAPACITY = STRIP + BATCH + LANES, /* of a list: batches are loaded whole, and registers stored whole */
};

_Static_assert(BATCH <= STRIP, "a list has room for two batches and a register");

/* Compilers keep an array of registers in registers only if its loops are unrolled. */
#if defined(__clang__)
#define FOR_EACH(k, count) _Pragma("clang loop unroll(full)") for (int k = 0; k < (count); k++)
#else
#define FOR_EACH(k, count) _Pragma("GCC unroll 8") for (int k = 0; k < (count); k++)
#endif

/* z * z + c takes four operations: zr * zr + (cr - zi * zi), and (zr + zr) * zi + ci. */
#define STEP(zr, zi, cr, ci)                                                                                           \
    do {                                                                                                               \
        vector rest = fused_negative(zi, zi, cr);                                                                      \
        vector twice = zr + zr;                                                                                        \
        zi = fused(twice, zi, ci);                                                                                     \
        zr = fused(zr, zr, rest);                                                                                      \
    } while (0)

/* The same with one multiplication less and two additions more: (zr + zi) * (zr - zi) + cr. */
#define STEP_BY_ADDING(zr, zi, cr, ci)                                                                                 \
    do {                                                                                                               \
        vector sum = zr + zi;                                                                                          \
        vector difference = zr - zi;                                                                                   \
        vector twice = zr + zr;                                                                                        \
        zi = fused(twice, zi, ci);                                                                                     \
        zr = fused(sum, difference, cr);                                                                               \
    } while (0)

/* Some CPUs add in other units than they multiply in. A mixture keeps both busy: one step of the first kind and two
   of the second are seven multiplications and seven additions. */
#if defined(ADDS_ELSEWHERE)
#define OTHER_STEP STEP_BY_ADDING
#else
#define OTHER_STEP STEP
#endif

/* A step that uses the squares for its test, too. `in`: the lanes that began it within |z| <= 2; they count one more.
   It rounds in another way than the steps above. A point must get the same orbit in whatever lane it is, so all
   points take this step at the same place: at the beginning. */
#define FIRST_STEP(g, n, in)                                                                                           \
    do {                                                                                                               \
        vector rr = (g).zr * (g).zr;                                                                                   \
        vector ii = (g).zi * (g).zi;                                                                                   \
        vector twice = (g).zr + (g).zr;                                                                                \
        n = plus_one(n, in = at_most(rr + ii, vector_of(4.0)));                                                        \
        (g).zi = fused(twice, (g).zi, (g).ci);                                                                         \
        (g).zr = rr - ii + (g).cr;                                                                                     \
    } while (0)

/* TURN steps of `count` registers of points. `before` is done before each step of each register. Every block begins
   with a new turn, so a point's orbit does not depend on the lane it is in. */
#define TAKE_TURN(k, count, before, zr, zi, cr, ci)                                                                    \
    do {                                                                                                               \
        FOR_EACH (k, count) {                                                                                          \
            before;                                                                                                    \
            STEP(zr, zi, cr, ci);                                                                                      \
        }                                                                                                              \
        FOR_EACH (k, count) {                                                                                          \
            before;                                                                                                    \
            OTHER_STEP(zr, zi, cr, ci);                                                                                \
        }                                                                                                              \
        FOR_EACH (k, count) {                                                                                          \
            before;                                                                                                    \
            OTHER_STEP(zr, zi, cr, ci);                                                                                \
        }                                                                                                              \
    } while (0)

/* A register of points. */
typedef struct {
    vector zr, zi, cr, ci;
    vector pixel;  /* the index of its count: the bits of an integer */
    integers left; /* steps until max_iter */
} group;

/* A list of points, as arrays, so that registers load neighbours side by side. */
typedef struct {
    double zr[CAPACITY], zi[CAPACITY], cr[CAPACITY], ci[CAPACITY], pixel[CAPACITY];
    double left[CAPACITY]; /* steps until max_iter: the bits of integers. The same for all that wait, or are young */
    int count;
} points;

/* One thread's work. */
typedef struct {
    const mandelbrot_picture *picture;
    mandelbrot_tiles *tiles;
    checkpoint *check;
    bool stopped;         /* a checkpoint said so */
    bool shortcut;        /* leave out the points that are known to stay */
    bool narrow;          /* the picture is, so strips go on in the next row */
    mandelbrot_tile tile; /* what is left to begin, as begin_row and begin_rows keep it */
    ptrdiff_t row;        /* the first one of the tile */
    double cr[STRIP];     /* of the next STRIP columns, or of a narrow picture's next points */
    double ci[STRIP];     /* of a narrow picture's next points */
    points waiting;       /* for a lane */
    points young;         /* escaped in the short block, and wait for its replay */
    points escaped;       /* escaped in a block of `steps`, likewise */
    int steps;            /* of a block: a whole number of turns */
    int most;             /* steps of the longest blocks in this picture */
    int blocks, escapes;  /* since `steps` was last decided */
} stream;

/* The lanes with |z| <= 2. */
INLINE unsigned
bounded(vector zr, vector zi)
{
    return at_most(fused(zr, zr, zi * zi), vector_of(4.0));
}

INLINE ptrdiff_t
smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

INLINE unsigned
equal(vector a, vector b)
{
    return at_most(a, b) & at_most(b, a);
}

/* The first `count` lanes; all of them if there are not so many. */
INLINE unsigned
first_lanes(ptrdiff_t count)
{
    return count >= LANES ? ALL_LANES : count <= 0 ? 0 : (1U << count) - 1;
}

/* Before a step: counts one more for the lanes with |z| <= 2. */
#define COUNT(n, g) n = plus_one(n, bounded(g.zr, g.zi))

/* Appends some lanes of a group, all but `left`. Whole registers are stored; the next one overwrites what is too
   much. */
INLINE void
points_add(points *self, const group *from, unsigned lanes)
{
    int at = self->count;

    store(self->zr + at, pack(from->zr, lanes));
    store(self->zi + at, pack(from->zi, lanes));
    store(self->cr + at, pack(from->cr, lanes));
    store(self->ci + at, pack(from->ci, lanes));
    store(self->pixel + at, pack(from->pixel, lanes));
    self->count += __builtin_popcount(lanes);
}

INLINE group
points_load(const points *self, int at)
{
    return (group){
        load(self->zr + at), load(self->zi + at),    load(self->cr + at),
        load(self->ci + at), load(self->pixel + at), (integers)load(self->left + at),
    };
}

/* Takes a block of `steps` again, with a test at each step, for the last BATCH points of a list; for all if it has
   fewer. Then their counts are known, and they leave the list. */
static TARGET __attribute__((noinline)) void
replay(const stream *self, points *from, int steps)
{
    int count = from->count < BATCH ? from->count : BATCH;
    int32_t max_iter = self->picture->max_iter;
    int64_t taken[BATCH], left[BATCH], pixel[BATCH];
    group g[SIDE];
    integers n[SIDE];

    from->count -= count;
    FOR_EACH (k, SIDE) {
        g[k] = points_load(from, from->count + k * LANES);
        n[k] = integers_of(0);
    }
    for (int s = 0; s < steps; s += TURN) {
        TAKE_TURN(k, SIDE, COUNT(n[k], g[k]), g[k].zr, g[k].zi, g[k].cr, g[k].ci);
    }
    memcpy(taken, n, sizeof taken);
    memcpy(left, from->left + from->count, sizeof left);
    memcpy(pixel, from->pixel + from->count, sizeof pixel);
    for (int i = 0; i < count; i++) {
        self->picture->counts[pixel[i]] = taken[i] < left[i] ? (int32_t)(max_iter - left[i] + taken[i]) : max_iter;
    }
}

/* The lanes in the main cardioid or in the disc left of it: these never escape. */
INLINE unsigned
known_to_stay(vector cr, vector ci)
{
    vector x = cr - 0.25;
    vector q = x * x + ci * ci;
    vector disc = (cr + 1.0) * (cr + 1.0) + ci * ci;

    return at_most(q * (q + x), 0.25 * ci * ci) | at_most(disc, vector_of(0.0625));
}

/* A group has taken its first steps, and `n` of them began within |z| <= 2. Writes the counts of its first `pixels`
   lanes: for those that have not escaped yet, max_iter for now. These are appended to the points that wait. */
INLINE void
begin(stream *self, const group *g, integers n, ptrdiff_t pixels)
{
    int32_t max_iter = self->picture->max_iter;
    unsigned stay = first_lanes(pixels) & ~used_up(n - (FIRST - 1));
    integers left_early = n < integers_of(max_iter < FIRST ? max_iter : FIRST); /* -1: yes */
    int32s counts = __builtin_convertvector((n & left_early) | (max_iter & ~left_early), int32s);
    int64_t pixel;

    memcpy(&pixel, &g->pixel, sizeof pixel);
    if (pixels >= LANES) {
        memcpy(self->picture->counts + pixel, &counts, sizeof counts);
    } else {
        for (int l = 0; l < pixels; l++) {
            self->picture->counts[pixel + l] = counts[l];
        }
    }
    if (self->shortcut) {
        stay &= ~known_to_stay(g->cr, g->ci);
    }
    if (stay != 0 && FIRST < max_iter) {
        points_add(&self->waiting, g, stay);
    }
}

/* Where the next STRIP columns are. Done once for all rows of a tile, as a division takes as long as some steps. */
static TARGET void
locate_columns(stream *self)
{
    const mandelbrot_picture *picture = self->picture;
    double dx = picture->xmax - picture->xmin;

    for (int i = 0; i < STRIP; i += LANES) {
        vector columns = lane_numbers() + (double)(self->tile.column + i);

        store(self->cr + i, picture->xmin + dx * columns / (double)picture->width);
    }
}

/* Where the next STRIP points of a narrow picture are, from the tile's row and column on. It goes on behind the end
   of the tile, where nobody looks. */
static TARGET void
locate_points(stream *self)
{
    const mandelbrot_picture *picture = self->picture;
    double dx = picture->xmax - picture->xmin;
    double dy = picture->ymax - picture->ymin;
    double width = (double)picture->width;
    double column = (double)self->tile.column, row = (double)self->tile.row;

    for (int i = 0; i < STRIP; i++) {
        self->cr[i] = column++;
        self->ci[i] = row;
        if (column == width) {
            column = 0;
            row++;
        }
    }
    for (int i = 0; i < STRIP; i += LANES) {
        store(self->cr + i, picture->xmin + dx * load(self->cr + i) / width);
        store(self->ci + i, picture->ymin + dy * load(self->ci + i) / (double)picture->height);
    }
}

/* Takes the first steps of the next `pixels` points, which follow each other in memory. `is_narrow` is a constant in
   each call, so that the compiler leaves out the question: it would cost wide pictures a twentieth of their time. */
INLINE void
begin_strip(stream *self, ptrdiff_t row, ptrdiff_t pixels, bool is_narrow)
{
    const mandelbrot_picture *picture = self->picture;
    double dy = picture->ymax - picture->ymin;
    vector ci = vector_of(picture->ymin + dy * (double)row / (double)picture->height);
    integers pixel = integers_of(row * picture->width + self->tile.column);

    for (int l = 0; l < LANES; l++) {
        pixel[l] += l;
    }
    for (int at = 0; at < pixels; at += BATCH) {
        group g[SIDE];
        integers n[SIDE];
        unsigned any = 1;

        FOR_EACH (k, SIDE) {
            g[k].zr = g[k].cr = load(self->cr + at + k * LANES); /* the first step leads from 0 to c */
            g[k].zi = g[k].ci = is_narrow ? load(self->ci + at + k * LANES) : ci;
            g[k].pixel = (vector)(pixel + (int64_t)(at + k * LANES));
            n[k] = integers_of(1);
        }
        for (int s = 1; s < FIRST && any != 0; s += TURN) {
            unsigned in[SIDE];

            for (int t = 0; t < TURN; t++) {
                FOR_EACH (k, SIDE) {
                    FIRST_STEP(g[k], n[k], in[k]);
                }
            }
            any = 0;
            FOR_EACH (k, SIDE) {
                any |= in[k];
            }
        }
        FOR_EACH (k, SIDE) {
            begin(self, &g[k], n[k], pixels - at - k * LANES);
        }
    }
}

/* The points that wait, from number `from` on, take the short block. Those that have not escaped go on waiting. */
static TARGET void
grow(stream *self, int from)
{
    points *waiting = &self->waiting;
    int end = waiting->count;
    bool more = self->picture->max_iter > FIRST + YOUNG;

    waiting->count = from;
    for (int at = from; at < end; at += BATCH) {
        group start[SIDE], g[SIDE];

        FOR_EACH (k, SIDE) {
            g[k] = start[k] = points_load(waiting, at + k * LANES);
        }
        for (int s = 0; s < YOUNG; s += TURN) {
            TAKE_TURN(k, SIDE, (void)0, g[k].zr, g[k].zi, g[k].cr, g[k].ci);
        }
        FOR_EACH (k, SIDE) {
            unsigned present = first_lanes(end - at - k * LANES);
            unsigned stay = bounded(g[k].zr, g[k].zi);

            if ((present & ~stay) != 0) {
                points_add(&self->young, &start[k], present & ~stay);
            }
            if (more) {
                points_add(waiting, &g[k], present & stay);
            }
        }
        if (self->young.count >= BATCH) {
            replay(self, &self->young, YOUNG);
        }
    }
}

/* Begins the next strip of the tile: the same columns in the next row, or else the next columns. `tile` is what is
   left: its columns, and the rows of the first STRIP of them. Returns the number of pixels. */
static TARGET __attribute__((noinline)) ptrdiff_t
begin_row(stream *self)
{
    mandelbrot_tile *tile = &self->tile;
    ptrdiff_t pixels = smaller(tile->column_end - tile->column, STRIP);

    if (tile->row == self->row) {
        locate_columns(self);
    }
    begin_strip(self, tile->row, pixels, false);
    tile->row++;
    if (tile->row == tile->row_end) {
        tile->row = self->row;
        tile->column += pixels;
    }
    return pixels;
}

/* The same for a narrow picture, where tile->row and tile->column are the next point's. At the end of the tile, the
   column is the one behind the last, as it is above. */
static TARGET __attribute__((noinline)) ptrdiff_t
begin_rows(stream *self)
{
    mandelbrot_tile *tile = &self->tile;
    ptrdiff_t width = self->picture->width;
    ptrdiff_t pixels = smaller((tile->row_end - tile->row) * width - tile->column, STRIP);

    locate_points(self);
    begin_strip(self, tile->row, pixels, true);
    tile->row += (tile->column + pixels) / width;
    tile->column = (tile->column + pixels) % width;
    if (tile->row == tile->row_end) {
        tile->column = width;
    }
    return pixels;
}

/* Begins some more points. Those that don't escape soon wait. False: there are none, or the checkpoint says stop. */
static TARGET __attribute__((noinline)) bool
fetch(stream *self)
{
    mandelbrot_tile *tile = &self->tile;
    int waiting = self->waiting.count;

    if (self->stopped) {
        return false;
    }
    if (tile->column == tile->column_end) {
        if (!self->tiles->next(self->tiles, tile)) {
            return false;
        }
        self->row = tile->row;
    }
    ptrdiff_t pixels = self->narrow ? begin_rows(self) : begin_row(self);

    grow(self, waiting);
    self->stopped = checkpoint_spend(self->check, pixels * (FIRST + YOUNG));
    return !self->stopped;
}

/* Gives points to idle lanes; returns those that got one. */
static TARGET __attribute__((noinline)) unsigned
refill(stream *self, group *g, unsigned idle)
{
    points *waiting = &self->waiting;
    int wanted = __builtin_popcount(idle);

    while (waiting->count < wanted && fetch(self)) {
    }
    for (; wanted > waiting->count; wanted--) {
        idle &= idle - 1; /* the lowest of them stays idle */
    }
    waiting->count -= wanted;
    int at = waiting->count;

    g->zr = unpack(g->zr, idle, waiting->zr + at);
    g->zi = unpack(g->zi, idle, waiting->zi + at);
    g->cr = unpack(g->cr, idle, waiting->cr + at);
    g->ci = unpack(g->ci, idle, waiting->ci + at);
    g->pixel = unpack(g->pixel, idle, waiting->pixel + at);
    g->left = (integers)unpack((vector)g->left, idle, waiting->left + at);
    return idle;
}

/* A block began with `g`, and has led to zr and zi. Takes the lanes that are done out of `busy`, and refills them if
   there are enough. Returns the lanes that are busy now. */
INLINE unsigned
end_block(stream *self, group *g, unsigned busy, vector zr, vector zi)
{
    unsigned stay = bounded(zr, zi);
    unsigned escaped = busy & ~stay;
    unsigned before = busy;

    if (escaped != 0) {
        store(self->escaped.left + self->escaped.count, pack((vector)g->left, escaped));
        points_add(&self->escaped, g, escaped);
        self->escapes += __builtin_popcount(escaped);
        if (self->escaped.count >= BATCH) {
            replay(self, &self->escaped, self->steps);
        }
    }
    if (self->shortcut) { /* a point that is back where the block began goes round for ever */
        stay &= ~(equal(zr, g->zr) & equal(zi, g->zi));
    }
    g->zr = zr;
    g->zi = zi;
    g->left -= self->steps;
    busy &= stay & ~used_up(g->left);
    if (busy != before && __builtin_popcount(ALL_LANES & ~busy) >= ENOUGH) {
        busy |= refill(self, g, ALL_LANES & ~busy);
    }
    return busy;
}

/* How long blocks are where few points escape: about BLOCK_MOST, and such that the last one ends with the last of
   `left` steps, or shortly after it. */
static int
block_most(int32_t left)
{
    if (left <= BLOCK_MOST) {
        return BLOCK_MOST;
    }
    int32_t blocks = (left - 1) / BLOCK_MOST + 1;
    int32_t steps = (left - 1) / blocks + 1;

    return ((steps - 1) / TURN + 1) * TURN;
}

/* Counts one more block. From time to time it decides how long the next ones shall be: short if more than one lane in
   twelve escapes in a block. The counts of points don't depend on it. */
INLINE void
adapt(stream *self)
{
    if (++self->blocks < BLOCKS) {
        return;
    }
    int steps = self->escapes > BLOCKS * VECTORS * LANES / 12 ? BLOCK_LEAST : self->most;

    if (steps != self->steps) {
        while (self->escaped.count > 0) {
            replay(self, &self->escaped, self->steps);
        }
        self->steps = steps;
    }
    self->blocks = self->escapes = 0;
}

/* The kernel. */
INLINE void
compute(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check, bool shortcut)
{
    stream self;
    group groups[VECTORS];
    unsigned busy[VECTORS], any = 0;

    memset(&self, 0, sizeof self);
    memset(groups, 0, sizeof groups);
    self.picture = picture;
    self.tiles = tiles;
    self.check = check;
    self.shortcut = shortcut;
    self.narrow = picture->width < NARROW;
    self.steps = self.most = shortcut ? BLOCK_MOST : block_most(picture->max_iter - FIRST - YOUNG);
    for (int i = 0; i < CAPACITY; i += LANES) {
        store(self.waiting.left + i, (vector)integers_of(picture->max_iter - FIRST - YOUNG));
        store(self.young.left + i, (vector)integers_of(picture->max_iter - FIRST));
    }
    FOR_EACH (k, VECTORS) {
        busy[k] = refill(&self, &groups[k], ALL_LANES);
        any |= busy[k];
    }
    while (any != 0 && !self.stopped) {
        vector zr[VECTORS], zi[VECTORS], cr[VECTORS], ci[VECTORS];

        FOR_EACH (k, VECTORS) {
            zr[k] = groups[k].zr;
            zi[k] = groups[k].zi;
            cr[k] = groups[k].cr;
            ci[k] = groups[k].ci;
        }
        for (int s = 0; s < self.steps; s += TURN) {
            TAKE_TURN(k, VECTORS, (void)0, zr[k], zi[k], cr[k], ci[k]);
        }
        any = 0;
        FOR_EACH (k, VECTORS) {
            busy[k] = end_block(&self, &groups[k], busy[k], zr[k], zi[k]);
            any |= busy[k];
        }
        adapt(&self);
        self.stopped = self.stopped || checkpoint_spend(check, (int64_t)self.steps * VECTORS * LANES);
    }
    while (self.young.count > 0 && !self.stopped) {
        replay(&self, &self.young, YOUNG);
    }
    while (self.escaped.count > 0 && !self.stopped) {
        replay(&self, &self.escaped, self.steps);
    }
}
