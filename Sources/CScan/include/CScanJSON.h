// Byte scans for JSON text (RFC 8259). No function reads outside p[0 ..< n]. All are resumable: what they need to
// know at the next byte is in their state argument, so a body may be cut anywhere.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__SSE2__)
// All ones in each byte that ends a plain run inside a string: a quote, a backslash or a control byte.
static inline __m128i cscan_json_special(__m128i x) {
    const __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
    return _mm_or_si128(_mm_or_si128(quote, backslash), control);
}

static inline __m128i cscan_json_special16(const uint8_t *p) {
    return cscan_json_special(_mm_loadu_si128((const __m128i *)(const void *)p));
}
#endif

/// The same as `cscan_json_plain_run`, for long strings. It keeps the caller's registers, so that a loop around short ones
/// needs not be built around this call.
__attribute__((preserve_most)) size_t cscan_json_long_run(const uint8_t *p, size_t n);

/// Length of the run of plain bytes at the start of p[0 ..< n]: up to the first quote, backslash or control byte
/// (below 0x20), or n.
static inline size_t cscan_json_plain_run(const uint8_t *p, size_t n) {
    size_t i = 0;
#if defined(__SSE2__)
    // Most strings are short.
    for (int k = 0; k < 4 && n - i >= 16; k++, i += 16) {
        const unsigned mask = (unsigned)_mm_movemask_epi8(cscan_json_special16(p + i));
        if (mask) { return i + (size_t)__builtin_ctz(mask); }
    }
    if (n - i >= 16) { return i + cscan_json_long_run(p + i, n - i); }
    if (n - i >= 8) {
        const __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)(p + i));
        const unsigned mask = (unsigned)_mm_movemask_epi8(cscan_json_special(x)) & 0xff;  // the upper half is not ours
        if (mask) { return i + (size_t)__builtin_ctz(mask); }
        i += 8;
    }
#endif
    for (; i < n; i++) {
        const uint8_t c = p[i];
        if (c == '"' || c == '\\' || c < 0x20) { break; }
    }
    return i;
}

/// Copies the run at the start of p[0 ..< n] that stands in a JSON string as it is: ASCII up to the first control byte,
/// quote, backslash, DEL, byte above 127 or `stop`, or n. Returns its length; up to 15 bytes behind it at `out` are
/// overwritten as well.
static inline size_t cscan_json_copy_plain(uint8_t *out, const uint8_t *p, size_t n, uint8_t stop) {
    size_t i = 0;
#if defined(__SSE2__)
    for (; n - i >= 16; i += 16) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        _mm_storeu_si128((__m128i *)(void *)(out + i), x);
        const __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
        const __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
        const __m128i delete = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
        const __m128i stopped = _mm_cmpeq_epi8(x, _mm_set1_epi8((char)stop));
        const __m128i control = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));  // signed: bytes above 127 are less than 0
        const __m128i found = _mm_or_si128(
            _mm_or_si128(_mm_or_si128(quote, backslash), _mm_or_si128(delete, stopped)), control);
        const unsigned mask = (unsigned)_mm_movemask_epi8(found);
        if (mask) { return i + (size_t)__builtin_ctz(mask); }
    }
#endif
    for (; i < n; i++) {
        const uint8_t c = p[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == stop) { break; }
        out[i] = c;
    }
    return i;
}

/// Lines that `cscan_json_header_lines` takes; of more it makes nothing.
enum { CSCAN_JSON_MAXIMUM_LINES = 128 };

/// Copies the run at the start of p[0 ..< n] that a JSON string holds as it is, as `cscan_json_copy_plain` does, or up to
/// a colon in a name.
static inline size_t cscan_json_copy_field(uint8_t *out, const uint8_t *p, size_t n, int is_name) {
    size_t i = 0;
#if defined(__SSE2__)
    for (; n - i >= 16; i += 16) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        _mm_storeu_si128((__m128i *)(void *)(out + i), x);
        // One more than DEL is negative, as are bytes above 127: one comparison finds both, and control bytes.
        const __m128i raised = _mm_add_epi8(x, _mm_set1_epi8(1));
        __m128i found = _mm_cmplt_epi8(raised, _mm_set1_epi8(0x21));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
        if (is_name) { found = _mm_or_si128(found, _mm_cmpeq_epi8(x, _mm_set1_epi8(':'))); }
        const unsigned mask = (unsigned)_mm_movemask_epi8(found);
        if (mask) { return i + (size_t)__builtin_ctz(mask); }
    }
#endif
    for (; i < n; i++) {
        const uint8_t c = p[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || (is_name && c == ':')) { break; }
        out[i] = c;
    }
    return i;
}

static inline uint8_t cscan_json_lower(uint8_t c) { return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c; }

/// Writes recorded header lines (`Name: value`, ended by CR LF or LF) as a JSON object of strings, blanks around values
/// left out. Returns its length; 0, and nothing of use at `out`, if there is no line, or something in them is not usual: a
/// line without a name, a name that occurs twice (in any case), a byte that is not printable ASCII. `out` has room
/// for twice `n` and 8 bytes a line and 16 more.
static inline size_t cscan_json_header_lines(uint8_t *out, const uint8_t *p, size_t n) {
    struct {
        const uint8_t *name;
        size_t length;
        uint64_t mark;
    } lines[CSCAN_JSON_MAXIMUM_LINES];
    const uint8_t *const end = p + n;
    uint8_t *const start = out;
    size_t count = 0;
    uint64_t seen = 0;
    while (p < end) {
        memcpy(out, ",\"", 2);
        const size_t length = cscan_json_copy_field(out + 2, p, (size_t)(end - p), 1);
        if (length == 0 || p + length == end || p[length] != ':' || count == CSCAN_JSON_MAXIMUM_LINES) { return 0; }
        // Names that are equal have equal marks, others mostly do not: one bit of 64.
        const uint64_t mark =
            1ull << ((length * 7 + cscan_json_lower(p[0]) * 3u + cscan_json_lower(p[length - 1]) * 13u) & 63);
        if (seen & mark) {
            for (size_t i = 0; i < count; i++) {
                if (lines[i].mark != mark || lines[i].length != length) { continue; }
                size_t same = 0;
                while (same < length && cscan_json_lower(lines[i].name[same]) == cscan_json_lower(p[same])) { same++; }
                if (same == length) { return 0; }
            }
        }
        seen |= mark;
        lines[count].name = p;
        lines[count].length = length;
        lines[count].mark = mark;
        count++;
        out += 2 + length;
        p += length + 1;
        memcpy(out, "\":\"", 3);
        out += 3;
        while (p < end && (*p == ' ' || *p == '\t')) { p++; }
        uint8_t *const value = out;
        for (;;) {
            const size_t run = cscan_json_copy_field(out, p, (size_t)(end - p), 0);
            out += run;
            p += run;
            if (p == end) { break; }
            if (*p == '"' || *p == '\\') {
                *out++ = '\\';
                *out++ = *p++;
                continue;
            }
            if (*p == '\r' && p + 1 < end && p[1] == '\n') {
                p += 2;
            } else if (*p == '\n') {
                p++;
            } else {
                return 0;
            }
            break;
        }
        while (out > value && out[-1] == ' ') { out--; }
        *out++ = '"';
    }
    if (out == start) { return 0; }
    *start = '{';  // in place of the first comma
    *out++ = '}';
    return (size_t)(out - start);
}

static inline int cscan_json_is_hex(uint8_t c) {
    return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 6;
}

static inline int cscan_json_is_escape(uint8_t c) {  // what may follow a backslash, but 'u'
    switch (c) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return 1;
    default: return 0;
    }
}

/// Where a scan is with respect to a string.
enum {
    CSCAN_JSON_OUTSIDE = 0,    ///< not in a string; after a skip: its closing quote was consumed
    CSCAN_JSON_INSIDE = 1,     ///< between the quotes
    CSCAN_JSON_ESCAPE = 2,     ///< after a backslash
    CSCAN_JSON_HEX = 2,        ///< + the number of hex digits still to come (3 ... 6)
    CSCAN_JSON_MALFORMED = 7,  ///< a control byte or an unknown escape
};

/// Consumes p[0 ..< n] up to and including the closing quote. `*state` is INSIDE, ESCAPE or HEX + k on entry and says on
/// return how it ended. Returns the number of bytes consumed.
static inline size_t cscan_json_string_skip(uint8_t *state, const uint8_t *p, size_t n) {
    size_t i = 0;
    uint8_t s = *state;
    while (i < n) {
        if (__builtin_expect(s == CSCAN_JSON_INSIDE, 1)) {
            i += cscan_json_plain_run(p + i, n - i);
            if (i == n) { break; }
            const uint8_t c = p[i++];
            if (c == '"') { s = CSCAN_JSON_OUTSIDE; break; }
            if (c != '\\') { s = CSCAN_JSON_MALFORMED; break; }
            if (i < n && cscan_json_is_escape(p[i])) { i++; continue; }
            s = CSCAN_JSON_ESCAPE;
        } else if (s == CSCAN_JSON_ESCAPE) {
            const uint8_t c = p[i++];
            if (c == 'u') {
                s = CSCAN_JSON_HEX + 4;
            } else if (cscan_json_is_escape(c)) {
                s = CSCAN_JSON_INSIDE;
            } else {
                s = CSCAN_JSON_MALFORMED;
                break;
            }
        } else {
            if (!cscan_json_is_hex(p[i++])) { s = CSCAN_JSON_MALFORMED; break; }
            s = s == CSCAN_JSON_HEX + 1 ? CSCAN_JSON_INSIDE : (uint8_t)(s - 1);
        }
    }
    *state = s;
    return i;
}

#define CSCAN_JSON_MAX_NESTED 511  // containers inside the top-level object, which itself is level 1 of 512

/// A container value that is being skipped.
typedef struct {
    uint64_t is_object[8];  ///< bit d: the container open at depth d + 1 is an object
    uint32_t depth;         ///< containers open; 0 = the value is complete
    uint8_t string_state;   ///< CSCAN_JSON_…; MALFORMED also stands for a stray byte, a wrong bracket or too much depth
    uint8_t reserved[3];
} cscan_json_nest;

/// What a byte means outside strings: 0 no place in JSON, 1 nothing for the nesting, else its bracket or quote.
/// Only bytes that valid JSON can hold pass, so no dialect's comment or other quote can hide structure.
static const uint8_t cscan_json_class[256] = {
    [' '] = 1, ['\t'] = 1, ['\n'] = 1, ['\r'] = 1, [','] = 1, [':'] = 1, ['-'] = 1, ['+'] = 1, ['.'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['E'] = 1, ['a'] = 1, ['e'] = 1, ['f'] = 1, ['l'] = 1, ['n'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,
    ['"'] = 2, ['{'] = 3, ['['] = 4, ['}'] = 5, [']'] = 6,
};

/// Consumes p[0 ..< n] up to and including the bracket that closes the value whose opening bracket was counted by
/// `cscan_json_nest_open`. Brackets have to pair. Returns the number of bytes consumed; see `depth` and `string_state`.
static inline size_t cscan_json_nest_skip(cscan_json_nest *nest, const uint8_t *p, size_t n) {
    size_t i = 0;
    uint32_t depth = nest->depth;
    uint8_t s = nest->string_state;
    if (s != CSCAN_JSON_OUTSIDE) {
        i = cscan_json_string_skip(&s, p, n);
        if (s != CSCAN_JSON_OUTSIDE) { goto done; }
    }
    while (i < n) {
        const uint8_t class = cscan_json_class[p[i++]];
        if (class == 1) { continue; }
        if (class == 2) {
            const size_t run = cscan_json_plain_run(p + i, n - i);
            i += run;
            if (i < n && p[i] == '"') { i++; continue; }
            s = CSCAN_JSON_INSIDE;
            i += cscan_json_string_skip(&s, p + i, n - i);
            if (s != CSCAN_JSON_OUTSIDE) { goto done; }
        } else if (class == 3 || class == 4) {
            if (depth == CSCAN_JSON_MAX_NESTED) { s = CSCAN_JSON_MALFORMED; goto done; }
            const uint64_t bit = (uint64_t)1 << (depth & 63);
            uint64_t *word = &nest->is_object[depth >> 6];
            *word = class == 3 ? *word | bit : *word & ~bit;
            depth++;
        } else if (class != 0) {
            const uint32_t at = depth - 1;
            if ((nest->is_object[at >> 6] >> (at & 63) & 1) != (class == 5)) { s = CSCAN_JSON_MALFORMED; goto done; }
            depth = at;
            if (depth == 0) { goto done; }
        } else {
            s = CSCAN_JSON_MALFORMED;
            goto done;
        }
    }
done:
    nest->depth = depth;
    nest->string_state = s;
    return i;
}

/// Begins the skip of a container whose opening bracket was just consumed.
static inline void cscan_json_nest_open(cscan_json_nest *nest, int is_object) {
    nest->is_object[0] = is_object ? 1 : 0;
    nest->depth = 1;
    nest->string_state = CSCAN_JSON_OUTSIDE;
}
