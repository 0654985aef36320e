/* mandelbrot_avx512.h: what mandelbrot_vector.h asks for, in AVX-512: eight doubles in a register, 32 registers.

   In Python: see mandelbrot_vector.h.

   A comparison gives a mask register, one bit a lane. Compress and expand move the lanes of a mask together and apart,
   each in one instruction. Both work on registers here: some CPUs take a hundred cycles to compress into memory.

   Threads: no state. Ownership: owns nothing. */

#include <immintrin.h>

#define LANES 8
#define VECTORS 6 /* each takes four of the 32 registers, and a step needs two more */
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))

#include "mandelbrot_lanes.h"

INLINE vector
fused(vector a, vector b, vector c)
{
    return (vector)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}

INLINE vector
fused_negative(vector a, vector b, vector c)
{
    return (vector)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}

INLINE unsigned
at_most(vector a, vector b)
{
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ);
}

INLINE unsigned
used_up(integers n)
{
    return _mm512_cmple_epi64_mask((__m512i)n, _mm512_setzero_si512());
}

INLINE integers
plus_one(integers n, unsigned lanes)
{
    return (integers)_mm512_mask_sub_epi64((__m512i)n, (__mmask8)lanes, (__m512i)n, _mm512_set1_epi64(-1));
}

INLINE vector
pack(vector v, unsigned lanes)
{
    return (vector)_mm512_maskz_compress_pd((__mmask8)lanes, (__m512d)v);
}

INLINE vector
unpack(vector v, unsigned lanes, const double *next)
{
    return (vector)_mm512_mask_expand_pd((__m512d)v, (__mmask8)lanes, (__m512d)load(next));
}
