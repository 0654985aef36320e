/* simd.c: which vector instructions may this process use?

   In Python:

       def simd_has_avx2() -> bool:
           flags = re.search("flags.*", Path("/proc/cpuinfo").read_text()).group().split()
           return {"avx2", "fma"} <= set(flags)

   Two must agree. The CPU must have the instructions: cpuid tells. And the operating system must save their registers
   when it switches threads: XCR0 tells, and an old kernel or a virtual machine may not do it. Registers that nobody
   saves lose their contents at any moment. NEON needs no question: every 64-bit ARM has it.

   On macOS, XCR0 shows the AVX-512 registers only after their first use, so simd_has_avx512 says no there.

   Threads: no state. Ownership: nothing is kept. */

#include "simd.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>
#include <string.h>

/* Bits of XCR0: xmm and ymm. AVX-512 adds three: the masks, the upper halves of zmm0 to zmm15, and zmm16 to zmm31. */
enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 };

/* Are all these bits of XCR0 set? cpuid must have said that there is an XCR0: bit_OSXSAVE. */
static bool
saved(unsigned state)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & state) == state;
}

/* Does cpuid have these bits, in ECX of leaf 1 and EBX of leaf 7, and is `state` saved? */
static bool
has(unsigned leaf1_ecx, unsigned leaf7_ebx, unsigned state)
{
    unsigned a, b, c, d;

    leaf1_ecx |= bit_OSXSAVE;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1_ecx) != leaf1_ecx || !saved(state)) {
        return false;
    }
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & leaf7_ebx) == leaf7_ebx;
}

/* AVX2, fused multiply-add, and popcnt, which compilers take for granted beside them. */
bool
simd_has_avx2(void)
{
    return has(bit_AVX | bit_FMA | bit_POPCNT, bit_AVX2, YMM_STATE);
}

/* The AVX-512 that all CPUs since 2017 have in common: F, DQ, BW and VL. */
bool
simd_has_avx512(void)
{
    return has(bit_AVX | bit_FMA | bit_POPCNT, bit_AVX2 | bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL,
               ZMM_STATE);
}

/* The same, on a core of AMD's: these, Zen 4 and later, have pipes of their own for additions. */
bool
simd_has_avx512_and_adders(void)
{
    unsigned a, name[3];

    return simd_has_avx512() && __get_cpuid(0, &a, &name[0], &name[2], &name[1]) &&
           memcmp(name, "AuthenticAMD", sizeof(name)) == 0;
}

#else

bool
simd_has_avx2(void)
{
    return false;
}

bool
simd_has_avx512(void)
{
    return false;
}

bool
simd_has_avx512_and_adders(void)
{
    return false;
}

#endif
