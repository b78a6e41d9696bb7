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

size_t cscan_json_plain_blocks(const uint8_t *p, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return plain_blocks_avx2(p, n);
#else
    (void)p;
    (void)n;
#endif
    return 0;
}

const void *fg_find_bytes(const void *p, size_t n, const void *text, size_t length) { return memmem(p, n, text, length); }
