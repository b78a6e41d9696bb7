#pragma once
// The field names the gateway knows, and one perfect hash over them.
#include "CScanHTTPBytes.h"

typedef struct {
    uint8_t length;
    char bytes[39];
} fg_known_name;

// The index is the id; 0 is "any other name". Lower case; letters, digits and '-' only (fg_header_id relies on it).
static const fg_known_name fg_known_names[] = {
    {0, ""},
    {4, "host"},
    {14, "content-length"},
    {17, "transfer-encoding"},
    {10, "connection"},
    {10, "keep-alive"},
    {2, "te"},
    {7, "trailer"},
    {7, "upgrade"},
    {16, "proxy-connection"},
    {18, "proxy-authenticate"},
    {19, "proxy-authorization"},
    {6, "expect"},
    {13, "authorization"},
    {9, "x-api-key"},
    {7, "api-key"},
    {14, "x-goog-api-key"},
    {6, "cookie"},
    {10, "set-cookie"},
    {10, "user-agent"},
    {6, "accept"},
    {15, "accept-encoding"},
    {12, "content-type"},
    {16, "content-encoding"},
    {12, "x-request-id"},
    {15, "x-forwarded-for"},
    {17, "x-forwarded-proto"},
    {16, "x-forwarded-host"},
    {9, "x-real-ip"},
    {9, "forwarded"},
    {13, "x-source-path"},
    {6, "origin"},
    {29, "access-control-request-method"},
    {30, "access-control-request-headers"},
    {13, "cache-control"},
    {17, "x-accel-buffering"},
    {11, "retry-after"},
    {4, "date"},
    {6, "server"},
    {3, "via"},
    {12, "x-proxied-by"},
    {27, "access-control-allow-origin"},
    {17, "sec-websocket-key"},
    {14, "http2-settings"},
    {8, "location"},
    {4, "vary"},
    {16, "www-authenticate"},
    {28, "access-control-allow-methods"},
    {28, "access-control-allow-headers"},
    {32, "access-control-allow-credentials"},
    {29, "access-control-expose-headers"},
    {22, "access-control-max-age"},
    {26, "x-ratelimit-limit-requests"},
    {30, "x-ratelimit-remaining-requests"},
    {26, "x-ratelimit-reset-requests"},
    {13, "server-timing"},
    {15, "accept-language"},
    {5, "range"},
    {13, "content-range"},
    {12, "max-forwards"},
};
enum { FG_KNOWN_NAME_COUNT = sizeof(fg_known_names) / sizeof(fg_known_names[0]) };

// Slot of fg_name_hash -> id. No two known names share a slot; the tests look every name up.
static const uint8_t fg_name_slots[256] = {
    50, 0, 0, 0, 0, 6, 0, 3, 0, 59, 0, 0, 53, 0, 0, 55,
    0, 0, 37, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 35,
    58, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 49, 8, 0, 29, 4, 0, 0,
    0, 0, 0, 0, 0, 0, 57, 0, 0, 43, 0, 56, 28, 0, 0, 0,
    0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 0, 39, 23, 0, 32, 0,
    13, 0, 0, 0, 0, 0, 0, 47, 0, 0, 33, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 45, 0, 0, 0, 0, 25, 0, 0, 0, 0, 24, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 34, 0, 0, 0, 0, 2, 21, 0, 0, 16, 42,
    0, 0, 30, 0, 0, 0, 7, 46, 0, 0, 10, 0, 0, 0, 18, 20,
    0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 15, 0, 0,
    0, 0, 0, 0, 54, 41, 0, 48, 0, 0, 0, 0, 0, 51, 0, 0,
    17, 0, 0, 0, 0, 0, 38, 0, 0, 0, 0, 0, 0, 0, 0, 36,
    0, 0, 1, 27, 0, 0, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 26, 22, 0, 0, 14, 0, 12, 0, 0, 0, 0, 9, 0, 44, 5,
};

// The known name with this id, in lower case; NULL for 0 and for what is no id.
FG_INLINE const char *fg_header_name(uint8_t id, uint8_t *length) {
    if (id == 0 || id >= FG_KNOWN_NAME_COUNT) return NULL;
    *length = fg_known_names[id].length;
    return fg_known_names[id].bytes;
}

// Of the length and four letters; length is at least 2.
FG_INLINE uint32_t fg_name_hash(const uint8_t *p, size_t length) {
    const uint8_t *middle = p + (length - 1) / 2, *last = p + length - 2;
    uint32_t letters = (uint32_t)(middle[0] | middle[1] << 8) << 16 | (uint32_t)(last[0] | last[1] << 8);
    return ((letters | 0x20202020u) + (uint32_t)length * 3190972414u) * 114418939u >> 24;
}

// Id of the field name p[0 ..< length], which must hold no control byte: then `| 0x20` makes lower case exactly of those
// bytes that can be equal to a known name's, and a name with an id needs no further validation. `readable` is how many
// bytes may be read at p.
FG_INLINE uint8_t fg_header_id(const uint8_t *p, size_t length, size_t readable) {
    if (FG_UNLIKELY(length < 2)) return 0;
    uint8_t id = fg_name_slots[fg_name_hash(p, length)];
    const fg_known_name *known = &fg_known_names[id];
    if (known->length != length) return 0;
    const uint8_t *expected = (const uint8_t *)known->bytes;
#if defined(__SSE2__)
    const __m128i fold = _mm_set1_epi8(0x20);
    if (length >= 16) {
        __m128i head = _mm_cmpeq_epi8(_mm_or_si128(fg_load(p), fold), fg_load(expected));
        __m128i tail = _mm_cmpeq_epi8(_mm_or_si128(fg_load(p + length - 16), fold), fg_load(expected + length - 16));
        return fg_bits(_mm_and_si128(head, tail)) == 0xffff ? id : 0;
    }
    if (FG_LIKELY(readable >= 16)) {
        uint32_t same = fg_bits(_mm_cmpeq_epi8(_mm_or_si128(fg_load(p), fold), fg_load(expected)));
        uint32_t wanted = (1u << length) - 1;
        return (same & wanted) == wanted ? id : 0;
    }
#endif
    (void)readable;
    for (size_t i = 0; i < length; i++) {
        if ((p[i] | 0x20) != expected[i]) return 0;
    }
    return id;
}

// The same for any bytes whatever.
FG_INLINE uint8_t fg_header_id_checked(const uint8_t *p, size_t length) {
    if (length > 32 || fg_find_token_end(p, 0, length) != length) return 0;
    return fg_header_id(p, length, length);
}

FG_INLINE uint64_t fg_load8(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

// Whether p[0 ..< length] is `lower` (already lower case), ASCII letters compared without case.
FG_INLINE int fg_equals_ignoring_case(const uint8_t *p, const uint8_t *lower, size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = p[i];
        if (byte >= 'A' && byte <= 'Z') byte |= 0x20;
        if (byte != lower[i]) return 0;
    }
    return 1;
}

// The same with either side in any case.
FG_INLINE int fg_same_ignoring_case(const uint8_t *p, const uint8_t *q, size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint8_t a = p[i], b = q[i];
        if (a >= 'A' && a <= 'Z') a |= 0x20;
        if (b >= 'A' && b <= 'Z') b |= 0x20;
        if (a != b) return 0;
    }
    return 1;
}
