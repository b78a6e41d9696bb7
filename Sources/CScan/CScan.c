#include "CScan.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

// With bit 1 turned over, the quote (0x22) is next to the control bytes, and 0x20 is the greatest of them all: one
// minimum of many bytes tells of both. A backslash is what becomes 0 by its own code.
__attribute__((target("avx2"))) static size_t plain_blocks_avx2(const uint8_t *p, size_t n) {
    const __m256i bit = _mm256_set1_epi8(0x02), rest = _mm256_set1_epi8('\\' ^ 0x02);
    const __m256i greatest = _mm256_set1_epi8(0x20), zero = _mm256_setzero_si256();
    size_t i = 0;
    for (; n - i >= 128; i += 128) {
        const __m256i *at = (const __m256i *)(const void *)(p + i);
        const __m256i a = _mm256_xor_si256(_mm256_loadu_si256(at), bit);
        const __m256i b = _mm256_xor_si256(_mm256_loadu_si256(at + 1), bit);
        const __m256i c = _mm256_xor_si256(_mm256_loadu_si256(at + 2), bit);
        const __m256i d = _mm256_xor_si256(_mm256_loadu_si256(at + 3), bit);
        const __m256i low = _mm256_min_epu8(_mm256_min_epu8(a, b), _mm256_min_epu8(c, d));
        const __m256i slash = _mm256_min_epu8(
            _mm256_min_epu8(_mm256_xor_si256(a, rest), _mm256_xor_si256(b, rest)),
            _mm256_min_epu8(_mm256_xor_si256(c, rest), _mm256_xor_si256(d, rest)));
        const __m256i found = _mm256_or_si256(
            _mm256_cmpeq_epi8(_mm256_min_epu8(low, greatest), low), _mm256_cmpeq_epi8(slash, zero));
        if (!_mm256_testz_si256(found, found)) break;
    }
    return i;
}
#endif

// A string of which this much is to come is worth the look at what the machine can.
enum { LONG_STRING = 4096 };

size_t cscan_json_long_run(const uint8_t *p, size_t n) {
    size_t i = 0;
#if defined(__x86_64__)
    if (n >= LONG_STRING && __builtin_cpu_supports("avx2")) { i = plain_blocks_avx2(p, n); }
    for (; n - i >= 64; i += 64) {
        const __m128i a = cscan_json_special16(p + i), b = cscan_json_special16(p + i + 16);
        const __m128i c = cscan_json_special16(p + i + 32), d = cscan_json_special16(p + i + 48);
        if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)))) { break; }
    }
    for (; n - i >= 16; i += 16) {
        const unsigned mask = (unsigned)_mm_movemask_epi8(cscan_json_special16(p + i));
        if (mask) { return i + (size_t)__builtin_ctz(mask); }
    }
#endif
    while (i < n && p[i] != '"' && p[i] != '\\' && p[i] >= 0x20) { i++; }
    return i;
}

const void *fg_find_bytes(const void *p, size_t n, const void *text, size_t length) { return memmem(p, n, text, length); }
