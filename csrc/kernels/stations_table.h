/* stations_table.h: a table from names to what has been counted for them.

   In Python:

       def table_enter(table, name):
           return table.setdefault(name, Entry())

       def entry_add(entry, tenths):
           entry.sum += tenths
           entry.count += 1
           entry.min, entry.max = min(entry.min, tenths), max(entry.max, tenths)

       def table_merge(table, other):
           for name, entry in other.items():
               add(table_enter(table, name), entry)

   What a dict would do for each line, hash a bytes object and compare it, takes longer than all the rest. Here a name is
   found by its first 16 bytes, which are in a register when the ';' has been found in them.

   Threads: a table belongs to one thread. Several may read it once nobody writes.
   Ownership: a table owns its three arrays, table_free releases them. Entries move when it grows: a pointer to one is
   good until the next table_enter. */

#ifndef SNEK_STATIONS_TABLE_H
#define SNEK_STATIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "stations.h"
#include "stations_block.h"
#include "stations_line.h"

/* The first 16 bytes of a name with the ';' behind it. Of a name shorter than 16 bytes that is all; zeros follow. Such
   prefixes are equal only where the names are: a name of 16 bytes or more has no ';' in its prefix, and that of entry 0 is
   all zeros. */
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

/* Open addressing: a slot holds the number of an entry, and an empty slot a zero. Entry 0 belongs to no name. Its prefix
   is all zeros, which no name shorter than 16 bytes has. So where such a name is looked up, an empty slot needs no test
   of its own: it compares unequal. */
typedef struct {
    uint32_t *slots; /* 2 ** (64 - shift) of them */
    entry *entries;
    uint8_t *names; /* each with a ';' behind it; 16 bytes more are readable */
    unsigned shift;
    size_t count, capacity; /* of entries */
    size_t used, room;      /* bytes of names */
} table;

/* At first there are many more slots than the challenge has names, so that two of these hardly ever share one. That costs
   no memory that matters: only the slots that names hash to are ever touched. */
#define FIRST_SLOT_BITS_MIN 5
#define FIRST_SLOT_BITS_MAX 16
#define FIRST_ENTRIES_MAX ((size_t)512)
#define FIRST_NAMES_BYTES_MAX ((size_t)8192)
#define NAME_BYTES_MAX (STATIONS_NAME_MAX + 1) /* in `names`; twice the room is room for one more */
#define SLOTS_PER_NAME 4
#define NAMES_PADDING 16

ALWAYS_INLINE prefix
prefix_of(block head, size_t length)
{
    prefix self;

    block_first(head, length < 16 ? (unsigned)length + 1 : 16, &self.low, &self.high);
    return self;
}

/* The upper bits depend on every byte, so these choose the slot. The multipliers are the same in every process, so
   somebody can make up names that all collide: each lookup then walks past all of them. Random multipliers would prevent
   that and cost every other file 2 %. */
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

#endif
