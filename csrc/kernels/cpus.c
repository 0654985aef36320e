/* cpus.c: how many CPUs this process may use, and on which of them a thread runs. In a container they are fewer than
   the machine has.

   In Python:

       def cpus_usable() -> int:
           return max(1, min(len(os.sched_getaffinity(0)), math.ceil(cgroup_quota())))

       def cpus_settle(allowed, taken):
           os.sched_setaffinity(0, allowed - taken)    # off these CPUs, at once
           os.sched_setaffinity(0, allowed)            # from now on free to go to any of the set

   A quota of 1.5 CPUs gives 2: the second thread uses the half.

   Threads: any may call anything at any time; cpus_settle is about the one that calls.
   Ownership: nothing is kept but the last quota, a number, for a second. */

#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#else
#define _GNU_SOURCE
#endif

#include "cpus.h"

#include <float.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The CPUs that the scheduler lets the calling thread run on. */
int
cpus_in_affinity(void)
{
#if defined(__linux__)
    /* A set of the default size is too small for the largest machines: grow until the kernel is satisfied. */
    for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (set == NULL) {
            break;
        }
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) {
            return count;
        }
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* Reads the two numbers of "150000 100000" (cgroup 2), or the one of cpu.cfs_*_us (cgroup 1). Returns how many it
   found: none in "max 100000", which is cgroup 2 for no quota. */
static int
read_numbers(const char *folder, const char *path, const char *file, double *first, double *second)
{
    char name[PATH_BYTES];
    int length = snprintf(name, sizeof name, "%s%s/%s", folder, path, file);
    if (length < 0 || length >= (int)sizeof name) {
        return 0;
    }
    FILE *stream = fopen(name, "re");
    if (stream == NULL) {
        return 0;
    }
    int count = fscanf(stream, "%lf %lf", first, second);
    fclose(stream);
    return count;
}

/* The smallest quota, in CPUs, of the group `path` and the groups above it; DBL_MAX: none. */
static double
quota_along(const char *folder, char *path, int version)
{
    double smallest = DBL_MAX;

    if (strncmp(path, "/..", 3) == 0 && (path[3] == '/' || path[3] == '\0')) { /* outside of what this container sees */
        path[0] = '\0';
    }
    for (;;) {
        double quota = 0, period = 0, unused;
        size_t length = strlen(path);

        while (length > 0 && path[length - 1] == '/') {
            path[--length] = '\0';
        }
        if (version == 2) {
            (void)read_numbers(folder, path, "cpu.max", &quota, &period);
        } else if (read_numbers(folder, path, "cpu.cfs_quota_us", &quota, &unused) > 0) {
            (void)read_numbers(folder, path, "cpu.cfs_period_us", &period, &unused);
        }
        if (quota > 0 && period > 0 && quota / period < smallest) {
            smallest = quota / period;
        }
        char *last = strrchr(path, '/');
        if (last == NULL) {
            return smallest;
        }
        *last = '\0';
    }
}

/* Does the comma-separated list contain "cpu"? */
static int
controls_cpu(const char *controllers)
{
    while (*controllers != '\0') {
        size_t length = strcspn(controllers, ",");
        if (length == 3 && memcmp(controllers, "cpu", 3) == 0) {
            return 1;
        }
        controllers += length + (controllers[length] == ',');
    }
    return 0;
}

/* The cgroup quota in CPUs, DBL_MAX if there is none. `membership` is a file as /proc/self/cgroup, `hierarchy` a folder
   as /sys/fs/cgroup. Lines are "0::/path" (cgroup 2) and "4:cpu,cpuacct:/path" (cgroup 1). */
double
cpus_in_quota(const char *membership, const char *hierarchy)
{
    double smallest = DBL_MAX;
    char line[PATH_BYTES];
    FILE *stream = fopen(membership, "re");

    if (stream == NULL) {
        return smallest;
    }
    while (fgets(line, sizeof line, stream) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;

        /* walking up shortens the path: each walk gets a copy */
        char copy[PATH_BYTES], folder[PATH_BYTES];
        double quota = DBL_MAX;
        if (*controllers == '\0') {
            quota = quota_along(hierarchy, strcpy(copy, path), 2);
        } else if (controls_cpu(controllers)) {
            int length = snprintf(folder, sizeof folder, "%s/%s", hierarchy, controllers);
            if (length > 0 && length < (int)sizeof folder) {
                quota = quota_along(folder, strcpy(copy, path), 1);
            }
        }
        smallest = quota < smallest ? quota : smallest;
    }
    fclose(stream);
    return smallest;
}

/* How long a quota is believed. Reading it takes some 40 microseconds, for it stands in several files of the
   kernel's. It changes seldom: by hand, or with a new container. */
#define QUOTA_NANOSECONDS 1000000000LL

/* The quota in whole CPUs, rounded up, and when it was read; 0: never. Two threads may read it at the same time: they
   write the same. */
static struct {
    atomic_llong read_at;
    atomic_int cpus;
} the_quota;

static long long
nanoseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int
smaller(int a, int b)
{
    return a < b ? a : b;
}

/* cpus_usable without reading files; 0: they have to be read. */
int
cpus_usable_recently(void)
{
    int cpus = cpus_in_affinity();

#if defined(__linux__)
    if (cpus > 1) { /* else no quota can make a difference */
        long long read_at = atomic_load_explicit(&the_quota.read_at, memory_order_acquire);

        if (read_at == 0 || nanoseconds_now() - read_at > QUOTA_NANOSECONDS) {
            return 0;
        }
        cpus = smaller(cpus, atomic_load_explicit(&the_quota.cpus, memory_order_relaxed));
    }
#endif
    return cpus;
}

/* At least 1. The affinity is that of this moment, the quota may be a second old. */
int
cpus_usable(void)
{
    int cpus = cpus_usable_recently();

    if (cpus == 0) {
        double quota = cpus_in_quota("/proc/self/cgroup", "/sys/fs/cgroup");
        int whole = quota < 1 ? 1 : quota > 1 << 20 ? 1 << 20 : (int)quota;

        whole += whole < quota && whole < 1 << 20;
        atomic_store_explicit(&the_quota.cpus, whole, memory_order_relaxed);
        atomic_store_explicit(&the_quota.read_at, nanoseconds_now(), memory_order_release);
        cpus = smaller(cpus_in_affinity(), whole);
    }
    return cpus;
}

/* The number of the CPU that the calling thread is on at this moment; -1: the system doesn't say. */
int
cpus_current(void)
{
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

/* The CPUs that the calling thread may run on. */
void
cpus_allowed(cpus_set *allowed)
{
    memset(allowed, 0, sizeof *allowed);
#if defined(__linux__)
    cpu_set_t set;

    _Static_assert(sizeof set == sizeof allowed->bits, "as many CPUs as in the system's own sets");
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        memcpy(allowed->bits, &set, sizeof set);
        allowed->count = CPU_COUNT(&set);
    }
#endif
}

/* From now on the calling thread runs on the CPUs of `allowed`. It starts on one that is not `taken`, if there is
   one; a -1 among those taken stands for no CPU. Where `allowed` is not known, nothing happens. */
void
cpus_settle(const cpus_set *allowed, const int *taken, size_t count)
{
#if defined(__linux__)
    cpu_set_t wanted, others, mine;
    int here = sched_getcpu();
    bool moves = false;

    if (allowed->count == 0) {
        return;
    }
    memcpy(&wanted, allowed->bits, sizeof wanted);
    others = wanted;
    for (size_t i = 0; i < count; i++) {
        if (taken[i] >= 0 && taken[i] < CPU_SETSIZE) {
            CPU_CLR((size_t)taken[i], &others);
            moves = moves || taken[i] == here;
        }
    }
    moves = moves && CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0;
    if (moves || sched_getaffinity(0, sizeof mine, &mine) != 0 || !CPU_EQUAL(&mine, &wanted)) {
        (void)sched_setaffinity(0, sizeof wanted, &wanted);
    }
#else
    (void)allowed;
    (void)taken;
    (void)count;
#endif
}
