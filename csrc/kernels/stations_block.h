/* stations_block.h: finding a byte among sixteen at once, and keeping what stands before it.

   In Python:

       def block_load(text):              return text[:16]
       def block_find_semicolon(block):   return (block + b";").index(b";")
       def block_first(block, n):         return block[:n].ljust(16, b"\0")     # as two integers

   Written three times: for x86-64, for aarch64, and with ordinary 64-bit numbers for every other machine.
   STATIONS_PORTABLE chooses the last, so that tests can run it anywhere.

   Threads: plain functions of their arguments.
   Ownership: none. Whoever calls sees to it that the bytes read are there: 8 for a word, 16 for a block. */

#ifndef SNEK_STATIONS_BLOCK_H
#define SNEK_STATIONS_BLOCK_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(STATIONS_PORTABLE)
#include <emmintrin.h>
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(STATIONS_PORTABLE)
#include <arm_neon.h>
#endif

/* For what runs once a line, where a call would cost as much as the work. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Tells the compiler which way a branch hardly ever goes. */
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Eight bytes as a number. The first of them is the lowest, on any machine. */
ALWAYS_INLINE uint64_t
load_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#define FIRST_OF_8(n) ((n) >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << ((n) & 7) * 8) - 1)
#define FIRST_OF_16(n) {FIRST_OF_8(n), (n) > 8 ? FIRST_OF_8((n) - 8) : 0}

/* Row n has ones in its first n bytes. */
static const _Alignas(16) uint64_t first_of_16[17][2] = {
    FIRST_OF_16(0),  FIRST_OF_16(1),  FIRST_OF_16(2),  FIRST_OF_16(3),  FIRST_OF_16(4),  FIRST_OF_16(5),
    FIRST_OF_16(6),  FIRST_OF_16(7),  FIRST_OF_16(8),  FIRST_OF_16(9),  FIRST_OF_16(10), FIRST_OF_16(11),
    FIRST_OF_16(12), FIRST_OF_16(13), FIRST_OF_16(14), FIRST_OF_16(15), FIRST_OF_16(16),
};

/* A block is 16 bytes. block_find_semicolon returns the place of the first ';', or 16 if there is none. block_first keeps
   the first n bytes and makes the others zero; the result is two words. */

#if defined(__x86_64__) && !defined(STATIONS_PORTABLE)

typedef __m128i block;

ALWAYS_INLINE block
block_load(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

ALWAYS_INLINE unsigned
block_find_semicolon(block self)
{
    unsigned found = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(self, _mm_set1_epi8(';')));

    return (unsigned)__builtin_ctz(found | 1u << 16);
}

ALWAYS_INLINE void
block_first(block self, unsigned n, uint64_t *low, uint64_t *high)
{
    self = _mm_and_si128(self, _mm_load_si128((const __m128i *)(const void *)first_of_16[n]));
    *low = (uint64_t)_mm_cvtsi128_si64(self);
    *high = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(self, self));
}

#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(STATIONS_PORTABLE)

typedef uint8x16_t block;

ALWAYS_INLINE block
block_load(const uint8_t *bytes)
{
    return vld1q_u8(bytes);
}

ALWAYS_INLINE unsigned
block_find_semicolon(block self)
{
    uint16x8_t equal = vreinterpretq_u16_u8(vceqq_u8(self, vdupq_n_u8(';')));
    uint64_t found = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(equal, 4)), 0); /* four bits a byte */

    return found == 0 ? 16 : (unsigned)__builtin_ctzll(found) / 4;
}

ALWAYS_INLINE void
block_first(block self, unsigned n, uint64_t *low, uint64_t *high)
{
    uint64x2_t kept = vandq_u64(vreinterpretq_u64_u8(self), vld1q_u64(first_of_16[n]));

    *low = vgetq_lane_u64(kept, 0);
    *high = vgetq_lane_u64(kept, 1);
}

#else /* two words on any machine */

typedef struct {
    uint64_t low, high;
} block;

ALWAYS_INLINE block
block_load(const uint8_t *bytes)
{
    return (block){load_word(bytes), load_word(bytes + 8)};
}

/* The lowest bit set is the highest of the first ';' in the word. */
ALWAYS_INLINE uint64_t
word_find_semicolon(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    word ^= ones * ';';
    return (word - ones) & ~word & ones << 7;
}

ALWAYS_INLINE unsigned
block_find_semicolon(block self)
{
    uint64_t low = word_find_semicolon(self.low), high = word_find_semicolon(self.high);

    if (low != 0) {
        return (unsigned)__builtin_ctzll(low) / 8;
    }
    return high == 0 ? 16 : 8 + (unsigned)__builtin_ctzll(high) / 8;
}

ALWAYS_INLINE void
block_first(block self, unsigned n, uint64_t *low, uint64_t *high)
{
    *low = self.low & first_of_16[n][0];
    *high = self.high & first_of_16[n][1];
}

#endif

#endif
