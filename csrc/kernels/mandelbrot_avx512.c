/* mandelbrot_avx512.c: the vector kernel with AVX-512.

   In Python: see mandelbrot_vector.h.

   Threads: no state. Ownership: owns nothing. */

#if defined(__x86_64__)

#include "mandelbrot_avx512.h"

#include "mandelbrot_vector.h"

TARGET void
mandelbrot_avx512(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, false);
}

TARGET void
mandelbrot_avx512_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, true);
}

#else
typedef int no_avx512_here; /* ISO C wants a declaration in every file */
#endif
