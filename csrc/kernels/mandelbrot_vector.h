/* mandelbrot_vector.h: the kernel for CPUs with vector registers, compiled once for each kind of register.

   In Python, with NumPy for the registers:

       def compute(tiles):
           z, c, left, busy = idle lanes                  # VECTORS registers of LANES points
           while refill(idle lanes) or busy.any():
               start = z
               for _ in range(steps):                     # no test in here: four operations a step
                   z = z * z + c
               left -= steps
               escaped = busy & ~(abs(z) <= 2)            # somewhere in this block: where, is found out later,
               replayed.append(start[escaped], c[escaped])    # by taking it again, with a test at every step
               busy &= ~escaped & (left > 0)

   Where the time would go otherwise, and what is done about it:

   * A step depends on the one before it. VECTORS registers of independent points fill the time in between.
   * A test costs as much as a step. One for a whole block costs little, and misses nobody: beyond |z| = 2 there is no
     way back, |z * z + c| > |z|, up to infinity and nan. It comes late, so the block is taken again, counting, with
     other points that escaped: no lane is empty.
   * Neighbours need different numbers of steps. Idle lanes get the next points that wait, whatever row or tile they
     are from: all lanes work until the picture ends.
   * Most points outside escape within a few steps. All points of a tile take FIRST steps with a test at each, and what
     is left a short block of YOUNG; only then they wait for a lane, and most of these stay to the end.
   * A row of a narrow picture does not fill a register. Its tiles are as wide as it is, so their pixels follow each other
     in memory: they are taken one after the other, whatever row they are in.

   The file that includes this one has included mandelbrot_lanes.h, and defines

       VECTORS                          how many registers of points are worked on side by side
       fused(a, b, c)                   a * b + c, rounded once where the CPU can
       fused_negative(a, b, c)          c - a * b, likewise
       at_most(a, b)                    the lanes where a <= b; not those with a nan
       used_up(n)                       the lanes where n <= 0
       plus_one(n, lanes)               n, and 1 more in these lanes
       pack(v, lanes)                   these lanes side by side, from lane 0 on
       unpack(v, lanes, next)           next[0], next[1]... in these lanes, and v in the others

   Threads: no state; everything is on the caller's stack, some 20 kilobytes: threads with small stacks call, too.
   Ownership: writes to picture->counts, owns nothing. */

#include "mandelbrot.h"

enum {
    TURN = 3,                    /* steps that a loop takes at a time */
    FIRST = 1 + 4 * TURN,        /* steps of every point, each with a test; the first one leads from 0 to c */
    YOUNG = 8 * TURN,            /* steps of the short block */
    BLOCK_MOST = 24 * TURN,      /* steps of a block: many, where few points escape in it... */
    BLOCK_LEAST = 12 * TURN,     /* ... and few, where many do: half a block is lost then, and it is taken again */
    BLOCKS = 16,                 /* after so many it is decided anew which */
    ENOUGH = (LANES + 1) / 2,    /* idle lanes of a register that are worth a refill */
    SIDE = 4,                    /* registers of points side by side outside the main loop */
    BATCH = SIDE * LANES,        /* so many points */
    SEGMENT = 64,                /* points of a row that are fetched together */
    NARROW = LANES > 2 ? 16 : 6, /* columns: from here on, row by row is faster (measured, Zen 4) */
    CAPACITY = SEGMENT + BATCH + LANES, /* of a list: a batch is loaded, and a register stored, whole */
};

_Static_assert(BATCH <= SEGMENT, "a list has room for two batches and a register");

/* Compilers keep an array of registers in registers only if its loops are unrolled. */
#if defined(__clang__)
#define FOR_EACH(k, count) _Pragma("clang loop unroll(full)") for (int k = 0; k < (count); k++)
#else
#define FOR_EACH(k, count) _Pragma("GCC unroll 8") for (int k = 0; k < (count); k++)
#endif

/* z * z + c in the four operations it takes: zr * zr + (cr - zi * zi), and (zr + zr) * zi + ci. */
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

/* Some CPUs add in other units than they multiply in. What suits them is a mixture that keeps both kinds busy: of three
   steps, seven multiplications and seven additions. */
#if defined(ADDS_ELSEWHERE)
#define OTHER_STEP STEP_BY_ADDING
#else
#define OTHER_STEP STEP
#endif

/* A step that shares the squares with its test; `in`: the lanes that began it within |z| <= 2, which count one more. It
   rounds otherwise than the steps above, so an orbit must take it always or never: the first steps do. */
#define FIRST_STEP(g, n, in)                                                                                           \
    do {                                                                                                               \
        vector rr = (g).zr * (g).zr;                                                                                   \
        vector ii = (g).zi * (g).zi;                                                                                   \
        vector twice = (g).zr + (g).zr;                                                                                \
        n = plus_one(n, in = at_most(rr + ii, vector_of(4.0)));                                                        \
        (g).zi = fused(twice, (g).zi, (g).ci);                                                                         \
        (g).zr = rr - ii + (g).cr;                                                                                     \
    } while (0)

/* TURN steps of `count` registers of points; `before` comes before each step of each. A point begins its turns where it
   begins a block, so its orbit does not depend on the lane it is in. */
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
    vector pixel;  /* the bits of an integer: the index of its count */
    integers left; /* steps until max_iter */
} group;

/* A list of points, as arrays, so that registers load neighbours side by side. */
typedef struct {
    double zr[CAPACITY], zi[CAPACITY], cr[CAPACITY], ci[CAPACITY], pixel[CAPACITY];
    double left[CAPACITY]; /* the bits of integers; the same for all that wait, and for all young ones */
    int count;
} points;

/* One thread's work. */
typedef struct {
    const mandelbrot_picture *picture;
    mandelbrot_tiles *tiles;
    checkpoint *check;
    bool stopped;         /* a checkpoint said so */
    bool shortcut;        /* leave out the points that are known to stay */
    bool narrow;          /* the picture is: segments go on in the next row */
    mandelbrot_tile tile; /* what is left of it: columns, and rows of the first SEGMENT of them; if narrow, see below */
    ptrdiff_t row;        /* where its columns begin */
    double cr[SEGMENT];   /* of the first SEGMENT columns, or of a narrow picture's next points */
    double ci[SEGMENT];   /* of these, if narrow */
    points waiting;       /* for a lane */
    points young;         /* escaped in the short block */
    points escaped;       /* escaped in a block of `steps` */
    int steps;            /* of a block, a whole number of turns */
    int most;             /* of them, in this picture */
    int blocks, escapes;  /* since this was last decided */
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

/* The first `count` lanes, all if there are fewer. */
INLINE unsigned
first_lanes(ptrdiff_t count)
{
    return count >= LANES ? ALL_LANES : count <= 0 ? 0 : (1U << count) - 1;
}

/* One more for the lanes that have |z| <= 2 before a step. */
#define COUNT(n, g) n = plus_one(n, bounded(g.zr, g.zi))

/* Appends some lanes of a group, but for `left`. A whole register is stored: what is too much, the next ones overwrite. */
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

/* Takes the block of `steps` again, with a test at each, for the last BATCH points or as many as there are. */
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

/* After the first steps of a group, of which `n` began within |z| <= 2: its first `pixels` lanes get their counts, and
   those that stay, max_iter for now; these go on to wait. */
INLINE void
begin(stream *self, const group *g, integers n, ptrdiff_t pixels)
{
    int32_t max_iter = self->picture->max_iter;
    unsigned stay = first_lanes(pixels) & ~used_up(n - (FIRST - 1));
    integers left_early = n < integers_of(max_iter < FIRST ? max_iter : FIRST); /* -1: yes */
    narrow counts = __builtin_convertvector((n & left_early) | (max_iter & ~left_early), narrow);
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

/* Where the next SEGMENT columns are: the same for all rows of a tile, and a division takes as long as some steps. */
static TARGET void
locate_columns(stream *self)
{
    const mandelbrot_picture *picture = self->picture;
    double dx = picture->xmax - picture->xmin;

    for (int i = 0; i < SEGMENT; i += LANES) {
        vector columns = lane_numbers() + (double)(self->tile.column + i);

        store(self->cr + i, picture->xmin + dx * columns / (double)picture->width);
    }
}

/* Where the next SEGMENT points of a narrow picture are, from the tile's first row and column on; behind its end too,
   where nobody looks. */
static TARGET void
locate_points(stream *self)
{
    const mandelbrot_picture *picture = self->picture;
    double dx = picture->xmax - picture->xmin;
    double dy = picture->ymax - picture->ymin;
    double width = (double)picture->width;
    double column = (double)self->tile.column, row = (double)self->tile.row;

    for (int i = 0; i < SEGMENT; i++) {
        self->cr[i] = column++;
        self->ci[i] = row;
        if (column == width) {
            column = 0;
            row++;
        }
    }
    for (int i = 0; i < SEGMENT; i += LANES) {
        store(self->cr + i, picture->xmin + dx * load(self->cr + i) / width);
        store(self->ci + i, picture->ymin + dy * load(self->ci + i) / (double)picture->height);
    }
}

/* Takes the first steps of the next `pixels` points, which follow each other in memory. `is_narrow` is a constant where
   this is called: a question at each batch would cost the others a twentieth of their time. */
INLINE void
begin_segment(stream *self, ptrdiff_t row, ptrdiff_t pixels, bool is_narrow)
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

/* Takes the short block of the points that wait from number `from` on; those that stay go on waiting. */
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

/* Takes the first steps of a segment of the tile, and goes on to the next one; returns the number of its pixels. */
static TARGET __attribute__((noinline)) ptrdiff_t
begin_row(stream *self)
{
    mandelbrot_tile *tile = &self->tile;
    ptrdiff_t pixels = smaller(tile->column_end - tile->column, SEGMENT);

    if (tile->row == self->row) {
        locate_columns(self);
    }
    begin_segment(self, tile->row, pixels, false);
    tile->row++;
    if (tile->row == tile->row_end) {
        tile->row = self->row;
        tile->column += pixels;
    }
    return pixels;
}

/* The same where the picture is narrow: tile->row and tile->column are the next point's. At the end of the tile, the
   column is the one behind the last, as above. */
static TARGET __attribute__((noinline)) ptrdiff_t
begin_rows(stream *self)
{
    mandelbrot_tile *tile = &self->tile;
    ptrdiff_t width = self->picture->width;
    ptrdiff_t pixels = smaller((tile->row_end - tile->row) * width - tile->column, SEGMENT);

    locate_points(self);
    begin_segment(self, tile->row, pixels, true);
    tile->row += (tile->column + pixels) / width;
    tile->column = (tile->column + pixels) % width;
    if (tile->row == tile->row_end) {
        tile->column = width;
    }
    return pixels;
}

/* Gets some more points to wait, if they stay so long. False: there are no more, or the checkpoint says stop. */
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

/* After a block that began with `g` and has led to zr and zi: takes the lanes that are done out of `busy`, and refills
   them when it is worth while. */
INLINE unsigned
settle(stream *self, group *g, unsigned busy, vector zr, vector zi)
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
    if (self->shortcut) { /* back where the block began: it will go round and round */
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

/* The length of blocks where few points escape, such that the last one ends with, or shortly after, the last of `left`
   steps. */
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

/* Counts one more block, and decides from time to time how long the next ones shall be: short if more than one lane in
   twelve escapes in a block. What a point's count is doesn't depend on it. */
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
            busy[k] = settle(&self, &groups[k], busy[k], zr[k], zi[k]);
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
