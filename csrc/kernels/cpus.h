/* cpus.h: see cpus.c. */

#ifndef SNEK_CPUS_H
#define SNEK_CPUS_H

#include <stdbool.h>
#include <stddef.h>

/* A set of CPUs in the system's own form: a bit for each of the first 1024. */
typedef struct {
    _Alignas(long) unsigned char bits[128];
    int count; /* 0: not known, for the system has no such sets, or more CPUs than there are bits */
} cpus_set;

int cpus_usable(void);
int cpus_usable_recently(void);
int cpus_in_affinity(void);
double cpus_in_quota(const char *membership, const char *hierarchy);
int cpus_current(void);
void cpus_allowed(cpus_set *allowed);
void cpus_settle(const cpus_set *allowed, const int *taken, size_t count);

#endif
