/* stations_line.h: one line "name;-12.3". How its temperature is read, and what may be wrong with it.

   In Python:

       LINE = re.compile(rb"([^;\n]{1,100});(-?[0-9]?[0-9][.][0-9])\r?\n")

       def tenths_read(text):      # the number of tenths, and where the next line begins
           temperature, _, rest = text.partition(b"\n")
           return round(float(temperature) * 10), rest

   There are two readers of a temperature. tenths_read has no branch that depends on the digits, and takes what nearly
   every line is. tenths_read_slowly goes byte by byte, and takes every line that is right. What both refuse is malformed,
   and line_complaint says why.

   Threads: plain functions of their arguments.
   Ownership: a line is borrowed. The LINE_PADDING bytes behind the last line are readable, and none
   of them is a newline. */

#ifndef SNEK_STATIONS_LINE_H
#define SNEK_STATIONS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stations.h"
#include "stations_block.h"

/* The length of "a;1.0", the shortest line; and of the longest one, with its "\r\n". */
#define LINE_MIN_BYTES 5
#define LINE_MAX_BYTES (STATIONS_NAME_MAX + 8)

/* Names are read 16 bytes at a time and temperatures 8, so the last line is read beyond its end: by less than a whole
   line and a block, even where it has neither ';' nor newline. */
#define LINE_PADDING 128

/* The text "00.0\n" as a word. The exclusive or of it and the text "12.3\n" has the bytes 1, 2, 0, 3, 0: the digits as
   numbers, and a zero where the '.' and the "\n" must stand. The upper three bytes are of what follows the "\n", and
   nobody looks at them. */
#define ZERO_DEGREES UINT64_C(0x0a302e3030)

/* Are these three digits and two zeros? A digit is less than 16, and still less than 16 when 6 is added: so the upper
   half of its byte is zero both times. */
ALWAYS_INLINE bool
digits_good(uint64_t digits)
{
    return (((digits + UINT64_C(0x0006000606)) | digits) & UINT64_C(0xfff0fff0f0)) == 0;
}

/* The number of tenths. One multiplication adds 100, 10 and 1 times the digits up in bits 24 to 33. The other products
   land above or below. */
ALWAYS_INLINE int
digits_value(uint64_t digits)
{
    return (int)(digits * (100 << 24 | 10 << 16 | 1) >> 24 & 0x3ff);
}

/* Reads a temperature that ends with "\n" alone, in tenths. False: it ends with "\r\n", or it is malformed. */
ALWAYS_INLINE bool
tenths_read(const uint8_t *text, int *tenths, const uint8_t **next)
{
    uint64_t word = load_word(text);
    uint64_t minus = (uint8_t)word == '-'; /* 0 or 1, as one_digit is: numbers to reckon with, so no branch */

    word >>= minus * 8;
    uint64_t one_digit = (word & 0xff00) == '.' << 8;
    word = one_digit ? word << 8 | '0' : word; /* "5.3\n" is "05.3\n" now */

    uint64_t digits = word ^ ZERO_DEGREES;
    if (UNLIKELY(!digits_good(digits))) {
        return false;
    }
    int absolute = digits_value(digits);
    *tenths = (absolute ^ -(int)minus) + (int)minus; /* negative where minus is 1 */
    *next = text + 5 + minus - one_digit;
    return true;
}

ALWAYS_INLINE bool
is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The same, one byte at a time, and with "\r\n" too. */
static bool
tenths_read_slowly(const uint8_t *text, int *tenths, const uint8_t **next)
{
    bool minus = *text == '-';
    int absolute;

    text += minus;
    if (!is_digit(*text)) {
        return false;
    }
    absolute = *text++ - '0';
    if (is_digit(*text)) {
        absolute = absolute * 10 + *text++ - '0';
    }
    if (*text++ != '.' || !is_digit(*text)) {
        return false;
    }
    absolute = absolute * 10 + *text++ - '0';
    text += *text == '\r';
    if (*text++ != '\n') {
        return false;
    }
    *tenths = minus ? -absolute : absolute;
    *next = text;
    return true;
}

/* The place of the first ';'. Where no name is that long: some number greater than STATIONS_NAME_MAX. */
static size_t
name_length(const uint8_t *line)
{
    size_t length = 0;
    unsigned found;

    do {
        found = block_find_semicolon(block_load(line + length));
        length += found;
    } while (found == 16 && length <= STATIONS_NAME_MAX);
    return length;
}

/* The length of the UTF-8 sequence that begins here and ends before `end`; 0: it is none. */
static size_t
utf8_sequence(const uint8_t *text, const uint8_t *end)
{
    uint8_t first = text[0], least = 0x80, most = 0xbf; /* what the second byte may be */
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (length > (size_t)(end - text)) {
        return 0;
    }
    if (first == 0xe0) {
        least = 0xa0; /* what fits into two bytes must not take three */
    } else if (first == 0xed) {
        most = 0x9f; /* surrogates */
    } else if (first == 0xf0) {
        least = 0x90;
    } else if (first == 0xf4) {
        most = 0x8f; /* beyond U+10FFFF */
    }
    if (length > 1 && (text[1] < least || text[1] > most)) {
        return 0;
    }
    for (size_t k = 2; k < length; k++) {
        if (text[k] < 0x80 || text[k] > 0xbf) {
            return 0;
        }
    }
    return length;
}

/* What is wrong with the name of a line, whose first ';' is at `length`; NULL: nothing. */
static const char *
name_complaint(const uint8_t *line, size_t length)
{
    if (memchr(line, '\n', length > STATIONS_NAME_MAX ? STATIONS_NAME_MAX + 1 : length) != NULL) {
        return "no ';'";
    }
    if (length == 0) {
        return "an empty name";
    }
    if (length > STATIONS_NAME_MAX) {
        return "a name of more than 100 bytes";
    }
    for (const uint8_t *text = line, *end = line + length; text < end;) {
        size_t sequence = utf8_sequence(text, end);

        if (sequence == 0) {
            return "a name that is not UTF-8";
        }
        text += sequence;
    }
    return NULL;
}

/* What is wrong with the line; NULL: nothing, and *next is where the next one begins. */
static const char *
line_complaint(const uint8_t *line, const uint8_t **next)
{
    size_t length = name_length(line);
    const char *complaint = name_complaint(line, length);
    int tenths;

    if (complaint == NULL && !tenths_read_slowly(line + length + 1, &tenths, next)) {
        complaint = "a temperature that is not of the form -12.3";
    }
    return complaint;
}

#endif
