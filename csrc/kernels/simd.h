/* simd.h: see simd.c. */

#ifndef SNEK_SIMD_H
#define SNEK_SIMD_H

#include <stdbool.h>

bool simd_has_avx2(void);
bool simd_has_avx512(void);
bool simd_has_avx512_and_adders(void);

#endif
