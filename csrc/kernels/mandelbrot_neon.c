/* mandelbrot_neon.c: the vector kernel for 64-bit ARM: two doubles in a register, 32 registers.

   In Python: see mandelbrot_vector.h.

   Apple's cores start four of these operations a cycle and need four cycles for each: it takes many registers of
   points to keep them busy.

   Threads: no state. Ownership: owns nothing. */

#if defined(__aarch64__)

#include <arm_neon.h>

#define LANES 2
#define VECTORS 6
#define TARGET

#include "mandelbrot_lanes.h"

INLINE vector
fused(vector a, vector b, vector c)
{
    return (vector)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}

INLINE vector
fused_negative(vector a, vector b, vector c)
{
    return (vector)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}

/* The signs of the two lanes. */
INLINE unsigned
signs(integers n)
{
    return (unsigned)(n[0] < 0) | (unsigned)(n[1] < 0) << 1;
}

#include "mandelbrot_pairs.h"
#include "mandelbrot_vector.h"

TARGET void
mandelbrot_neon(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, false);
}

TARGET void
mandelbrot_neon_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, true);
}

#else
typedef int no_neon_here; /* ISO C wants a declaration in every file */
#endif
