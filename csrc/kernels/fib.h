/* fib.h: see fib.c. */

#ifndef SNEK_FIB_H
#define SNEK_FIB_H

#include <stdint.h>

#include "checkpoint.h"

#define FIB_MAX 92 /* fib(93) does not fit in 63 bits */

int64_t fib(int n);
bool fib_stoppable(int n, int64_t *result, checkpoint *check);

#endif
