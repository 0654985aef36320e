/* mandelbrot_avx2.c: the vector kernel with AVX2 and FMA: four doubles in a register, 16 registers.

   In Python: see mandelbrot_vector.h.

   A comparison gives a register of ones and zeros. movmskpd collects its signs, one bit a lane. Lanes are moved
   together and apart by a permutation of their 32-bit halves; a table holds one for each set of lanes.

   Threads: no state. Ownership: owns nothing. */

#if defined(__x86_64__)

#include <immintrin.h>

#define LANES 4
#if defined(__clang__)
#define VECTORS 4 /* with more, clang spills the registers of a step to memory */
#else
#define VECTORS 6 /* more than the registers hold, but gcc takes c, which doesn't change, from memory */
#endif
#define TARGET __attribute__((target("avx2,fma")))

#include "mandelbrot_lanes.h"

/* The numbers of the two halves of lane l. */
#define HALVES(l) 2 * (l), 2 * (l) + 1

/* For every set of lanes, where each place gets its lane from. This table moves the lanes of the set to the front... */
#define PACK(a, b, c, d) {HALVES(a), HALVES(b), HALVES(c), HALVES(d)}
static const int32_t together[16][8] = {
    PACK(0, 0, 0, 0), PACK(0, 0, 0, 0), PACK(1, 0, 0, 0), PACK(0, 1, 0, 0), PACK(2, 0, 0, 0), PACK(0, 2, 0, 0),
    PACK(1, 2, 0, 0), PACK(0, 1, 2, 0), PACK(3, 0, 0, 0), PACK(0, 3, 0, 0), PACK(1, 3, 0, 0), PACK(0, 1, 3, 0),
    PACK(2, 3, 0, 0), PACK(0, 2, 3, 0), PACK(1, 2, 3, 0), PACK(0, 1, 2, 3),
};

/* ... and this one moves them from the front to their places. */
static const int32_t apart[16][8] = {
    PACK(0, 0, 0, 0), PACK(0, 0, 0, 0), PACK(0, 0, 0, 0), PACK(0, 1, 0, 0), PACK(0, 0, 0, 0), PACK(0, 0, 1, 0),
    PACK(0, 0, 1, 0), PACK(0, 1, 2, 0), PACK(0, 0, 0, 0), PACK(0, 0, 0, 1), PACK(0, 0, 0, 1), PACK(0, 1, 0, 2),
    PACK(0, 0, 0, 1), PACK(0, 0, 1, 2), PACK(0, 0, 1, 2), PACK(0, 1, 2, 3),
};

INLINE vector
permuted(vector v, const int32_t *order)
{
    return (vector)_mm256_permutevar8x32_ps((__m256)v, _mm256_loadu_si256((const __m256i *)order));
}

INLINE vector
fused(vector a, vector b, vector c)
{
    return (vector)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}

INLINE vector
fused_negative(vector a, vector b, vector c)
{
    return (vector)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}

INLINE unsigned
at_most(vector a, vector b)
{
    return (unsigned)_mm256_movemask_pd((__m256d)(a <= b));
}

INLINE unsigned
used_up(integers n)
{
    return (unsigned)_mm256_movemask_pd((__m256d)(n - 1));
}

/* All ones, which is -1, in the lanes of the set. */
INLINE integers
spread(unsigned lanes)
{
    const integers bits = {1, 2, 4, 8};

    return (integers_of(lanes) & bits) == bits;
}

INLINE integers
plus_one(integers n, unsigned lanes)
{
    return n - spread(lanes);
}

INLINE vector
pack(vector v, unsigned lanes)
{
    return permuted(v, together[lanes]);
}

INLINE vector
unpack(vector v, unsigned lanes, const double *next)
{
    return (vector)_mm256_blendv_pd((__m256d)v, (__m256d)permuted(load(next), apart[lanes]), (__m256d)spread(lanes));
}

#include "mandelbrot_vector.h"

TARGET void
mandelbrot_avx2(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, false);
}

TARGET void
mandelbrot_avx2_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, true);
}

#else
typedef int no_avx2_here; /* ISO C wants a declaration in every file */
#endif
