/* cpus.h: see cpus.c. */

#ifndef SNEK_CPUS_H
#define SNEK_CPUS_H

int cpus_usable(void);
int cpus_in_affinity(void);
double cpus_in_quota(const char *membership, const char *hierarchy);

#endif
