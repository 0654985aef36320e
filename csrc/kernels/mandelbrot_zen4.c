/* mandelbrot_zen4.c: the vector kernel with AVX-512, for AMD's cores since Zen 4.

   In Python: see mandelbrot_vector.h.

   These have two units that multiply, and add what they multiplied, and two more that only add, so that additions
   come for free while the others work. Intel's AVX-512 adds and multiplies in the same units: there, this one is slower.
   (AMD, Software Optimization Guide for the Zen 4 Microarchitecture, publication 57647, on the floating-point unit.)

   Threads: no state. Ownership: owns nothing. */

#if defined(__x86_64__)

#define ADDS_ELSEWHERE

#include "mandelbrot_avx512.h"

#include "mandelbrot_vector.h"

TARGET void
mandelbrot_zen4(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, false);
}

TARGET void
mandelbrot_zen4_shortcut(const mandelbrot_picture *picture, mandelbrot_tiles *tiles, checkpoint *check)
{
    compute(picture, tiles, check, true);
}

#else
typedef int no_zen4_here; /* ISO C wants a declaration in every file */
#endif
