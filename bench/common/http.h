// The little HTTP/1.1 the load tools need: a head's framing and a chunked decoder. It trusts its peer to be
// a benchmark; what guards against hostile bytes is the gateway's business.
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *p;
    size_t n;
};

#define SPAN_IS(s, literal) ((s).n == sizeof(literal) - 1 && memcmp((s).p, literal, sizeof(literal) - 1) == 0)

struct http_head {
    size_t length;            // bytes of the head, empty line included
    struct span method, target;  // requests
    int status;               // responses
    int minor;                // HTTP/1.minor
    bool has_length, chunked, close, keep_alive, expects_continue, timestamps, unknown_coding;
    uint64_t content_length;
};

static inline bool http_name_is(const char *p, size_t n, const char *lower, size_t m) {
    return n == m && strncasecmp(p, lower, m) == 0;
}

static inline bool http_value_has(const char *p, size_t n, const char *lower) {
    size_t m = strlen(lower);
    for (size_t i = 0; i + m <= n; i++)
        if (strncasecmp(p + i, lower, m) == 0) return true;
    return false;
}

static inline bool http_header(struct http_head *h, const char *name, size_t n, const char *value, size_t m) {
#define NAME(literal) http_name_is(name, n, literal, sizeof(literal) - 1)
    switch (n) {
    case 6:
        if (NAME("expect")) h->expects_continue = http_value_has(value, m, "100-continue");
        break;
    case 10:
        if (NAME("connection")) {
            h->close |= http_value_has(value, m, "close");
            h->keep_alive |= http_value_has(value, m, "keep-alive");
        }
        break;
    case 14:
        if (NAME("content-length")) {
            if (m == 0 || m > 18 || h->has_length) return false;
            uint64_t value_number = 0;
            for (size_t i = 0; i < m; i++) {
                if (value[i] < '0' || value[i] > '9') return false;
                value_number = value_number * 10 + (uint64_t)(value[i] - '0');
            }
            h->has_length = true;
            h->content_length = value_number;
        }
        break;
    case 17:
        if (NAME("transfer-encoding")) {
            if (http_name_is(value, m, "chunked", 7)) h->chunked = true;
            else h->unknown_coding = true;
        } else if (NAME("x-mock-timestamps")) {
            h->timestamps = m == 1 && value[0] == '1';
        }
        break;
    }
#undef NAME
    return true;
}

enum http_parse { HTTP_MORE, HTTP_OK, HTTP_BAD };

/// Parses one head at `p`. `is_response` tells a status line from a request line.
static inline enum http_parse http_parse_head(const char *p, size_t n, bool is_response, struct http_head *h) {
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) return HTTP_MORE;
    *h = (struct http_head){.length = (size_t)(end - p) + 4};
    end += 2;  // every line, the last one too, now ends in CRLF before `end`
    const char *eol = memchr(p, '\r', (size_t)(end - p));
    if (!eol || eol[1] != '\n') return HTTP_BAD;
    size_t line = (size_t)(eol - p);
    if (is_response) {
        if (line < 12 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ') return HTTP_BAD;
        h->minor = p[7] - '0';
        for (int i = 9; i < 12; i++) {
            if (p[i] < '0' || p[i] > '9') return HTTP_BAD;
            h->status = h->status * 10 + (p[i] - '0');
        }
    } else {
        const char *space = memchr(p, ' ', line);
        if (!space || line < 9 || memcmp(eol - 9, " HTTP/1.", 8) != 0 || space >= eol - 9) return HTTP_BAD;
        h->method = (struct span){p, (size_t)(space - p)};
        h->target = (struct span){space + 1, (size_t)(eol - 9 - space - 1)};
        h->minor = eol[-1] - '0';
    }
    if (h->minor != 0 && h->minor != 1) return HTTP_BAD;
    for (const char *q = eol + 2; q < end;) {
        eol = memchr(q, '\r', (size_t)(end - q));
        if (!eol || eol[1] != '\n') return HTTP_BAD;
        const char *colon = memchr(q, ':', (size_t)(eol - q));
        if (!colon || colon == q) return HTTP_BAD;
        const char *value = colon + 1, *value_end = eol;
        while (value < value_end && (*value == ' ' || *value == '\t')) value++;
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) value_end--;
        if (!http_header(h, q, (size_t)(colon - q), value, (size_t)(value_end - value))) return HTTP_BAD;
        q = eol + 2;
    }
    return HTTP_OK;
}

/// Whether the connection may carry another message after this one.
static inline bool http_keeps_alive(const struct http_head *h) {
    return h->minor == 1 ? !h->close : h->keep_alive && !h->close;
}

/// Byte-resumable decoder of `Transfer-Encoding: chunked`. Zeroed is the start.
struct chunked {
    enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_CR, CHUNK_LF, CHUNK_TRAILER, CHUNK_DONE } state;
    uint8_t digits, line;  // digits of the size; bytes of the trailer line, saturated
    uint64_t left;
};

enum chunk_event { CHUNKS_MORE, CHUNKS_DATA, CHUNKS_END, CHUNKS_BAD };

/// Goes on at `p`; `*used` counts what was taken. CHUNKS_DATA hands out payload bytes in `*data`; call again
/// with the rest until MORE, END or BAD.
static inline enum chunk_event chunked_next(struct chunked *c, const char *p, size_t n, size_t *used,
                                            struct span *data) {
    size_t i = 0;
    while (i < n) {
        char b = p[i];
        switch (c->state) {
        case CHUNK_SIZE: {
            int digit = b >= '0' && b <= '9' ? b - '0' : (b | 32) >= 'a' && (b | 32) <= 'f' ? (b | 32) - 'a' + 10 : -1;
            if (digit >= 0) {
                if (++c->digits > 15) return CHUNKS_BAD;
                c->left = c->left * 16 + (uint64_t)digit;
            } else {
                if (c->digits == 0) return CHUNKS_BAD;
                c->state = CHUNK_EXTENSION;
                continue;
            }
            i++;
            break;
        }
        case CHUNK_EXTENSION:
            i++;
            if (b != '\n') break;
            c->digits = 0;
            c->line = 0;
            c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
            break;
        case CHUNK_DATA: {
            size_t take = n - i < c->left ? n - i : (size_t)c->left;
            *data = (struct span){p + i, take};
            c->left -= take;
            if (c->left == 0) c->state = CHUNK_CR;
            *used = i + take;
            return CHUNKS_DATA;
        }
        case CHUNK_CR:
            if (b != '\r') return CHUNKS_BAD;
            c->state = CHUNK_LF;
            i++;
            break;
        case CHUNK_LF:
            if (b != '\n') return CHUNKS_BAD;
            c->state = CHUNK_SIZE;
            i++;
            break;
        case CHUNK_TRAILER:
            i++;
            if (b == '\n') {
                if (c->line == 0) {
                    c->state = CHUNK_DONE;
                    *used = i;
                    return CHUNKS_END;
                }
                c->line = 0;
            } else if (b != '\r' && c->line < 255) {
                c->line++;
            }
            break;
        case CHUNK_DONE: *used = i; return CHUNKS_END;
        }
    }
    *used = i;
    return CHUNKS_MORE;
}

#endif
