// Looks at a JSON request body in passing: which model, is it a stream, is usage asked for, how many inputs.
// Byte-resumable, so that bodies of any size need no memory.
#ifndef MOCK_BODY_SCAN_H
#define MOCK_BODY_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum member { MEMBER_OTHER, MEMBER_MODEL, MEMBER_STREAM, MEMBER_INPUT, MEMBER_STREAM_OPTIONS };

struct body_scan {
    uint64_t bytes;
    uint32_t depth, inputs;
    uint8_t member;                // the top-level member whose value is being read
    bool in_string, escaped, expects_name, capturing_name, capturing_model;
    bool is_object[3];             // by depth; deeper ones don't matter
    bool stream, includes_usage;
    uint8_t name_length;
    char name[16];
    uint8_t model_length;          // raw, still escaped; 0 if none or too long
    char model[128];
};

/// The distance to the next quote or backslash, or n.
static inline size_t string_run(const char *p, size_t n) {
    size_t i = 0;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
        if (mask) return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (i < n && p[i] != '"' && p[i] != '\\') i++;
    return i;
}

static inline void body_scan_capture(struct body_scan *s, const char *p, size_t n) {
    if (s->capturing_name) {
        // A name too long to matter is remembered as one that matches nothing.
        if (s->name_length + n > sizeof s->name) s->name_length = sizeof s->name, s->name[0] = '\0';
        else memcpy(s->name + s->name_length, p, n), s->name_length = (uint8_t)(s->name_length + n);
    } else if (s->capturing_model) {
        if (s->model_length + n > sizeof s->model) s->model_length = 0, s->capturing_model = false;
        else memcpy(s->model + s->model_length, p, n), s->model_length = (uint8_t)(s->model_length + n);
    }
}

static inline bool body_scan_name_is(const struct body_scan *s, const char *name) {
    return s->name_length == strlen(name) && memcmp(s->name, name, s->name_length) == 0;
}

static inline void body_scan_feed(struct body_scan *s, const char *p, size_t n) {
    s->bytes += n;
    for (size_t i = 0; i < n;) {
        if (s->in_string) {
            if (s->escaped) {
                body_scan_capture(s, p + i++, 1);
                s->escaped = false;
                continue;
            }
            size_t run = string_run(p + i, n - i);
            body_scan_capture(s, p + i, run);
            i += run;
            if (i == n) return;
            if (p[i] == '\\') {
                body_scan_capture(s, p + i, 1);
                s->escaped = true;
            } else {
                s->in_string = s->capturing_name = s->capturing_model = false;
            }
            i++;
            continue;
        }
        switch (p[i++]) {
        case '"':
            s->in_string = true;
            if (s->depth == 1 && s->expects_name) s->capturing_name = true, s->name_length = 0;
            else if (s->depth == 1 && s->member == MEMBER_MODEL) s->capturing_model = true, s->model_length = 0;
            else if (s->depth == 2 && s->member == MEMBER_INPUT) s->inputs++;
            else if (s->depth == 2 && s->member == MEMBER_STREAM_OPTIONS && s->expects_name)
                s->capturing_name = true, s->name_length = 0;
            break;
        case '{':
        case '[':
            if (++s->depth <= 2) s->expects_name = s->is_object[s->depth] = p[i - 1] == '{';
            break;
        case '}':
        case ']':
            if (s->depth) s->depth--;
            s->expects_name = false;
            break;
        case ',':
            if (s->depth == 1) s->member = MEMBER_OTHER;
            if (s->depth <= 2) s->expects_name = s->is_object[s->depth];
            break;
        case ':':
            if (s->depth <= 2) s->expects_name = false;
            if (s->depth != 1) break;
            s->member = body_scan_name_is(s, "model")            ? MEMBER_MODEL
                        : body_scan_name_is(s, "stream")         ? MEMBER_STREAM
                        : body_scan_name_is(s, "input")          ? MEMBER_INPUT
                        : body_scan_name_is(s, "stream_options") ? MEMBER_STREAM_OPTIONS
                                                                 : MEMBER_OTHER;
            break;
        case 't':
            if (s->depth == 1 && s->member == MEMBER_STREAM) s->stream = true;
            if (s->depth == 2 && s->member == MEMBER_STREAM_OPTIONS && body_scan_name_is(s, "include_usage"))
                s->includes_usage = true;
            break;
        }
    }
}

#endif
