/* cpus.h: see cpus.c. */

#ifndef SNEK_CPUS_H
#define SNEK_CPUS_H

#include <stddef.h>

int cpus_usable(void);
int cpus_in_affinity(void);
double cpus_in_quota(const char *membership, const char *hierarchy);
int cpus_current(void);
void cpus_move_off(const int *cpus, size_t count);

#endif
