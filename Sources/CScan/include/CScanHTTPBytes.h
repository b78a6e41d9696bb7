#pragma once
// Byte classes and the "find the first byte that is not …" scans made from them.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// FG_NO_VECTORS forces the plain code that other CPUs get, so that it can be tested here.
#if defined(__SSE2__) && !defined(FG_NO_VECTORS)
#define FG_SSE2 1
#include <emmintrin.h>
#else
#define FG_SSE2 0
#endif

#define FG_INLINE static inline __attribute__((always_inline))
#define FG_LIKELY(x) __builtin_expect(!!(x), 1)
#define FG_UNLIKELY(x) __builtin_expect(!!(x), 0)

enum {
    FG_CLASS_TOKEN = 1,    // RFC 9110 §5.6.2 tchar
    FG_CLASS_VALUE = 2,    // RFC 9110 §5.5 field-value: HTAB, SP, VCHAR, obs-text
    FG_CLASS_TARGET = 4,   // request-target: VCHAR but '#'
    FG_CLASS_HOST = 8,     // RFC 3986 reg-name without pct-encoded, and without ',' (a list is not a host)
    FG_CLASS_PLAIN = 16,   // letters, digits, '-': what nearly all field names are made of
    FG_CLASS_HEX = 32,
    FG_CLASS_QUOTED = 64,  // RFC 9110 §5.6.4 qdtext
};

static const uint8_t fg_class[256] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x42, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x42, 0x4f, 0x06, 0x43, 0x4f, 0x47, 0x4f, 0x4f, 0x4e, 0x4e, 0x4f, 0x4f, 0x46, 0x5f, 0x4f, 0x46,
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x46, 0x4e, 0x46, 0x4e, 0x46, 0x46,
    0x46, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f,
    0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x46, 0x06, 0x46, 0x47, 0x4f,
    0x47, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f,
    0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x46, 0x47, 0x46, 0x4f, 0x00,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
};

FG_INLINE int fg_is(uint8_t byte, int classes) { return (fg_class[byte] & classes) != 0; }

// Each fg_mask_… gives one bit for each of the 16 bytes at p: 1 where the scan has to stop.
#if FG_SSE2

FG_INLINE __m128i fg_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
FG_INLINE __m128i fg_fill(uint8_t byte) { return _mm_set1_epi8((char)byte); }
FG_INLINE __m128i fg_at_most(__m128i v, uint8_t limit) { return _mm_cmpeq_epi8(_mm_min_epu8(v, fg_fill(limit)), v); }
FG_INLINE __m128i fg_equal(__m128i v, uint8_t byte) { return _mm_cmpeq_epi8(v, fg_fill(byte)); }
FG_INLINE __m128i fg_alphanumeric(__m128i v) {
    __m128i letter = fg_at_most(_mm_sub_epi8(_mm_or_si128(v, fg_fill(0x20)), fg_fill('a')), 25);
    __m128i digit = fg_at_most(_mm_sub_epi8(v, fg_fill('0')), 9);
    return _mm_or_si128(letter, digit);
}
FG_INLINE uint32_t fg_bits(__m128i v) { return (uint32_t)_mm_movemask_epi8(v); }

FG_INLINE uint32_t fg_mask_plain(const uint8_t *p) {
    __m128i v = fg_load(p);
    return fg_bits(_mm_or_si128(fg_alphanumeric(v), fg_equal(v, '-'))) ^ 0xffff;
}
FG_INLINE uint32_t fg_mask_host(const uint8_t *p) {
    __m128i v = fg_load(p);
    return fg_bits(_mm_or_si128(fg_alphanumeric(v), _mm_or_si128(fg_equal(v, '-'), fg_equal(v, '.')))) ^ 0xffff;
}
FG_INLINE uint32_t fg_mask_value(const uint8_t *p) {
    __m128i v = fg_load(p);
    return fg_bits(_mm_or_si128(_mm_andnot_si128(fg_equal(v, '\t'), fg_at_most(v, 0x1f)), fg_equal(v, 0x7f)));
}
FG_INLINE uint32_t fg_mask_control(const uint8_t *p) {
    __m128i v = fg_load(p);
    return fg_bits(_mm_or_si128(fg_at_most(v, 0x1f), fg_equal(v, 0x7f)));
}
FG_INLINE uint32_t fg_mask_colon(const uint8_t *p) { return fg_bits(fg_equal(fg_load(p), ':')); }
FG_INLINE uint32_t fg_mask_query(const uint8_t *p) {
    __m128i v = fg_load(p);
    // Signed: 0x80…0xff are negative, so one comparison takes CTL, SP and obs-text.
    __m128i low = _mm_cmplt_epi8(v, fg_fill(0x21));
    return fg_bits(_mm_or_si128(low, _mm_or_si128(fg_equal(v, 0x7f), fg_equal(v, '#'))));
}
FG_INLINE uint32_t fg_mask_path(const uint8_t *p) { return fg_mask_query(p) | fg_bits(fg_equal(fg_load(p), '?')); }
FG_INLINE uint32_t fg_mask_unsafe_path(const uint8_t *p) {
    __m128i v = fg_load(p);
    __m128i odd = _mm_or_si128(fg_equal(v, '%'), _mm_or_si128(fg_equal(v, '\\'), fg_equal(v, ';')));
    return fg_mask_query(p) | fg_bits(odd);
}
// Bytes that are '/' and followed by '/' or '.'; reads p[0 ..< 17].
FG_INLINE uint32_t fg_mask_empty_or_dotted(const uint8_t *p) {
    __m128i next = fg_load(p + 1);
    return fg_bits(_mm_and_si128(fg_equal(fg_load(p), '/'), _mm_or_si128(fg_equal(next, '/'), fg_equal(next, '.'))));
}
FG_INLINE uint32_t fg_mask_line_end(const uint8_t *p) {
    __m128i v = fg_load(p);
    return fg_bits(_mm_or_si128(fg_equal(v, '\n'), fg_equal(v, '\r')));
}
FG_INLINE uint32_t fg_mask_line_feed(const uint8_t *p) { return fg_bits(fg_equal(fg_load(p), '\n')); }
FG_INLINE uint32_t fg_mask_comma(const uint8_t *p) { return fg_bits(fg_equal(fg_load(p), ',')); }

#else

#define FG_PLAIN_MASK(name, stop)                                                                                      \
    FG_INLINE uint32_t fg_mask_##name(const uint8_t *p) {                                                              \
        uint32_t mask = 0;                                                                                             \
        for (uint32_t i = 0; i < 16; i++) {                                                                            \
            uint8_t byte = p[i];                                                                                       \
            mask |= (uint32_t)((stop) != 0) << i;                                                                      \
        }                                                                                                              \
        return mask;                                                                                                   \
    }
FG_PLAIN_MASK(plain, !fg_is(byte, FG_CLASS_PLAIN))
FG_PLAIN_MASK(host, !fg_is(byte, FG_CLASS_PLAIN) && byte != '.')
FG_PLAIN_MASK(value, !fg_is(byte, FG_CLASS_VALUE))
FG_PLAIN_MASK(control, byte < 0x20 || byte == 0x7f)
FG_PLAIN_MASK(colon, byte == ':')
FG_PLAIN_MASK(query, !fg_is(byte, FG_CLASS_TARGET))
FG_PLAIN_MASK(path, !fg_is(byte, FG_CLASS_TARGET) || byte == '?')
FG_PLAIN_MASK(unsafe_path, !fg_is(byte, FG_CLASS_TARGET) || byte == '%' || byte == '\\' || byte == ';')
FG_PLAIN_MASK(empty_or_dotted, byte == '/' && (p[i + 1] == '/' || p[i + 1] == '.'))
FG_PLAIN_MASK(line_end, byte == '\n' || byte == '\r')
FG_PLAIN_MASK(line_feed, byte == '\n')
FG_PLAIN_MASK(comma, byte == ',')
#undef FG_PLAIN_MASK

#endif

// fg_find_…(p, i, n): the index of the first stop byte at or after i, or n. The last fewer than 16 bytes are looked at
// through a load that ends at n and overlaps bytes already seen, so nothing beyond n is read.
#define FG_FIND(name, stop)                                                                                            \
    FG_INLINE size_t fg_find_##name(const uint8_t *p, size_t i, size_t n) {                                            \
        while (n - i >= 16) {                                                                                          \
            uint32_t mask = fg_mask_##name(p + i);                                                                     \
            if (mask) return i + (size_t)__builtin_ctz(mask);                                                          \
            i += 16;                                                                                                   \
        }                                                                                                              \
        if (n >= 16) {                                                                                                 \
            if (i == n) return n;                                                                                      \
            uint32_t mask = fg_mask_##name(p + n - 16) >> (i + 16 - n);                                                \
            return mask ? i + (size_t)__builtin_ctz(mask) : n;                                                         \
        }                                                                                                              \
        for (; i < n; i++) {                                                                                           \
            uint8_t byte = p[i];                                                                                       \
            if (stop) return i;                                                                                        \
        }                                                                                                              \
        return n;                                                                                                      \
    }
FG_FIND(plain, !fg_is(byte, FG_CLASS_PLAIN))
FG_FIND(host, !fg_is(byte, FG_CLASS_PLAIN) && byte != '.')
FG_FIND(value, !fg_is(byte, FG_CLASS_VALUE))
FG_FIND(control, byte < 0x20 || byte == 0x7f)
FG_FIND(query, !fg_is(byte, FG_CLASS_TARGET))
FG_FIND(path, !fg_is(byte, FG_CLASS_TARGET) || byte == '?')
FG_FIND(unsafe_path, !fg_is(byte, FG_CLASS_TARGET) || byte == '%' || byte == '\\' || byte == ';')
FG_FIND(line_end, byte == '\n' || byte == '\r')
FG_FIND(line_feed, byte == '\n')
FG_FIND(comma, byte == ',')
#undef FG_FIND

// Whether p[0 ..< n] holds "//" or "/.".
FG_INLINE int fg_has_empty_or_dotted(const uint8_t *p, size_t n) {
    size_t i = 0;
    if (n >= 17) {
        for (; n - i >= 17; i += 16) {
            if (fg_mask_empty_or_dotted(p + i)) return 1;
        }
        return fg_mask_empty_or_dotted(p + n - 17) != 0;
    }
    for (; i + 1 < n; i++) {
        if (p[i] == '/' && (p[i + 1] == '/' || p[i + 1] == '.')) return 1;
    }
    return 0;
}

// The end of the token that begins at i (RFC 9110 §5.6.2): the first byte that is no tchar, or n.
FG_INLINE size_t fg_find_token_end(const uint8_t *p, size_t i, size_t n) {
    for (;;) {
        i = fg_find_plain(p, i, n);
        if (i == n || FG_LIKELY(!fg_is(p[i], FG_CLASS_TOKEN))) return i;
        i++;
    }
}
