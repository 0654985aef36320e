/* slow_pread.c: a disk that takes its time, to be preloaded. Each pread of more than a page first waits.

   SLOW_PREAD_MS: for how many milliseconds.
   SLOW_PREAD_SIGNAL_AT: the read, counted from 1, at whose beginning SIGINT is sent to the process.
   SLOW_PREAD_INTERRUPTED: that read then fails with EINTR, as one from a network file system may; else it goes on, as
   one from a disk does.

   slow_preads is how many reads have begun. It counts one thread's reads only. */

#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

int slow_preads;

ssize_t pread(int file, void *buffer, size_t size, off_t offset);
ssize_t pread64(int file, void *buffer, size_t size, off_t offset);

static long
number(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : atol(text);
}

ssize_t
pread(int file, void *buffer, size_t size, off_t offset)
{
    if (size > 4096) {
        long milliseconds = number("SLOW_PREAD_MS");
        struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};

        slow_preads++;
        if (slow_preads == number("SLOW_PREAD_SIGNAL_AT")) {
            kill(getpid(), SIGINT);
            if (getenv("SLOW_PREAD_INTERRUPTED") != NULL) {
                errno = EINTR;
                return -1;
            }
        }
        while (nanosleep(&left, &left) != 0) {
        }
    }
    return syscall(SYS_pread64, file, buffer, size, offset);
}

ssize_t
pread64(int file, void *buffer, size_t size, off_t offset)
{
    return pread(file, buffer, size, offset);
}
