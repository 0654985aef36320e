/* mandelbrot_portable.c: the vector kernel for CPUs that none of the others is made for: registers of two doubles, and
   only what C can say. x86 before AVX2 runs this one.

   In Python: see mandelbrot_vector.h.

   Without a fused multiply-add each operation rounds by itself, and lanes move one by one.

   Threads: no state. Ownership: owns nothing. */

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc is told so by -std=c11 */
#endif

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LANES 2
#define VECTORS 3 /* 16 registers */
#define TARGET

#include "mandelbrot_lanes.h"

INLINE vector
fused(vector a, vector b, vector c)
{
    return a * b + c;
}

INLINE vector
fused_negative(vector a, vector b, vector c)
{
    return c - a * b;
}

/* The signs of the two lanes. */
INLINE unsigned
signs(integers n)
{
#if defined(__SSE2__)
    return (unsigned)_mm_movemask_pd((__m128d)n); /* what the compilers don't find by themselves */
#else
    return (unsigned)(n[0] < 0) | (unsigned)(n[1] < 0) << 1;
#endif
}

#include "mandelbrot_pairs.h"
#include "mandelbrot_vector.h"

TARGET void
mandelbrot_portable(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, false);
}

TARGET void
mandelbrot_portable_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, true);
}
