// Events of a stream that differ in a few values only: the one that was read last, with holes where nobody cares what
// stands there, or only how much.
#pragma once
#include "CScanJSON.h"
#include <string.h>

enum {
    FG_HOLE_STRING,   ///< between quotes, whatever it says
    FG_HOLE_CONTENT,  ///< the same, and its size counts
    FG_HOLE_NUMBER,   ///< a whole number
    FG_SHAPE_HOLES = 16,
    FG_SHAPE_EVENT = 1024,  ///< the longest event that is learned
    FG_SHAPE_MODEL = 64,
    FG_SHAPE_SIZE = 1280,   ///< what a shape takes
};

typedef struct {
    uint16_t length;  ///< of the event, its empty line included; 0: nothing is known
    uint8_t holes;
    uint8_t overflowed;
    uint8_t model_length;  ///< 0: the event names none
    uint8_t state;  ///< of the reader after it, as far as an event sets it
    uint32_t counted;  ///< bytes that count beside those in holes
    struct {
        uint16_t start, end;
        uint8_t kind;
    } hole[FG_SHAPE_HOLES];
    uint8_t model[FG_SHAPE_MODEL];
    uint8_t event[FG_SHAPE_EVENT];
} fg_shape;
_Static_assert(sizeof(fg_shape) <= FG_SHAPE_SIZE, "a shape has grown");

static inline int fg_shape_equal(const uint8_t *a, const uint8_t *b, size_t n) {
#if defined(__SSE2__)
    if (n >= 16) {
        size_t i = 0;
        for (;; i += 16) {
            if (i + 16 > n) {
                if (i == n) { return 1; }
                i = n - 16;
            }
            const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + i));
            const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(b + i));
            if (_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) != 0xffff) { return 0; }
        }
    }
#endif
    if (n >= 8) {
        uint64_t w, x, y, z;
        memcpy(&w, a, 8), memcpy(&x, b, 8), memcpy(&y, a + n - 8, 8), memcpy(&z, b + n - 8, 8);
        return ((w ^ x) | (y ^ z)) == 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) { return 0; }
    }
    return 1;
}

/// Length of the event at the start of p[0 ..< n], its empty line included; 0 if it does not end there by two line feeds,
/// or only after more than `FG_SHAPE_EVENT` bytes.
static inline size_t fg_event_length(const uint8_t *p, size_t n) {
    const size_t most = n < FG_SHAPE_EVENT ? n : FG_SHAPE_EVENT;
    size_t i = 0;
    while (i + 1 < most) {
        const uint8_t *found = (const uint8_t *)memchr(p + i, '\n', most - 1 - i);
        if (!found) { return 0; }
        i = (size_t)(found - p);
        if (p[i + 1] == '\n') { return i + 2; }
        i++;
    }
    return 0;
}

/// Notes a hole in the event that is being learned; they come in order.
static inline void fg_shape_add(void *shape, size_t start, size_t end, uint8_t kind) {
    fg_shape *s = (fg_shape *)shape;
    if (s->holes == FG_SHAPE_HOLES || start > end || end > FG_SHAPE_EVENT) {
        s->overflowed = 1;
        return;
    }
    s->hole[s->holes].start = (uint16_t)start;
    s->hole[s->holes].end = (uint16_t)end;
    s->hole[s->holes++].kind = kind;
}

static inline void fg_shape_clear(void *shape) { memset(shape, 0, offsetof(fg_shape, hole)); }

/// Takes over the holes in `draft` with the event p[0 ..< n] that they were found in.
static inline void fg_shape_keep(
    void *shape, const void *draft, const uint8_t *p, size_t n, uint64_t counted, uint8_t state, const uint8_t *model,
    size_t model_length
) {
    fg_shape *s = (fg_shape *)shape;
    const fg_shape *d = (const fg_shape *)draft;
    if (d->overflowed || n > FG_SHAPE_EVENT || model_length > FG_SHAPE_MODEL || counted > UINT32_MAX) { return; }
    for (size_t k = 0; k < d->holes; k++) {
        s->hole[k] = d->hole[k];
        if (d->hole[k].kind == FG_HOLE_CONTENT) { counted -= (uint64_t)(d->hole[k].end - d->hole[k].start); }
    }
    s->holes = d->holes;
    s->counted = (uint32_t)counted;
    s->state = state;
    s->model_length = (uint8_t)model_length;
    memcpy(s->model, model, model_length);
    memcpy(s->event, p, n);
    s->length = (uint16_t)n;
}

/// Whether an event of this shape leaves a reader's model and state as they are.
static inline int fg_shape_suits(const void *shape, uint8_t state, const uint8_t *model, size_t length) {
    const fg_shape *s = (const fg_shape *)shape;
    if (s->length == 0 || s->state != state) { return 0; }
    return s->model_length == 0 || (s->model_length == length && fg_shape_equal(s->model, model, length));
}

/// Length of the event at the start of p[0 ..< n] if it is whole and of this shape, else 0. Adds what counts of it.
static inline size_t fg_shape_match(const void *shape, const uint8_t *p, size_t n, uint64_t *counted) {
    const fg_shape *s = (const fg_shape *)shape;
    size_t i = 0, at = 0;
    uint64_t sum = s->counted;
    for (size_t k = 0; k < s->holes; k++) {
        const size_t fixed = s->hole[k].start - at;
        if (n - i < fixed || !fg_shape_equal(p + i, s->event + at, fixed)) { return 0; }
        i += fixed;
        at = s->hole[k].end;
        const size_t start = i;
        if (s->hole[k].kind == FG_HOLE_NUMBER) {
            while (i < n && (uint8_t)(p[i] - '0') < 10) { i++; }
            if (i == start || (p[start] == '0' && i > start + 1)) { return 0; }
            continue;
        }
        i += cscan_json_plain_run(p + i, n - i);
        if (i == n) { return 0; }
        if (p[i] != '"') {
            uint8_t state = CSCAN_JSON_INSIDE;
            i += cscan_json_string_skip(&state, p + i, n - i);
            if (state != CSCAN_JSON_OUTSIDE) { return 0; }
            i--;
        }
        if (s->hole[k].kind == FG_HOLE_CONTENT) { sum += i - start; }
    }
    const size_t rest = s->length - at;
    if (n - i < rest || !fg_shape_equal(p + i, s->event + at, rest)) { return 0; }
    *counted += sum;
    return i + rest;
}
