/* checkpoint.h: how a long loop in plain C lets itself be stopped.

   A kernel spends from a budget as it works, and asks nobody while the budget lasts; when it runs out,
   after some 50 microseconds, it calls whoever is in charge: a pool (has the job been cancelled?), an
   extension (has the user pressed Ctrl-C?), or nobody.

   In Python:

       class Checkpoint:
           def spend(self, steps: int) -> bool:   # True: stop now
               self.budget -= steps
               if self.budget >= 0:
                   return False
               self.budget = CHECKPOINT_BUDGET
               return self.expired()

   Threads: a checkpoint belongs to one thread; no other may touch it.
   Ownership: the caller of a kernel owns the checkpoint; kernels borrow it for the duration of the call. */

#ifndef SNEK_CHECKPOINT_H
#define SNEK_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In steps, each a few nanoseconds at most (denormal numbers, the slowest case, make it some 10 ms). */
#define CHECKPOINT_BUDGET 32768

typedef struct checkpoint {
    int64_t budget;
    bool (*expired)(struct checkpoint *self); /* true: stop now; NULL: nobody is in charge */
} checkpoint;

/* Report that `steps` >= 0 units of work are done; true means: leave what you are doing and return. */
static inline bool
checkpoint_spend(checkpoint *self, int64_t steps)
{
    self->budget -= steps;
    if (self->budget >= 0) {
        return false;
    }
    self->budget = CHECKPOINT_BUDGET;
    return self->expired != NULL && self->expired(self);
}

#endif
