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

   A line is a name of 1 to 100 bytes of UTF-8, anything but ';' and newline in it, then ';', a temperature of the form
   -?[0-9]?[0-9][.][0-9], and "\n" or "\r\n". The last line may do without its newline.

   What makes it fast, in the order of what it gains:

   * Nothing is allocated, copied or converted for a line. A name is found in the table by its first 16 bytes, which
     one instruction searches for the ';'; a temperature comes out of one 8-byte word without a branch.
   * Branches go the same way nearly always: it is a wrong guess that costs, as much as a line or two. So what is
     rare (a long name, a hash collision, "\r\n", anything malformed) leaves for worker_line, and the slots are many
     more than the names, which makes collisions rare.
   * A line's end is known only when its temperature has been looked at: a chain from line to line. Three lines, far
     from each other, are parsed at a time, which hides most of the wait.
   * Threads share nothing but the number of the next segment.

   The file is read, not mapped. A mapping saves a copy and costs page faults, and came out even (within 5 %, on ext4
   with the pages in memory); but who touches a mapped page after somebody has truncated the file dies of SIGBUS. So lines
   in the caller's memory are copied, a segment at a time, before they are parsed: whatever other threads write there
   meanwhile, what has been checked does not change any more. (The line at the border of two segments is in both copies,
   which may differ then: both may count it, or neither.)

   Threads: any number of calls at a time. Tables belong to one worker each until pool_run returns.
   Ownership: the result owns all that is left of a job; stations_release frees it. The source is borrowed. */

#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#else
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#endif

#include "stations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line's length at most, "\r\n" included. */
#define LINE_MAX_BYTES (STATIONS_NAME_MAX + 8)

/* A line is read 16 bytes at a time, and the last one to its end: this much behind the data is readable, zeros first. */
#define PADDING 128

/* What threads write often lives this far apart. */
#define CACHE_LINES 128

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* ---- eight and sixteen bytes at a time ---- */

/* Eight bytes as a number, the first of them the lowest, on any machine. */
ALWAYS_INLINE uint64_t
load_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#define FIRST_OF_8(n) ((n) >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << ((n)&7) * 8) - 1)
#define FIRST_OF_16(n)                                                                                                 \
    {                                                                                                                  \
        FIRST_OF_8(n), (n) > 8 ? FIRST_OF_8((n)-8) : 0                                                                 \
    }

/* Row n has ones in its first n bytes. */
static const _Alignas(16) uint64_t first_of_16[17][2] = {
    FIRST_OF_16(0),  FIRST_OF_16(1),  FIRST_OF_16(2),  FIRST_OF_16(3),  FIRST_OF_16(4),  FIRST_OF_16(5),
    FIRST_OF_16(6),  FIRST_OF_16(7),  FIRST_OF_16(8),  FIRST_OF_16(9),  FIRST_OF_16(10), FIRST_OF_16(11),
    FIRST_OF_16(12), FIRST_OF_16(13), FIRST_OF_16(14), FIRST_OF_16(15), FIRST_OF_16(16),
};

/* A block is 16 bytes. block_find_semicolon returns its first place, 16 if there is none; block_first keeps the first n
   bytes, as two words, the others being zero. */

#if defined(__x86_64__) && !defined(STATIONS_PORTABLE)

#include <emmintrin.h>

typedef __m128i block;

ALWAYS_INLINE block
block_load(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

ALWAYS_INLINE unsigned
block_find_semicolon(block self)
{
    unsigned found = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(self, _mm_set1_epi8(';')));

    return (unsigned)__builtin_ctz(found | 1u << 16);
}

ALWAYS_INLINE void
block_first(block self, unsigned n, uint64_t *low, uint64_t *high)
{
    self = _mm_and_si128(self, _mm_load_si128((const __m128i *)(const void *)first_of_16[n]));
    *low = (uint64_t)_mm_cvtsi128_si64(self);
    *high = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(self, self));
}

#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(STATIONS_PORTABLE)

#include <arm_neon.h>

typedef uint8x16_t block;

ALWAYS_INLINE block
block_load(const uint8_t *bytes)
{
    return vld1q_u8(bytes);
}

ALWAYS_INLINE unsigned
block_find_semicolon(block self)
{
    uint16x8_t equal = vreinterpretq_u16_u8(vceqq_u8(self, vdupq_n_u8(';')));
    uint64_t found = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(equal, 4)), 0); /* four bits a byte */

    return found == 0 ? 16 : (unsigned)__builtin_ctzll(found) / 4;
}

ALWAYS_INLINE void
block_first(block self, unsigned n, uint64_t *low, uint64_t *high)
{
    uint64x2_t kept = vandq_u64(vreinterpretq_u64_u8(self), vld1q_u64(first_of_16[n]));

    *low = vgetq_lane_u64(kept, 0);
    *high = vgetq_lane_u64(kept, 1);
}

#else /* two words on any machine */

typedef struct {
    uint64_t low, high;
} block;

ALWAYS_INLINE block
block_load(const uint8_t *bytes)
{
    return (block){load_word(bytes), load_word(bytes + 8)};
}

/* The lowest bit set is the highest of the first ';' in the word. */
ALWAYS_INLINE uint64_t
word_find_semicolon(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    word ^= ones * ';';
    return (word - ones) & ~word & ones << 7;
}

ALWAYS_INLINE unsigned
block_find_semicolon(block self)
{
    uint64_t low = word_find_semicolon(self.low), high = word_find_semicolon(self.high);

    if (low != 0) {
        return (unsigned)__builtin_ctzll(low) / 8;
    }
    return high == 0 ? 16 : 8 + (unsigned)__builtin_ctzll(high) / 8;
}

ALWAYS_INLINE void
block_first(block self, unsigned n, uint64_t *low, uint64_t *high)
{
    *low = self.low & first_of_16[n][0];
    *high = self.high & first_of_16[n][1];
}

#endif

/* ---- one line ---- */

/* "00.0\n" as a word. With it, exclusive or makes of the text "12.3\n" the bytes 1, 2, 0, 3, 0: its digits as numbers,
   and zero where the text must be what it is. What follows the "\n" is in the upper three bytes; nobody looks at them. */
#define ZERO_DEGREES UINT64_C(0x0a302e3030)

/* Is that what the word holds? A digit is less than 16, and less than 16 with 6 added; the others are zero. */
ALWAYS_INLINE bool
digits_good(uint64_t digits)
{
    return (((digits + UINT64_C(0x0006000606)) | digits) & UINT64_C(0xfff0fff0f0)) == 0;
}

/* One multiplication: 100, 10 and 1 times the digits meet in bits 24 to 33. What else it makes is above or below. */
ALWAYS_INLINE int
digits_value(uint64_t digits)
{
    return (int)(digits * (100 << 24 | 10 << 16 | 1) >> 24 & 0x3ff);
}

/* Reads a temperature that a mere "\n" ends; in tenths. False: it is of another form, or wrong. */
ALWAYS_INLINE bool
tenths_read(const uint8_t *text, int *tenths, const uint8_t **next)
{
    uint64_t word = load_word(text);
    uint64_t minus = (uint8_t)word == '-'; /* 0 or 1, as the next one: numbers to reckon with, not branches */

    word >>= minus * 8;
    uint64_t one_digit = (word & 0xff00) == '.' << 8;
    word = one_digit ? word << 8 | '0' : word; /* "5.3\n" is "05.3\n" now */

    uint64_t digits = word ^ ZERO_DEGREES;
    if (UNLIKELY(!digits_good(digits))) {
        return false;
    }
    int absolute = digits_value(digits);
    *tenths = (absolute ^ -(int)minus) + (int)minus; /* negative where minus is 1 */
    *next = text + 5 + minus - one_digit;
    return true;
}

ALWAYS_INLINE bool
is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The same one byte at a time, "\r\n" included. */
static bool
tenths_read_slowly(const uint8_t *text, int *tenths, const uint8_t **next)
{
    bool minus = *text == '-';
    int absolute;

    text += minus;
    if (!is_digit(*text)) {
        return false;
    }
    absolute = *text++ - '0';
    if (is_digit(*text)) {
        absolute = absolute * 10 + *text++ - '0';
    }
    if (*text++ != '.' || !is_digit(*text)) {
        return false;
    }
    absolute = absolute * 10 + *text++ - '0';
    text += *text == '\r';
    if (*text++ != '\n') {
        return false;
    }
    *tenths = minus ? -absolute : absolute;
    *next = text;
    return true;
}

/* The place of the first ';'; if that is behind the longest name, anything greater than STATIONS_NAME_MAX. */
static size_t
name_length(const uint8_t *line)
{
    size_t length = 0;
    unsigned found;

    do {
        found = block_find_semicolon(block_load(line + length));
        length += found;
    } while (found == 16 && length <= STATIONS_NAME_MAX);
    return length;
}

/* The length of the UTF-8 sequence that begins here and ends before `end`; 0: it is none. */
static size_t
utf8_sequence(const uint8_t *text, const uint8_t *end)
{
    uint8_t first = text[0], least = 0x80, most = 0xbf; /* what the second byte may be */
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (length > (size_t)(end - text)) {
        return 0;
    }
    if (first == 0xe0) {
        least = 0xa0; /* what fits two bytes must not take three */
    } else if (first == 0xed) {
        most = 0x9f; /* surrogates */
    } else if (first == 0xf0) {
        least = 0x90;
    } else if (first == 0xf4) {
        most = 0x8f; /* beyond U+10FFFF */
    }
    if (length > 1 && (text[1] < least || text[1] > most)) {
        return 0;
    }
    for (size_t k = 2; k < length; k++) {
        if (text[k] < 0x80 || text[k] > 0xbf) {
            return 0;
        }
    }
    return length;
}

/* What is wrong with the name of a line, whose first ';' is at `length`; NULL: nothing. */
static const char *
name_complaint(const uint8_t *line, size_t length)
{
    if (memchr(line, '\n', length > STATIONS_NAME_MAX ? STATIONS_NAME_MAX + 1 : length) != NULL) {
        return "no ';'";
    }
    if (length == 0) {
        return "an empty name";
    }
    if (length > STATIONS_NAME_MAX) {
        return "a name of more than 100 bytes";
    }
    for (const uint8_t *text = line, *end = line + length; text < end;) {
        size_t sequence = utf8_sequence(text, end);

        if (sequence == 0) {
            return "a name that is not UTF-8";
        }
        text += sequence;
    }
    return NULL;
}

/* What is wrong with the line; NULL: nothing, and *next is where the next one begins. */
static const char *
line_complaint(const uint8_t *line, const uint8_t **next)
{
    size_t length = name_length(line);
    const char *complaint = name_complaint(line, length);
    int tenths;

    if (complaint == NULL && !tenths_read_slowly(line + length + 1, &tenths, next)) {
        complaint = "a temperature that is not of the form -12.3";
    }
    return complaint;
}

/* ---- a table of names ---- */

/* The first 16 bytes of a name and the ';' behind it, zeros from there on: of a name shorter than 16 bytes, all of it.
   No two of those are equal, nor is one equal to that of a longer name or of no name, for only they have a ';' in it. */
typedef struct {
    uint64_t low, high;
} prefix;

typedef struct {
    prefix prefix;
    int64_t sum, count;
    int16_t min, max;
    uint32_t length;
    size_t where; /* of the name in `names` */
} entry;

/* Open addressing: slots hold numbers of entries. Entry 0 is no name's, and its prefix, all zeros, that of no name
   shorter than 16 bytes; so where those are looked up, an empty slot, one with a zero in it, needs no test of its own. */
typedef struct {
    uint32_t *slots; /* 2 ** (64 - shift) of them */
    entry *entries;
    uint8_t *names; /* each with a ';' behind it; 16 bytes more are readable */
    unsigned shift;
    size_t count, capacity; /* of entries */
    size_t used, room;      /* bytes of names */
} table;

/* The slots at first are many more than the names of the challenge, so that these hardly ever share one. No more of them
   are touched than there are names. */
#define FIRST_SLOT_BITS_MIN 5
#define FIRST_SLOT_BITS_MAX 16
#define FIRST_ENTRIES_MAX ((size_t)512)
#define FIRST_NAMES_BYTES_MAX ((size_t)8192)
#define NAME_BYTES_MAX (STATIONS_NAME_MAX + 1) /* in `names`; twice the room is room for one more */
#define SLOTS_PER_NAME 4
#define NAMES_PADDING 16

/* The length of "a;1.0", the shortest line. */
#define LINE_MIN_BYTES 5

ALWAYS_INLINE prefix
prefix_of(block head, size_t length)
{
    prefix self;

    block_first(head, length < 16 ? (unsigned)length + 1 : 16, &self.low, &self.high);
    return self;
}

/* The upper bits are the good ones. The multipliers are the same in every process, so names that all collide can be
   made up: each lookup then walks past all of them. Random ones would cost every other file 2 %. */
ALWAYS_INLINE uint64_t
prefix_hash(prefix self)
{
    return self.low * UINT64_C(0x9e3779b97f4a7c15) + self.high * UINT64_C(0xd6e8feb86659fd93);
}

/* Of a longer name every byte counts; the last 16 may overlap with those before. */
static uint64_t
name_hash(const uint8_t *name, size_t length, prefix start)
{
    uint64_t hash = prefix_hash(start);

    for (size_t done = 16; done < length; done += 16) {
        const uint8_t *bytes = name + (length - done < 16 ? length - 16 : done);
        prefix next = {load_word(bytes) ^ hash, load_word(bytes + 8) ^ hash >> 32};

        hash = prefix_hash(next);
    }
    return hash;
}

/* Are two names of one length equal behind their first 16 bytes? */
static bool
name_ends_equal(const uint8_t *name, const uint8_t *other, size_t length)
{
    for (size_t done = 16; done < length; done += 16) {
        size_t at = length - done < 16 ? length - 16 : done;

        if (((load_word(name + at) ^ load_word(other + at)) | (load_word(name + at + 8) ^ load_word(other + at + 8))) !=
            0) {
            return false;
        }
    }
    return true;
}

static size_t
table_slots(const table *self)
{
    return (size_t)1 << (64 - self->shift);
}

static void
table_free(table *self)
{
    free(self->slots);
    free(self->entries);
    free(self->names);
}

/* An empty table for `size` bytes of lines: a few lines get a small one. False: no memory. */
static bool
table_init(table *self, uint64_t size)
{
    uint64_t lines = size / LINE_MIN_BYTES + 1;
    unsigned bits = FIRST_SLOT_BITS_MIN;

    while (bits < FIRST_SLOT_BITS_MAX && UINT64_C(1) << bits < lines * SLOTS_PER_NAME) {
        bits++;
    }
    *self = (table){
        .shift = 64 - bits,
        .count = 1,
        .capacity = lines < FIRST_ENTRIES_MAX ? (size_t)lines + 1 : FIRST_ENTRIES_MAX,
        .room = size < FIRST_NAMES_BYTES_MAX ? (size_t)size + NAME_BYTES_MAX : FIRST_NAMES_BYTES_MAX,
    };
    self->slots = calloc(table_slots(self), sizeof(*self->slots));
    self->entries = calloc(self->capacity, sizeof(*self->entries));
    self->names = calloc(self->room + NAMES_PADDING, 1);
    if (self->slots == NULL || self->entries == NULL || self->names == NULL) {
        table_free(self);
        return false;
    }
    return true;
}

/* The slot of a name, or the empty one where it belongs. NULL: told to stop, which matters when somebody has made up
   names that all collide. */
static uint32_t *
table_probe(const table *self, const uint8_t *name, size_t length, prefix start, checkpoint *check)
{
    size_t mask = table_slots(self) - 1;
    size_t place = (size_t)(name_hash(name, length, start) >> self->shift);

    for (size_t steps = 1;; steps++, place = (place + 1) & mask) {
        const entry *candidate = &self->entries[self->slots[place]];

        if (self->slots[place] == 0 ||
            (candidate->prefix.low == start.low && candidate->prefix.high == start.high &&
             candidate->length == length && name_ends_equal(self->names + candidate->where, name, length))) {
            return &self->slots[place];
        }
        if (steps % 64 == 0 && checkpoint_spend(check, 64)) {
            return NULL;
        }
    }
}

/* Makes room for one more entry. False: no memory. */
static bool
table_reserve_entry(table *self)
{
    if (self->count < self->capacity) {
        return true;
    }
    if (self->capacity > UINT32_MAX / 2 || self->capacity > SIZE_MAX / 2 / sizeof(entry)) {
        return false;
    }
    entry *entries = realloc(self->entries, 2 * self->capacity * sizeof(entry));
    if (entries == NULL) {
        return false;
    }
    self->entries = entries;
    self->capacity *= 2;
    return true;
}

/* Makes room for the bytes of one more name. False: no memory. */
static bool
table_reserve_bytes(table *self, size_t length)
{
    if (self->room - self->used >= length + 1) {
        return true;
    }
    if (self->room > SIZE_MAX / 4) {
        return false;
    }
    uint8_t *names = realloc(self->names, 2 * self->room + NAMES_PADDING);
    if (names == NULL) {
        return false;
    }
    self->names = names;
    self->room *= 2;
    return true;
}

/* Makes room for one more number of an entry: twice the slots when they get full, and every name in its new slot. */
static stations_status
table_reserve_slot(table *self, checkpoint *check)
{
    if (self->count < table_slots(self) / SLOTS_PER_NAME) {
        return STATIONS_DONE;
    }
    table larger = *self;

    larger.shift--;
    larger.slots = calloc(table_slots(&larger), sizeof(*larger.slots));
    if (larger.slots == NULL) {
        return STATIONS_NO_MEMORY;
    }
    for (size_t k = 1; k < self->count; k++) {
        const entry *moved = &self->entries[k];
        uint32_t *slot = table_probe(&larger, self->names + moved->where, moved->length, moved->prefix, check);

        if (slot == NULL || checkpoint_spend(check, 8)) {
            free(larger.slots);
            return STATIONS_STOPPED;
        }
        *slot = (uint32_t)k;
    }
    free(self->slots);
    *self = larger;
    return STATIONS_DONE;
}

/* Makes room for one more name of that length. */
static stations_status
table_reserve(table *self, size_t length, checkpoint *check)
{
    if (!table_reserve_entry(self) || !table_reserve_bytes(self, length)) {
        return STATIONS_NO_MEMORY;
    }
    return table_reserve_slot(self, check);
}

/* Finds a name, or enters it if it is a good one; 15 bytes behind it must be readable, and the first of them a ';'. */
static stations_status
table_enter(table *self, const uint8_t *name, size_t length, checkpoint *check, entry **found)
{
    prefix start = prefix_of(block_load(name), length);
    uint32_t *slot = table_probe(self, name, length, start, check);

    if (slot != NULL && *slot == 0) {
        if (name_complaint(name, length) != NULL) {
            return STATIONS_MALFORMED;
        }
        stations_status status = table_reserve(self, length, check);
        if (status != STATIONS_DONE) {
            return status;
        }
        slot = table_probe(self, name, length, start, check); /* there may be other slots now */
        if (slot != NULL) {
            *slot = (uint32_t)self->count;
            self->entries[self->count++] = (entry){start, 0, 0, INT16_MAX, INT16_MIN, (uint32_t)length, self->used};
            memcpy(self->names + self->used, name, length);
            self->names[self->used + length] = ';';
            self->used += length + 1;
        }
    }
    if (slot == NULL) {
        return STATIONS_STOPPED;
    }
    *found = &self->entries[*slot];
    return STATIONS_DONE;
}

ALWAYS_INLINE void
entry_add(entry *self, int tenths)
{
    self->sum += tenths;
    self->count++;
    if (tenths < self->min) { /* seldom: a branch is guessed right, a minimum would have to be stored each time */
        self->min = (int16_t)tenths;
    }
    if (tenths > self->max) {
        self->max = (int16_t)tenths;
    }
}

/* ---- a worker: one thread, its buffer and its table ---- */

typedef struct {
    table table;
    uint8_t *buffer; /* a segment, the rest of its last line, and padding */
    checkpoint *check;
    bool calls;             /* on the thread that called stations_run: the one that signals may reach */
    stations_status status; /* a worker that fails takes no other segment */
    uint64_t offset;
    const char *reason;
    int error;
} worker;

/* Counts one line of any form. Returns where the next one begins; NULL: self->status says why not. */
static __attribute__((noinline)) const uint8_t *
worker_line(worker *self, const uint8_t *line)
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
worker_line_fast(worker *self, const uint8_t **line)
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
    next = worker_line(self, *line);
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
worker_lines_in_turn(worker *self, const uint8_t *line, const uint8_t *end)
{
    while (line < end) {
        if (!worker_line_fast(self, &line)) {
            return false;
        }
    }
    return true;
}

/* Counts the lines from begin to end, where one begins and one ended. False: self->status says why not.
   They are cut into three parts of about a third of the bytes each. A line of each is counted in turn until one part is
   at its end; then what is left of each, by itself. Of a few bytes all lines are in the first part. */
static bool
worker_lines(worker *self, const uint8_t *begin, const uint8_t *end)
{
    ptrdiff_t third = (end - begin) / 3;
    const uint8_t *in_first = begin, *in_second = end, *in_last = end;

    if (third > 0) {
        in_second = next_line(begin + third, end);
        in_last = next_line(begin + 2 * third, end);
    }
    const uint8_t *first_end = in_second, *second_end = in_last;

    while (in_first < first_end && in_second < second_end && in_last < end) {
        if (!worker_line_fast(self, &in_first) || !worker_line_fast(self, &in_second) ||
            !worker_line_fast(self, &in_last)) {
            return false;
        }
    }
    return worker_lines_in_turn(self, in_first, first_end) && worker_lines_in_turn(self, in_second, second_end) &&
           worker_lines_in_turn(self, in_last, end);
}

/* Finds the first malformed line from begin on, where there is one. `offset` is that of begin. */
static void
worker_complain(worker *self, const uint8_t *begin, uint64_t offset)
{
    const uint8_t *line = begin, *next = begin;

    while ((self->reason = line_complaint(line, &next)) == NULL) {
        line = next;
    }
    self->offset = offset + (uint64_t)(line - begin);
}

static void
worker_free(worker *self)
{
    if (self != NULL) {
        table_free(&self->table);
        free(self->buffer);
        free(self);
    }
}

/* For segments of so many bytes, of `size` altogether. NULL: no memory. */
static worker *
worker_new(size_t segment, uint64_t size)
{
    void *memory;

    if (segment > SIZE_MAX / 2 || posix_memalign(&memory, CACHE_LINES, sizeof(worker)) != 0) {
        return NULL;
    }
    worker *self = memset(memory, 0, sizeof(worker));
    self->buffer = malloc(1 + segment + LINE_MAX_BYTES + PADDING);
    if (self->buffer == NULL || !table_init(&self->table, size)) {
        free(self->buffer);
        free(self);
        return NULL;
    }
    return self;
}

/* ---- a job: all of the source ---- */

typedef struct {
    stations_source source;
    stations_caller caller;
    size_t segment, threads;
    atomic_bool no_memory;
    station *stations; /* at the end: `count`, and as much room again to sort them in */
    size_t count;
    worker *workers[]; /* NULL: took no segment */
} job;

/* Fills the reader's buffer. False: reader->status says why not. */
static bool
job_read(const job *self, worker *reader, uint64_t offset, size_t length)
{
    if (self->source.file < 0) {
        memcpy(reader->buffer, self->source.data + offset, length);
        return true;
    }
    for (size_t done = 0; done < length;) {
        ssize_t bytes = pread(self->source.file, reader->buffer + done, length - done, (off_t)(offset + done));
        int error = bytes < 0 ? errno : 0;

        if (bytes == 0 || (bytes < 0 && error != EINTR)) {
            reader->status = bytes == 0 ? STATIONS_SHRUNK : STATIONS_UNREADABLE;
            reader->error = error;
            reader->offset = offset + done;
            return false;
        }
        done += bytes > 0 ? (size_t)bytes : 0;
        /* The next read may take seconds, so the signal's handler must run before it, however lately one ran. */
        if (error == EINTR && reader->calls && self->caller.signalled != NULL) {
            self->caller.signalled(self->caller.context);
        }
        if (done < length && checkpoint_spend(reader->check, CHECKPOINT_BUDGET + 1)) {
            reader->status = STATIONS_STOPPED;
            return false;
        }
    }
    return true;
}

/* Reads and counts the lines that begin in a segment. False: reader->status says why not. */
static bool
job_segment(const job *self, worker *reader, uint64_t start)
{
    uint64_t size = self->source.size;
    uint64_t from = start > 0 ? start - 1 : 0; /* one byte earlier: does a line begin at `start`? */
    uint64_t end = size - start < self->segment ? size : start + self->segment;
    uint64_t upto = size - end < LINE_MAX_BYTES ? size : end + LINE_MAX_BYTES;
    size_t length = (size_t)(upto - from);
    uint8_t *buffer = reader->buffer;

    if (!job_read(self, reader, from, length)) {
        return false;
    }
    memset(buffer + length, 0, PADDING);
    if (upto == size && buffer[length - 1] != '\n') {
        buffer[length] = '\n';
    }
    const uint8_t *lines_end = buffer + (end - from);
    const uint8_t *lines = start > 0 ? next_line(buffer + 1, lines_end) : buffer;
    if (worker_lines(reader, lines, lines_end)) {
        return true;
    }
    if (reader->status == STATIONS_MALFORMED) {
        worker_complain(reader, lines, from + (uint64_t)(lines - buffer));
    }
    return false;
}

/* The pool's task. */
static void
job_task(void *context, size_t chunk, size_t index, checkpoint *check)
{
    job *self = *(job **)context;
    worker *mine = self->workers[index];

    if (mine == NULL) {
        mine = self->workers[index] = worker_new(self->segment, self->source.size);
    }
    if (mine != NULL) {
        mine->check = check;
        mine->calls = index == 0;
    }
    if (mine == NULL || !job_segment(self, mine, (uint64_t)chunk * self->segment)) {
        pool_finish(check); /* no later line matters; all earlier ones are somebody's already */
        if (mine == NULL || mine->status == STATIONS_NO_MEMORY) {
            atomic_store(&self->no_memory, true);
        }
    }
    /* After every segment: 150 microseconds of work, but the disk decides how long its reading took. */
    (void)checkpoint_spend(check, CHECKPOINT_BUDGET + 1);
}

/* Counts what is in one table in another. */
static stations_status
table_merge(table *self, const table *other, checkpoint *check)
{
    for (size_t k = 1; k < other->count; k++) {
        const entry *from = &other->entries[k];
        entry *into;
        stations_status status = table_enter(self, other->names + from->where, from->length, check, &into);

        if (status == STATIONS_DONE && checkpoint_spend(check, 8)) {
            status = STATIONS_STOPPED;
        }
        if (status != STATIONS_DONE) {
            return status;
        }
        into->sum += from->sum;
        into->count += from->count;
        into->min = from->min < into->min ? from->min : into->min;
        into->max = from->max > into->max ? from->max : into->max;
    }
    return STATIONS_DONE;
}

static bool
station_precedes(const station *self, const station *other)
{
    int order = memcmp(self->name, other->name, self->length < other->length ? self->length : other->length);

    return order < 0 || (order == 0 && self->length < other->length);
}

/* Sorts by merging runs of 1, 2, 4... between the two halves of `stations`; unlike qsort it can be told to stop.
   Returns the half where they are in the end; NULL: stopped. */
static station *
stations_sort(station *stations, size_t count, checkpoint *check)
{
    station *from = stations, *into = stations + count;

    for (size_t run = 1; run < count; run *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * run) {
            size_t middle = count - begin < run ? count : begin + run;
            size_t end = count - middle < run ? count : middle + run;
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
job_merge(job *self, checkpoint *check, const station **sorted)
{
    table *all = NULL;

    for (size_t k = 0; k < self->threads; k++) {
        if (self->workers[k] != NULL && all != NULL) {
            stations_status status = table_merge(all, &self->workers[k]->table, check);

            if (status != STATIONS_DONE) {
                return status;
            }
            worker_free(self->workers[k]);
            self->workers[k] = NULL;
        } else if (self->workers[k] != NULL) {
            all = &self->workers[k]->table;
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
    job *job;
    const station *sorted;
    stations_status status;
} merging;

static void
job_merge_task(void *context, size_t chunk, size_t index, checkpoint *check)
{
    merging *self = *(merging **)context;

    (void)chunk;
    (void)index;
    self->status = job_merge(self->job, check, &self->sorted);
}

/* How the counting went: the failure of the lowest offset. */
static stations_status
job_status(job *self, stations_result *result)
{
    stations_status status = STATIONS_DONE;

    if (atomic_load(&self->no_memory)) {
        return STATIONS_NO_MEMORY;
    }
    for (size_t k = 0; k < self->threads; k++) {
        const worker *one = self->workers[k];

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
job_free(job *self)
{
    for (size_t k = 0; k < self->threads; k++) {
        worker_free(self->workers[k]);
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
    job *self = chunks > SIZE_MAX ? NULL : calloc(1, sizeof(job) + threads * sizeof(worker *));
    if (self == NULL) {
        return STATIONS_NO_MEMORY;
    }
    self->source = *source;
    self->caller = *caller;
    self->segment = segment < source->size ? segment : (size_t)source->size;
    self->threads = threads;
    atomic_init(&self->no_memory, false);

    stations_status status = statuses[pool_run(job_task, &self, sizeof(self), (size_t)chunks, threads,
                                               caller->interrupted, caller->context)];
    if (status == STATIONS_DONE) {
        status = job_status(self, result);
    }
    if (status == STATIONS_DONE) { /* a job of its own, of one chunk, for the checkpoint */
        merging last = {.job = self}, *context = &last;

        status =
            statuses[pool_run(job_merge_task, &context, sizeof(context), 1, 1, caller->interrupted, caller->context)];
        status = status == STATIONS_DONE ? last.status : status;
        result->stations = last.sorted;
        result->count = self->count;
        result->memory = self;
    }
    if (status != STATIONS_DONE && status != STATIONS_FORKED) { /* a lost helper may have been inside of realloc */
        job_free(self);
    }
    return status;
}

void
stations_release(stations_result *result)
{
    job_free(result->memory);
    result->memory = NULL;
}
