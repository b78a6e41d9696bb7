#pragma once
// Lines of a message head: field lines with their classification, request targets, hosts.
#include "CScanHTTPNames.h"

// One field line. Offsets count from the start of the message; the value is without the whitespace around it.
// HTTP.Field has this very layout.
typedef struct {
    uint32_t name_offset;
    uint32_t value_offset;
    uint32_t value_length;
    uint16_t name_length;
    uint8_t id;
    uint8_t reserved;
} fg_field;
_Static_assert(sizeof(fg_field) == 16, "HTTP.Field relies on this layout");

enum { FG_COMPLETE = 0, FG_INCOMPLETE = 1, FG_FAILED = 2, FG_FIELD = 3 };

// Raw values of HTTP.HTTPFailureCode that field lines can cause.
enum {
    FG_FAILURE_INVALID_FIELD_NAME = 1,
    FG_FAILURE_EMPTY_FIELD_NAME = 2,
    FG_FAILURE_WHITESPACE_IN_FIELD_NAME = 3,
    FG_FAILURE_MISSING_COLON = 4,
    FG_FAILURE_INVALID_FIELD_VALUE = 5,
    FG_FAILURE_OBSOLETE_LINE_FOLDING = 6,
    FG_FAILURE_BARE_CR = 7,
    FG_FAILURE_BARE_LF = 8,
    FG_FAILURE_FIELD_NAME_TOO_LONG = 9,
    FG_FAILURE_TOO_MANY_FIELDS = 10,
};
enum { FG_MAX_FIELD_NAME = 1024 };

// Where a scan over field lines stands. Zero-initialised but for `position`, it begins there; after FG_INCOMPLETE the
// same state goes on with more bytes at the same offsets.
typedef struct {
    uint32_t position;  // start of the first line not yet complete; after FG_COMPLETE the byte after the empty line
    uint32_t resume;    // value bytes before this offset have been looked at
    uint32_t count;     // complete field lines
    uint32_t failure;   // after FG_FAILED
    uint32_t odd_names; // a name holds something else than letters, digits and '-'
    uint64_t known;     // 1 << id of every field seen, bit 0 for those without an id
    uint64_t repeated;  // 1 << id of those seen more than once
} fg_field_scan;

FG_INLINE int fg_is_crlf(const uint8_t *p) {
    uint16_t pair, crlf;
    memcpy(&pair, p, 2);
    memcpy(&crlf, "\r\n", 2);
    return pair == crlf;
}

// The field line p[line ..< end] with the name before `colon`; p[end] is its CR.
FG_INLINE fg_field fg_make_field(const uint8_t *p, size_t line, size_t colon, size_t end, uint8_t id) {
    size_t start = colon + 1;
    start += p[start] == ' ';
    // All that is left below '!' here is whitespace, and the CR where the value is empty.
    if (FG_UNLIKELY(p[start] <= ' ' || p[end - 1] <= ' ')) {
        while (start < end && (p[start] == ' ' || p[start] == '\t')) start++;
        while (end > start && (p[end - 1] == ' ' || p[end - 1] == '\t')) end--;
    }
    return (fg_field){
        .name_offset = (uint32_t)line,
        .value_offset = (uint32_t)start,
        .value_length = (uint32_t)(end - start),
        .name_length = (uint16_t)(colon - line),
        .id = id,
    };
}

// One line of any kind: FG_FIELD if it was a whole field line.
static inline __attribute__((noinline)) int fg_scan_line(
    const uint8_t *p, size_t n, fg_field *fields, uint32_t max_fields, fg_field_scan *scan) {
    size_t line = scan->position, resume = scan->resume;
    if (line >= n) return FG_INCOMPLETE;
    uint8_t first = p[line];
    if (first == '\r') {
        if (line + 1 >= n) return FG_INCOMPLETE;
        if (p[line + 1] != '\n') return scan->failure = FG_FAILURE_BARE_CR, FG_FAILED;
        scan->position = (uint32_t)line + 2;
        return FG_COMPLETE;
    }
    if (first == '\n') return scan->failure = FG_FAILURE_BARE_LF, FG_FAILED;
    if (first == ' ' || first == '\t') return scan->failure = FG_FAILURE_OBSOLETE_LINE_FOLDING, FG_FAILED;
    if (scan->count >= max_fields) return scan->failure = FG_FAILURE_TOO_MANY_FIELDS, FG_FAILED;

    size_t colon = fg_find_token_end(p, line, n);
    if (colon - line > FG_MAX_FIELD_NAME) return scan->failure = FG_FAILURE_FIELD_NAME_TOO_LONG, FG_FAILED;
    if (colon == n) return FG_INCOMPLETE;
    uint8_t stop = p[colon];
    if (stop != ':') {
        scan->failure = stop == ' ' || stop == '\t'    ? FG_FAILURE_WHITESPACE_IN_FIELD_NAME
                        : stop == '\r' || stop == '\n' ? FG_FAILURE_MISSING_COLON
                                                       : FG_FAILURE_INVALID_FIELD_NAME;
        return FG_FAILED;
    }
    if (colon == line) return scan->failure = FG_FAILURE_EMPTY_FIELD_NAME, FG_FAILED;

    size_t end = fg_find_value(p, resume > colon ? resume : colon + 1, n);
    if (end == n || (p[end] == '\r' && end + 1 == n)) return scan->resume = (uint32_t)end, FG_INCOMPLETE;
    if (p[end] != '\r') {
        scan->failure = p[end] == '\n' ? FG_FAILURE_BARE_LF : FG_FAILURE_INVALID_FIELD_VALUE;
        return FG_FAILED;
    }
    if (p[end + 1] != '\n') return scan->failure = FG_FAILURE_BARE_CR, FG_FAILED;
    uint8_t id = fg_header_id(p + line, colon - line, n - line);
    if (id == 0 && fg_find_plain(p, line, n) != colon) scan->odd_names = 1;
    fields[scan->count++] = fg_make_field(p, line, colon, end, id);
    scan->repeated |= scan->known & (uint64_t)1 << id;
    scan->known |= (uint64_t)1 << id;
    scan->position = (uint32_t)end + 2;
    scan->resume = 0;
    return FG_FIELD;
}

// Scans field lines up to and including the empty line that ends them. What it refuses for a prefix it refuses, with
// the same failure, for every continuation of that prefix, and the other way round.
//
// The loop takes lines that are plainly whole and well-formed; whatever else there is goes to fg_scan_line. A line's end
// is looked for from its start, so that the next turn waits for that scan only and not for the name's; and a name that is
// one of the known ones is thereby valid, so that only others are looked at byte class by byte class.
FG_INLINE int fg_scan_fields(
    const uint8_t *p, size_t n, fg_field *fields, uint32_t max_fields, fg_field_scan *scan) {
    int result;
    do {
        size_t line = scan->position, resume = scan->resume;
        uint32_t count = scan->count;
        uint64_t known = scan->known, repeated = scan->repeated;
        while (FG_LIKELY(line + 16 <= n)) {
            uint32_t controls = fg_mask_control(p + line), colons = fg_mask_colon(p + line);
            size_t end = controls ? line + (size_t)__builtin_ctz(controls)
                                  : fg_find_control(p, resume > line + 16 ? resume : line + 16, n);
            if (FG_UNLIKELY(end + 2 > n || !fg_is_crlf(p + end))) break;
            size_t colon = line + (size_t)__builtin_ctz(colons | 0x10000);
            if (FG_UNLIKELY(colons == 0)) {
                colon = fg_find_token_end(p, line, n);
                if (p[colon] != ':' || colon - line > FG_MAX_FIELD_NAME) break;
            }
            if (FG_UNLIKELY(colon >= end || colon == line || count >= max_fields)) break;
            uint8_t id = fg_header_id(p + line, colon - line, 16);
            if (id == 0) {
                size_t plain = fg_find_plain(p, line, n);
                if (FG_UNLIKELY(plain != colon)) {
                    if (fg_find_token_end(p, plain, n) != colon) break;
                    scan->odd_names = 1;
                }
            }
            uint64_t bit = (uint64_t)1 << id;
            repeated |= known & bit;
            known |= bit;
            fields[count++] = fg_make_field(p, line, colon, end, id);
            line = end + 2;
            resume = 0;
        }
        scan->position = (uint32_t)line;
        scan->resume = (uint32_t)resume;
        scan->count = count;
        scan->known = known;
        scan->repeated = repeated;
        if (FG_LIKELY(line + 2 <= n && fg_is_crlf(p + line))) {
            scan->position = (uint32_t)line + 2;
            return FG_COMPLETE;
        }
        result = fg_scan_line(p, n, fields, max_fields, scan);
    } while (FG_UNLIKELY(result == FG_FIELD));
    return result;
}

// Methods the gateway tells apart (raw values of HTTP.Method); 9 for any other token. Case counts (RFC 9110 §9.1).
FG_INLINE uint8_t fg_method(const uint8_t *p, size_t length) {
    switch (length) {
    case 3: return memcmp(p, "GET", 3) == 0 ? 0 : memcmp(p, "PUT", 3) == 0 ? 3 : 9;
    case 4: return memcmp(p, "POST", 4) == 0 ? 2 : memcmp(p, "HEAD", 4) == 0 ? 1 : 9;
    case 5: return memcmp(p, "PATCH", 5) == 0 ? 4 : memcmp(p, "TRACE", 5) == 0 ? 8 : 9;
    case 6: return memcmp(p, "DELETE", 6) == 0 ? 5 : 9;
    case 7: return memcmp(p, "OPTIONS", 7) == 0 ? 6 : memcmp(p, "CONNECT", 7) == 0 ? 7 : 9;
    default: return 9;
    }
}

// Whether p[0 ..< length] is an IPv6address (RFC 3986 §3.2.2), the part between the brackets.
static inline int fg_is_ipv6(const uint8_t *p, size_t length) {
    size_t i = 0;
    int groups = 0, elided = 0;
    if (length >= 2 && p[0] == ':' && p[1] == ':') elided = 1, i = 2;
    while (i < length) {
        size_t start = i;
        while (i < length && i - start < 5 && fg_is(p[i], FG_CLASS_HEX)) i++;
        if (i < length && p[i] == '.') {  // the last 32 bits as dotted decimal
            int octets = 0;
            i = start;
            for (;;) {
                uint32_t value = 0;
                size_t digit = i;
                while (i < length && i - digit < 4 && p[i] >= '0' && p[i] <= '9') value = value * 10 + (p[i++] - '0');
                if (i == digit || value > 255 || (i - digit > 1 && p[digit] == '0')) return 0;
                if (++octets == 4) break;
                if (i == length || p[i++] != '.') return 0;
            }
            groups += 2;
            return i == length && (elided ? groups < 8 : groups == 8);
        }
        if (i == start || i - start > 4 || ++groups > 8) return 0;
        if (i == length) break;
        if (p[i++] != ':') return 0;
        if (i < length && p[i] == ':') {
            if (elided) return 0;
            elided = 1;
            i++;
        } else if (i == length) {
            return 0;
        }
    }
    return elided ? groups < 8 : groups == 8;
}

// Splits and validates `host[:port]` at p[offset ..< offset + length] (RFC 9110 §7.2): returns the length of the host
// part, or -1. *port is -1 if there is none (or an empty one). Stricter than the grammar: no empty host, no ',',
// port at most 65535. Reads only inside p[0 ..< offset + length].
static inline ptrdiff_t fg_scan_host(const uint8_t *p, size_t offset, size_t length, int32_t *port) {
    size_t end = offset + length, i;
    *port = -1;
    if (length == 0) return -1;
    if (p[offset] == '[') {
        i = offset + 1;
        while (i < end && p[i] != ']') i++;
        if (i == end || !fg_is_ipv6(p + offset + 1, i - offset - 1)) return -1;
        i++;
    } else {
        i = offset;
        for (;;) {
            i = fg_find_host(p, i, end);
            if (i == end || p[i] == ':') break;
            if (fg_is(p[i], FG_CLASS_HOST)) {
                i++;
            } else if (p[i] == '%' && end - i > 2 && fg_is(p[i + 1], FG_CLASS_HEX) && fg_is(p[i + 2], FG_CLASS_HEX)) {
                i += 3;
            } else {
                return -1;
            }
        }
        if (i == offset) return -1;
    }
    size_t host = i - offset;
    if (i < end) {
        if (p[i++] != ':' || end - i > 5) return -1;
        if (i < end) {
            int32_t value = 0;
            for (; i < end; i++) {
                if (p[i] < '0' || p[i] > '9') return -1;
                value = value * 10 + (p[i] - '0');
            }
            if (value > 65535) return -1;
            *port = value;
        }
    }
    return (ptrdiff_t)host;
}

// Whether the path has to be looked at byte by byte: it holds '%', '\', ';', '#', a byte no target may hold, "/." or
// "//", or begins with a dot.
FG_INLINE int fg_path_is_suspect(const uint8_t *p, size_t n) {
    if (fg_find_unsafe_path(p, 0, n) != n) return 1;
    return (n > 0 && p[0] == '.') || fg_has_empty_or_dotted(p, n);
}

enum {
    FG_CONNECTION_OTHER = 0,
    FG_CONNECTION_KEEP_ALIVE = 1,
    FG_CONNECTION_CLOSE = 2,
    FG_CONNECTION_UPGRADE = 3,
    FG_CONNECTION_TE = 4,
};

// What one member of a Connection list is (RFC 9110 §7.6.1).
FG_INLINE uint8_t fg_connection_option(const uint8_t *p, size_t n) {
    // A field value holds no control byte but HTAB, so `| 0x20` is exact for letters and '-' (as in fg_header_id).
    const uint64_t fold = 0x2020202020202020u;
    switch (n) {
    case 10:
        return (fg_load8(p) | fold) == fg_load8((const uint8_t *)"keep-ali") && (p[8] | 0x20) == 'v' && (p[9] | 0x20) == 'e'
                   ? FG_CONNECTION_KEEP_ALIVE
                   : FG_CONNECTION_OTHER;
    case 5: return fg_equals_ignoring_case(p, (const uint8_t *)"close", 5) ? FG_CONNECTION_CLOSE : FG_CONNECTION_OTHER;
    case 7:
        return fg_equals_ignoring_case(p, (const uint8_t *)"upgrade", 7) ? FG_CONNECTION_UPGRADE : FG_CONNECTION_OTHER;
    case 2: return fg_equals_ignoring_case(p, (const uint8_t *)"te", 2) ? FG_CONNECTION_TE : FG_CONNECTION_OTHER;
    default: return FG_CONNECTION_OTHER;
    }
}

// `1*19DIGIT` of at most INT64_MAX: 1, and the number in *value; else 0.
FG_INLINE int fg_decimal(const uint8_t *p, size_t n, uint64_t *value) {
    if (n == 0 || n > 19) return 0;
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        number = number * 10 + (uint64_t)(p[i] - '0');
    }
    *value = number;
    return number <= INT64_MAX;
}
