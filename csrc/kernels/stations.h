/* stations.h: see stations.c. */

#ifndef SNEK_STATIONS_H
#define SNEK_STATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "pool.h"

#define STATIONS_NAME_MAX 100

/* What a thread takes at a time: small enough to stay in a level-2 cache between being read and being parsed, large
   enough, some 150 microseconds of work, for the fetching of the next one not to show. */
#define STATIONS_SEGMENT ((size_t)256 * 1024)

/* 36 petabytes: up to here a sum of tenths cannot overflow. */
#define STATIONS_SIZE_MAX ((uint64_t)1 << 55)

/* Where the lines come from: an open file, or memory. */
typedef struct {
    int file;            /* a descriptor that pread can read from; -1: `data` holds the lines */
    const uint8_t *data; /* `size` bytes */
    uint64_t size;       /* at most STATIONS_SIZE_MAX */
} stations_source;

/* What the lines of one name come to. Temperatures are in tenths of a degree. */
typedef struct {
    const char *name; /* valid UTF-8, not terminated */
    size_t length;    /* in bytes, 1 to STATIONS_NAME_MAX */
    int64_t sum, count;
    int min, max;
} station;

typedef enum {
    STATIONS_DONE,    /* `stations` is there */
    STATIONS_STOPPED, /* interrupted() said so */
    STATIONS_FORKED,  /* this is a child forked by interrupted(): what the helpers had counted is lost */
    STATIONS_NO_MEMORY,
    STATIONS_MALFORMED,  /* `offset` is where the first malformed line begins, `reason` what is wrong with it */
    STATIONS_UNREADABLE, /* reading failed with `error`, an errno */
    STATIONS_SHRUNK,     /* the file ends before `size` */
} stations_status;

typedef struct {
    const station *stations; /* `count` of them, sorted by the bytes of their names: the order of code points */
    size_t count;
    uint64_t offset;
    const char *reason;
    int error;
    void *memory; /* what `stations` lives in */
} stations_result;

/* Who says whether to stop. Both functions are called on the thread that called stations_run. */
typedef struct {
    pool_interrupted interrupted;     /* pool_run asks it; NULL: nobody is asked */
    void (*signalled)(void *context); /* a signal has interrupted a read: answer the next question at once; or NULL */
    void *context;
} stations_caller;

stations_status stations_run(const stations_source *source, size_t segment, size_t threads,
                             const stations_caller *caller, stations_result *result);
void stations_release(stations_result *result);

#endif
