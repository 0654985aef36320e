/* fib.c: Fibonacci numbers the slow way, the course's yardstick for "work inside one call".

   In Python:

       def fib(n: int) -> int:
           return n if n < 2 else fib(n - 1) + fib(n - 2)

   Threads: pure functions, no state; call them from as many threads as you like.
   Ownership: nothing is allocated. */

#include "fib.h"

/* Below this, a subtree takes about a millisecond and is not worth interrupting. */
enum { SUBTREE = 25 };

/* fib(n) for 0 <= n <= FIB_MAX. The number of calls grows as the result does. */
int64_t
fib(int n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/* The same tree of calls, with a checkpoint after each subtree; false: stopped, and *result is not set. */
bool
fib_stoppable(int n, int64_t *result, checkpoint *check)
{
    int64_t left, right;

    if (n < SUBTREE) {
        *result = fib(n);
        return !checkpoint_spend(check, *result);
    }
    if (!fib_stoppable(n - 1, &left, check) || !fib_stoppable(n - 2, &right, check)) {
        return false;
    }
    *result = left + right;
    return true;
}
