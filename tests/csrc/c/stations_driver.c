/* stations_driver.c: the kernel of snek.stations without Python, for sanitizers and for other machines.

   stations_driver FILE... : for each file prints what is in it, having seen the same result for every size of segment
   and several numbers of threads, from the file and from memory; and for a file that is shorter than its size.
   stations_driver --memory FILE... : the same again with every allocation failing once, where the linker can wrap them. */

#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/stations.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("line %d: not true: %s\n", __LINE__, #condition);                                                   \
            fflush(stdout);                                                                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* ---- allocations that fail ---- */

static _Atomic long allocations_left = -1; /* -1: none fails */

#if defined(WRAP_ALLOCATIONS)

void *__real_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);

static bool
allocation_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *
__wrap_realloc(void *block, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(block, size);
}

int
__wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    return allocation_fails() ? ENOMEM : __real_posix_memalign(block, alignment, size);
}

#endif

/* ---- one run ---- */

static const stations_caller nobody = {0};

/* The result as text, or what went wrong. The caller frees it. */
static char *
text_of(const stations_source *source, size_t segment, size_t threads)
{
    stations_result result;
    stations_status status = stations_run(source, segment, threads, &nobody, &result);
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (status == STATIONS_DONE) {
        for (size_t k = 0; k < result.count; k++) {
            const station *row = &result.stations[k];

            fwrite(row->name, 1, row->length, stream);
            fprintf(stream, ";%d;%" PRId64 ";%d;%" PRId64 "\n", row->min, row->sum, row->max, row->count);
        }
        stations_release(&result);
    } else if (status == STATIONS_MALFORMED) {
        fprintf(stream, "malformed at %" PRIu64 ": %s\n", result.offset, result.reason);
    } else if (status == STATIONS_UNREADABLE) {
        fprintf(stream, "unreadable: %d\n", result.error);
    } else {
        fprintf(stream, "%s\n",
                status == STATIONS_SHRUNK      ? "shrunk"
                : status == STATIONS_NO_MEMORY ? "no memory"
                                               : "?");
    }
    fclose(stream);
    return text;
}

static void
same(const stations_source *source, size_t segment, size_t threads, const char *expected)
{
    char *text = text_of(source, segment, threads);

    if (strcmp(text, expected) != 0) {
        printf("segments of %zu bytes, %zu threads:\n%sinstead of:\n%s", segment, threads, text, expected);
        fflush(stdout);
        _Exit(1);
    }
    free(text);
}

static bool
stop(void *calls)
{
    return --*(int *)calls == 0;
}

/* A stop leaves nothing behind. */
static void
stopping(const stations_source *source)
{
    for (int call = 1; call < 4; call++) {
        stations_result result;
        int calls = call;
        const stations_caller caller = {.interrupted = stop, .context = &calls};
        stations_status status = stations_run(source, 1 << 20, 2, &caller, &result);

        CHECK(status == STATIONS_STOPPED || status == STATIONS_DONE || status == STATIONS_MALFORMED);
        if (status == STATIONS_DONE) {
            stations_release(&result);
        }
    }
}

int
main(int count, char **arguments)
{
    bool memory = count > 1 && strcmp(arguments[1], "--memory") == 0;

    for (int k = memory ? 2 : 1; k < count; k++) {
        int file = open(arguments[k], O_RDONLY);
        struct stat about;

        CHECK(file >= 0 && fstat(file, &about) == 0);
        size_t size = (size_t)about.st_size;
        uint8_t *data = malloc(size + 1); /* exactly: AddressSanitizer sees a byte too much */
        CHECK(pread(file, data, size, 0) == (ssize_t)size);
        uint8_t *exact = memcpy(malloc(size), data, size);
        free(data);

        stations_source from_file = {.file = file, .size = size};
        stations_source from_memory = {.file = -1, .data = exact, .size = size};
        char *expected = text_of(&from_memory, STATIONS_SEGMENT, 1);

        if (memory) {
            for (long run = 0; run < 100; run++) { /* more than there are allocations, on one thread and on three */
                stations_result result;

                allocations_left = run / 2;
                stations_status status =
                    stations_run(&from_memory, 1 + size / 3, run % 2 == 0 ? 1 : 3, &nobody, &result);
                bool failed = allocations_left < 0;
                allocations_left = -1;
                CHECK(!failed || status == STATIONS_NO_MEMORY);
                if (status == STATIONS_DONE) {
                    stations_release(&result);
                }
            }
        }
        for (size_t segment = 1; segment <= (size < 300 ? size + 1 : 300); segment += segment < 130 ? 1 : 17) {
            for (size_t threads = 1; threads <= (segment % 16 == 1 ? 5 : 1); threads++) {
                same(&from_memory, segment, threads, expected);
            }
        }
        same(&from_file, 1, 1, expected);
        same(&from_file, 50, 3, expected);
        same(&from_file, 109, 8, expected);
        same(&from_file, STATIONS_SEGMENT, 2, expected);
        stopping(&from_file);
        for (int huge = 0; huge < 2; huge++) { /* as if it had been truncated just now */
            from_file.size = huge ? STATIONS_SIZE_MAX : size + 1;
            char *shrunk = text_of(&from_file, 64, 3);
            CHECK(strcmp(shrunk, "shrunk\n") == 0 || strcmp(shrunk, expected) == 0);
            free(shrunk);
        }
        from_file.file = 1000000;
        if (size > 0) {
            same(&from_file, 64, 3, "unreadable: 9\n"); /* EBADF */
        }
        fputs(expected, stdout);
        puts("---");
        free(expected);
        free(exact);
        close(file);
    }
    return 0;
}
