/* stations.c: lines "name;-12.3" to the smallest, largest and mean temperature of each name, on any number of threads.

   In Python:

       def stations_run(source, segment, threads):
           tables = [{} for _ in range(threads)]
           for start in range(0, len(source), segment):       # shared by the threads: whoever is free takes the next
               for line in lines_that_begin_in(source, start, start + segment):
                   name, tenths = parse(line)                   # or remember where the first malformed line begins
                   table = tables[this_thread]
                   low, high, total, count = table.get(name, (999, -999, 0, 0))
                   table[name] = min(low, tenths), max(high, tenths), total + tenths, count + 1
           return sorted(merge(tables).items())

   A line is a name, then ';', then a temperature of the form -?[0-9]?[0-9][.][0-9], and "\n" or "\r\n". A name is 1 to
   100 bytes of UTF-8 without ';' and newline. The last line may do without its newline.

   Four files, one translation unit, so that the compiler can put everything that runs once a line into one loop:

       stations_block.h    finds the ';' among sixteen bytes
       stations_line.h     reads a temperature, and says what is wrong with a line
       stations_table.h    finds a name in a table
       stations.c          gives segments of the source to threads, and merges their tables

   What makes it fast, in the order of what it gains:

   * Nothing is allocated, copied or converted for a line. A name is found in the table by its first 16 bytes, which
     one instruction searches for the ';'. A temperature comes out of one 8-byte word without a branch.
   * Branches nearly always go the same way. A branch that the CPU guesses wrong costs as much as a line or two. So what
     is rare (a long name, a hash collision, "\r\n", anything malformed) leaves for tally_line. And there are many more
     slots than names, which makes collisions rare.
   * The end of a line is known only when its temperature has been read, so each line waits for the one before. Three
     lines, far from each other, are parsed in turn, which hides most of the wait.
   * Threads share nothing but the number of the next segment.

   The file is read, not mapped. A mapping saves a copy and costs page faults. Both took the same time (within 5 %, on
   ext4 with the pages in memory). But whoever touches a mapped page after the file has been truncated dies of SIGBUS.
   Lines in the caller's memory are copied too, a segment at a time, before they are parsed. Whatever other threads write
   there meanwhile, what has been checked does not change any more. (The line at the border of two segments is in both
   copies, which may differ then: both may count it, or neither.)

   Threads: any number of calls at a time. A table belongs to one thread until pool_run returns.
   Ownership: the result owns all that is left of a run; stations_release frees it. The source is borrowed. */

#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#else
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#endif

#include "stations.h"

#include "stations_block.h"
#include "stations_line.h"
#include "stations_table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a tally: what one thread reads into, and what it has counted ---- */

typedef struct {
    table table;
    uint8_t *buffer; /* a segment, the rest of its last line, and padding */
    checkpoint *check;
    bool calls;             /* on the thread that called stations_run: the one that signals may reach */
    stations_status status; /* a thread that fails takes no other segment */
    uint64_t offset;
    const char *reason;
    int error;
} tally;

/* Counts one line of any form. Returns where the next one begins; NULL: self->status says why not. */
static __attribute__((noinline)) const uint8_t *
tally_line(tally *self, const uint8_t *line)
{
    size_t length = name_length(line);
    const uint8_t *next;
    entry *found;
    int tenths;

    if (length == 0 || length > STATIONS_NAME_MAX ||
        (!tenths_read(line + length + 1, &tenths, &next) && !tenths_read_slowly(line + length + 1, &tenths, &next))) {
        self->status = STATIONS_MALFORMED;
        return NULL;
    }
    self->status = table_enter(&self->table, line, length, self->check, &found);
    if (self->status != STATIONS_DONE) {
        return NULL;
    }
    entry_add(found, tenths);
    return next;
}

/* The same, at full speed for a known name of less than 16 bytes, alone in its slot, and a temperature before "\n". */
ALWAYS_INLINE bool
tally_line_fast(tally *self, const uint8_t **line)
{
    block head = block_load(*line);
    unsigned length = block_find_semicolon(head);
    const uint8_t *next;
    int tenths;

    if (!UNLIKELY(length == 16)) {
        prefix start = prefix_of(head, length);
        entry *found = &self->table.entries[self->table.slots[prefix_hash(start) >> self->table.shift]];

        if (!UNLIKELY(((found->prefix.low ^ start.low) | (found->prefix.high ^ start.high)) != 0) &&
            !UNLIKELY(!tenths_read(*line + length + 1, &tenths, &next))) {
            entry_add(found, tenths);
            *line = next;
            return true;
        }
    }
    next = tally_line(self, *line);
    if (next == NULL) {
        return false;
    }
    *line = next;
    return true;
}

/* Where the first line begins that begins at or after `place`, which is not the start of the data; `end` if none does. */
static const uint8_t *
next_line(const uint8_t *place, const uint8_t *end)
{
    const uint8_t *newline = place < end ? memchr(place - 1, '\n', (size_t)(end - place)) : NULL;

    return newline == NULL ? end : newline + 1;
}

/* Counts the lines from `line` to `end`, one after the other. False: self->status says why not. */
ALWAYS_INLINE bool
tally_lines_in_turn(tally *self, const uint8_t *line, const uint8_t *end)
{
    while (line < end) {
        if (!tally_line_fast(self, &line)) {
            return false;
        }
    }
    return true;
}

/* Counts the lines from begin to end, where one begins and one ended. False: self->status says why not.
   They are cut into three parts of about a third of the bytes each. A line of each is counted in turn until one part is
   at its end; then what is left of each, by itself. Of a few bytes all lines are in the first part. */
static bool
tally_lines(tally *self, const uint8_t *begin, const uint8_t *end)
{
    ptrdiff_t third = (end - begin) / 3;
    const uint8_t *in_first = begin, *in_second = end, *in_last = end;

    if (third > 0) {
        in_second = next_line(begin + third, end);
        in_last = next_line(begin + 2 * third, end);
    }
    const uint8_t *first_end = in_second, *second_end = in_last;

    while (in_first < first_end && in_second < second_end && in_last < end) {
        if (!tally_line_fast(self, &in_first) || !tally_line_fast(self, &in_second) ||
            !tally_line_fast(self, &in_last)) {
            return false;
        }
    }
    return tally_lines_in_turn(self, in_first, first_end) && tally_lines_in_turn(self, in_second, second_end) &&
           tally_lines_in_turn(self, in_last, end);
}

/* Finds the first malformed line from begin on, where there is one. `offset` is that of begin. */
static void
tally_complain(tally *self, const uint8_t *begin, uint64_t offset)
{
    const uint8_t *line = begin, *next = begin;

    while ((self->reason = line_complaint(line, &next)) == NULL) {
        line = next;
    }
    self->offset = offset + (uint64_t)(line - begin);
}

static void
tally_free(tally *self)
{
    if (self != NULL) {
        table_free(&self->table);
        free(self->buffer);
        free(self);
    }
}

/* For segments of so many bytes, of `size` altogether. NULL: no memory. */
static tally *
tally_new(size_t segment, uint64_t size)
{
    void *memory;

    if (segment > SIZE_MAX / 2 || posix_memalign(&memory, CACHE_LINE_BYTES, sizeof(tally)) != 0) {
        return NULL;
    }
    tally *self = memset(memory, 0, sizeof(tally));
    self->buffer = malloc(1 + segment + LINE_MAX_BYTES + LINE_PADDING);
    if (self->buffer == NULL || !table_init(&self->table, size)) {
        free(self->buffer);
        free(self);
        return NULL;
    }
    return self;
}

/* ---- a run: all of the source, on all threads ---- */

typedef struct {
    stations_source source;
    stations_caller caller;
    size_t segment, threads;
    atomic_bool no_memory;
    station *stations; /* at the end: `count`, and as much room again to sort them in */
    size_t count;
    tally *tallies[]; /* NULL: took no segment */
} run;

/* Fills the buffer of `mine`. False: mine->status says why not. */
static bool
run_read(const run *self, tally *mine, uint64_t offset, size_t length)
{
    if (self->source.file < 0) {
        memcpy(mine->buffer, self->source.data + offset, length);
        return true;
    }
    for (size_t done = 0; done < length;) {
        ssize_t bytes = pread(self->source.file, mine->buffer + done, length - done, (off_t)(offset + done));
        int error = bytes < 0 ? errno : 0;

        if (bytes == 0 || (bytes < 0 && error != EINTR)) {
            mine->status = bytes == 0 ? STATIONS_SHRUNK : STATIONS_UNREADABLE;
            mine->error = error;
            mine->offset = offset + done;
            return false;
        }
        done += bytes > 0 ? (size_t)bytes : 0;
        /* The next read may take seconds, so the signal's handler must run before it, however lately one ran. */
        if (error == EINTR && mine->calls && self->caller.signalled != NULL) {
            self->caller.signalled(self->caller.context);
        }
        if (done < length && checkpoint_spend(mine->check, CHECKPOINT_BUDGET + 1)) {
            mine->status = STATIONS_STOPPED;
            return false;
        }
    }
    return true;
}

/* Reads and counts the lines that begin in a segment. False: mine->status says why not. */
static bool
run_segment(const run *self, tally *mine, uint64_t start)
{
    uint64_t size = self->source.size;
    uint64_t from = start > 0 ? start - 1 : 0; /* one byte earlier: does a line begin at `start`? */
    uint64_t end = size - start < self->segment ? size : start + self->segment;
    uint64_t upto = size - end < LINE_MAX_BYTES ? size : end + LINE_MAX_BYTES;
    size_t length = (size_t)(upto - from);
    uint8_t *buffer = mine->buffer;

    if (!run_read(self, mine, from, length)) {
        return false;
    }
    memset(buffer + length, 0, LINE_PADDING);
    if (upto == size && buffer[length - 1] != '\n') {
        buffer[length] = '\n';
    }
    const uint8_t *lines_end = buffer + (end - from);
    const uint8_t *lines = start > 0 ? next_line(buffer + 1, lines_end) : buffer;
    if (tally_lines(mine, lines, lines_end)) {
        return true;
    }
    if (mine->status == STATIONS_MALFORMED) {
        tally_complain(mine, lines, from + (uint64_t)(lines - buffer));
    }
    return false;
}

/* The pool's task. */
static void
run_task(void *context, size_t chunk, size_t index, checkpoint *check)
{
    run *self = *(run **)context;
    tally *mine = self->tallies[index];

    if (mine == NULL) {
        mine = self->tallies[index] = tally_new(self->segment, self->source.size);
    }
    if (mine != NULL) {
        mine->check = check;
        mine->calls = index == 0;
    }
    if (mine == NULL || !run_segment(self, mine, (uint64_t)chunk * self->segment)) {
        pool_finish(check); /* no later line matters; all earlier ones are somebody's already */
        if (mine == NULL || mine->status == STATIONS_NO_MEMORY) {
            atomic_store(&self->no_memory, true);
        }
    }
    /* After every segment: 150 microseconds of work, but the disk decides how long its reading took. */
    (void)checkpoint_spend(check, CHECKPOINT_BUDGET + 1);
}

static bool
station_precedes(const station *self, const station *other)
{
    int order = memcmp(self->name, other->name, self->length < other->length ? self->length : other->length);

    return order < 0 || (order == 0 && self->length < other->length);
}

/* Sorts by merging stretches of 1, 2, 4... between the two halves of `stations`; unlike qsort it can be told to stop.
   Returns the half where they are in the end; NULL: stopped. */
static station *
stations_sort(station *stations, size_t count, checkpoint *check)
{
    station *from = stations, *into = stations + count;

    for (size_t length = 1; length < count; length *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * length) {
            size_t middle = count - begin < length ? count : begin + length;
            size_t end = count - middle < length ? count : middle + length;
            size_t left = begin, right = middle;

            for (size_t k = begin; k < end; k++) {
                bool take_right = left == middle || (right < end && station_precedes(&from[right], &from[left]));

                into[k] = from[take_right ? right++ : left++];
                if (checkpoint_spend(check, 4)) {
                    return NULL;
                }
            }
        }
        station *swapped = from;
        from = into;
        into = swapped;
    }
    return from;
}

/* All tables into the first, and that into a sorted array. */
static stations_status
run_merge(run *self, checkpoint *check, const station **sorted)
{
    table *all = NULL;

    for (size_t k = 0; k < self->threads; k++) {
        if (self->tallies[k] != NULL && all != NULL) {
            stations_status status = table_merge(all, &self->tallies[k]->table, check);

            if (status != STATIONS_DONE) {
                return status;
            }
            tally_free(self->tallies[k]);
            self->tallies[k] = NULL;
        } else if (self->tallies[k] != NULL) {
            all = &self->tallies[k]->table;
        }
    }
    if (all == NULL || all->count == 1) {
        return STATIONS_DONE;
    }
    self->count = all->count - 1;
    self->stations = calloc(self->count, 2 * sizeof(station));
    if (self->stations == NULL) {
        return STATIONS_NO_MEMORY;
    }
    for (size_t k = 0; k < self->count; k++) {
        const entry *from = &all->entries[k + 1];

        self->stations[k] = (station){
            .name = (const char *)all->names + from->where,
            .length = from->length,
            .sum = from->sum,
            .count = from->count,
            .min = from->min,
            .max = from->max,
        };
        if (checkpoint_spend(check, 8)) {
            return STATIONS_STOPPED;
        }
    }
    *sorted = stations_sort(self->stations, self->count, check);
    return *sorted == NULL ? STATIONS_STOPPED : STATIONS_DONE;
}

/* What the task of merging gets, and gives. */
typedef struct {
    run *whole;
    const station *sorted;
    stations_status status;
} merging;

static void
run_merge_task(void *context, size_t chunk, size_t index, checkpoint *check)
{
    merging *self = *(merging **)context;

    (void)chunk;
    (void)index;
    self->status = run_merge(self->whole, check, &self->sorted);
}

/* How the counting went: the failure of the lowest offset. */
static stations_status
run_status(run *self, stations_result *result)
{
    stations_status status = STATIONS_DONE;

    if (atomic_load(&self->no_memory)) {
        return STATIONS_NO_MEMORY;
    }
    for (size_t k = 0; k < self->threads; k++) {
        const tally *one = self->tallies[k];

        if (one != NULL && one->status != STATIONS_DONE && (status == STATIONS_DONE || one->offset < result->offset)) {
            status = one->status;
            result->offset = one->offset;
            result->reason = one->reason;
            result->error = one->error;
        }
    }
    return status;
}

static void
run_free(run *self)
{
    for (size_t k = 0; k < self->threads; k++) {
        tally_free(self->tallies[k]);
    }
    free(self->stations);
    free(self);
}

/* Counts all lines of the source, `segment` (at least 1) bytes of it at a time, on at most `threads` threads. Fills
   *result as its status says; it must be released when the status is STATIONS_DONE. */
stations_status
stations_run(const stations_source *source, size_t segment, size_t threads, const stations_caller *caller,
             stations_result *result)
{
    static const stations_status statuses[] = {
        [POOL_DONE] = STATIONS_DONE,
        [POOL_STOPPED] = STATIONS_STOPPED,
        [POOL_FORKED] = STATIONS_FORKED,
        [POOL_NO_MEMORY] = STATIONS_NO_MEMORY,
    };
    uint64_t chunks = source->size / segment + (source->size % segment != 0);

    memset(result, 0, sizeof(*result));
    threads = threads > POOL_MAX_THREADS ? POOL_MAX_THREADS : threads < 1 ? 1 : threads;
    /* On the heap, as all that helpers touch: see pool.c. */
    run *self = chunks > SIZE_MAX ? NULL : calloc(1, sizeof(run) + threads * sizeof(tally *));
    if (self == NULL) {
        return STATIONS_NO_MEMORY;
    }
    self->source = *source;
    self->caller = *caller;
    self->segment = segment < source->size ? segment : (size_t)source->size;
    self->threads = threads;
    atomic_init(&self->no_memory, false);

    stations_status status = statuses[pool_run(run_task, &self, sizeof(self), (size_t)chunks, threads,
                                               caller->interrupted, caller->context)];
    if (status == STATIONS_DONE) {
        status = run_status(self, result);
    }
    if (status == STATIONS_DONE) { /* a job of its own, of one chunk: only a job has a checkpoint */
        merging last = {.whole = self}, *context = &last;

        status =
            statuses[pool_run(run_merge_task, &context, sizeof(context), 1, 1, caller->interrupted, caller->context)];
        status = status == STATIONS_DONE ? last.status : status;
        result->stations = last.sorted;
        result->count = self->count;
        result->memory = self;
    }
    if (status != STATIONS_DONE && status != STATIONS_FORKED) { /* a lost helper may have been inside of realloc */
        run_free(self);
    }
    return status;
}

void
stations_release(stations_result *result)
{
    run_free(result->memory);
    result->memory = NULL;
}
