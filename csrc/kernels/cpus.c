/* cpus.c: how many CPUs this process may use, which in a container is fewer than the machine has; and which of them the
   calling thread is on.

   In Python:

       def cpus_usable() -> int:
           return max(1, min(len(os.sched_getaffinity(0)), math.ceil(cgroup_quota())))

       def cpus_move_off(cpus):
           allowed = os.sched_getaffinity(0)
           os.sched_setaffinity(0, allowed - cpus)    # to another one, at once
           os.sched_setaffinity(0, allowed)           # and free to come back

   A quota of 1.5 CPUs gives 2: the second thread uses the half.

   Threads: no state. Ownership: nothing is kept. */

#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#else
#define _GNU_SOURCE
#endif

#include "cpus.h"

#include <float.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The two numbers of "max 100000" or "150000 100000" (cgroup 2), or one of cpu.cfs_*_us (cgroup 1). */
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

    if (strstr(path, "..") != NULL) { /* a group outside of what this container sees */
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

/* At least 1. */
int
cpus_usable(void)
{
    int cpus = cpus_in_affinity();
#if defined(__linux__)
    double quota = cpus_in_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota < cpus) {
        int whole = (int)quota;
        cpus = whole < quota ? whole + 1 : whole;
    }
#endif
    return cpus > 0 ? cpus : 1;
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

/* Moves the calling thread to a CPU that is none of these; it stays where it is when it may not run on another one.
   The set of CPUs that it may run on is the same afterwards: read, and written back some microseconds later. */
void
cpus_move_off(const int *cpus, size_t count)
{
#if defined(__linux__)
    cpu_set_t allowed, others;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) { /* more CPUs than the set has room for */
        return;
    }
    others = allowed;
    for (size_t i = 0; i < count; i++) {
        if (cpus[i] >= 0 && cpus[i] < CPU_SETSIZE) {
            CPU_CLR((size_t)cpus[i], &others);
        }
    }
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0) {
        (void)sched_setaffinity(0, sizeof allowed, &allowed);
    }
#else
    (void)cpus;
    (void)count;
#endif
}
