#pragma once
// Bodies: chunk headers, server-sent events, lines.
#include "CScanHTTPBytes.h"

FG_INLINE int fg_hex_value(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// `1*15HEXDIG CRLF` whole at p (RFC 9112 §7.1 without extension): its length, and the size in *size. 0: anything else,
// for the byte-wise decoder to judge.
FG_INLINE size_t fg_chunk_header(const uint8_t *p, size_t n, uint64_t *size) {
    uint64_t value = 0;
    size_t limit = n < 17 ? n : 17, i = 0;
    for (; i < limit; i++) {
        int digit = fg_hex_value(p[i]);
        if (digit < 0) break;
        value = value << 4 | (uint64_t)digit;
    }
    if (i == 0 || i > 15 || n - i < 2 || p[i] != '\r' || p[i + 1] != '\n') return 0;
    *size = value;
    return i + 2;
}

// Server-sent events, counted as a browser dispatches them (WHATWG HTML §9.2.6): at an empty line after at least one
// `data` field. Lines end in LF, CRLF or CR; a byte order mark at the start is skipped. Zero-initialised.
typedef struct {
    uint32_t events;
    uint8_t column;    // bytes of the line matched with "data": 0…4; 5 after "data:"; FG_SSE_OTHER when it is another
    uint8_t has_data;  // the block has a data field
    uint8_t after_cr;  // the last byte was CR: an LF now belongs to it
    uint8_t mark;      // bytes of the byte order mark seen, FG_SSE_MARK_DONE when that is over
} fg_sse;
enum { FG_SSE_DATA = 5, FG_SSE_OTHER = 6, FG_SSE_MARK_DONE = 4 };

static inline void fg_sse_feed(fg_sse *state, const uint8_t *p, size_t n) {
    static const uint8_t data[5] = {'d', 'a', 't', 'a', ':'};
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    size_t i = 0;
    uint32_t events = state->events, has_data = state->has_data;
    uint32_t column = state->column;

    while (FG_UNLIKELY(state->mark != FG_SSE_MARK_DONE) && i < n) {
        if (p[i] == mark[state->mark]) {
            i++;
            if (++state->mark == 3) state->mark = FG_SSE_MARK_DONE;
        } else {
            if (state->mark > 0) column = FG_SSE_OTHER;  // part of a mark is the start of a line of another name
            state->mark = FG_SSE_MARK_DONE;
        }
    }
    if (i < n && state->after_cr) {
        if (p[i] == '\n') i++;
        state->after_cr = 0;
    }
    while (i < n) {
        if (column == 0 && n - i >= 5 && memcmp(p + i, data, 5) == 0) {
            column = FG_SSE_DATA;
            i += 5;
        } else if (column < FG_SSE_DATA) {
            uint8_t byte = p[i];
            if (byte == data[column]) {
                column++, i++;
                continue;
            }
            if (byte != '\n' && byte != '\r') column = FG_SSE_OTHER;
        }
        i = fg_find_line_end(p, i, n);
        if (i == n) break;
        if (column == 0) {
            events += has_data;
            has_data = 0;
        } else if (column == 4 || column == FG_SSE_DATA) {
            has_data = 1;
        }
        column = 0;
        if (p[i++] == '\r') {
            if (i == n) {
                state->after_cr = 1;
            } else if (p[i] == '\n') {
                i++;
            }
        }
    }
    state->events = events;
    state->has_data = (uint8_t)has_data;
    state->column = (uint8_t)column;
}

// Lines that hold more than whitespace, ended by LF. Returns how many ended in p; *open says whether the unfinished line
// at the end already holds something.
static inline uint32_t fg_count_lines(const uint8_t *p, size_t n, uint8_t *open) {
    uint32_t lines = 0;
    size_t i = 0;
    uint8_t filled = *open;
    while (i < n) {
        if (!filled) {
            uint8_t byte = p[i];
            if (byte == '\n' || byte == '\r' || byte == ' ' || byte == '\t') {
                i++;
                continue;
            }
            filled = 1;
        }
        i = fg_find_line_feed(p, i, n);
        if (i == n) break;
        i++;
        lines++;
        filled = 0;
    }
    *open = filled;
    return lines;
}
