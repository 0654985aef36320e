/* mandelbrot_lanes.h: vector registers as C types, for the files that compile mandelbrot_vector.h.

   In Python:

       class vector(numpy.ndarray): ...     # LANES float64
       class integers(numpy.ndarray): ...   # LANES int64
       class int32s(numpy.ndarray): ...     # LANES int32

   gcc and clang do arithmetic on such types lane by lane, on any CPU. For the rest (fused multiply-add, comparing to
   bits, moving lanes about) each CPU has instructions of its own. The file that includes this one calls them by their
   intrinsics. Before it includes this one, it defines

       LANES     how many doubles a register holds
       TARGET    the attribute of functions that may use those instructions

   A set of lanes is an unsigned whose bit l stands for lane l. */

#ifndef SNEK_MANDELBROT_LANES_H
#define SNEK_MANDELBROT_LANES_H

#include <stdint.h>
#include <string.h>

typedef double vector __attribute__((vector_size(8 * LANES)));
typedef int64_t integers __attribute__((vector_size(8 * LANES)));
typedef int32_t int32s __attribute__((vector_size(4 * LANES)));

enum { ALL_LANES = (1 << LANES) - 1 };

#define INLINE static inline __attribute__((always_inline, unused)) TARGET

/* A register full of one value. */
INLINE vector
vector_of(double value)
{
    return (vector){0} + value;
}

INLINE integers
integers_of(int64_t value)
{
    return (integers){0} + value;
}

/* 0, 1, 2... */
INLINE vector
lane_numbers(void)
{
    vector numbers = {0};

    for (int l = 1; l < LANES; l++) {
        numbers[l] = l;
    }
    return numbers;
}

/* From and to memory, aligned or not. */
INLINE vector
load(const double *from)
{
    vector v;

    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void
store(double *to, vector v)
{
    memcpy(to, &v, sizeof v);
}

#endif
