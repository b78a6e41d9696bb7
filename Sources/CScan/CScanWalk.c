#include "CScanWalk.h"
#include "CScanShape.h"

void fg_walk_set_member(fg_walk *walk, const uint8_t *p, size_t n) {
    fg_walk_set_place(walk, fg_llm_member(fg_walk_top(walk) & (uint8_t)~FG_WALK_OBJECT, p, n));
}

void fg_walk_note_hole(const fg_walk *walk, uintptr_t start, uintptr_t end, uint8_t kind) {
    if (walk->draft) { fg_shape_add((void *)walk->draft, start - walk->draft_base, end - walk->draft_base, kind); }
}

static inline int is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

/// How many digits the whole number has that begins at p[i], if it is a short one and ends here; else 0. `value` is that
/// number then.
static inline __attribute__((always_inline)) size_t plain_digits(const uint8_t *p, size_t n, size_t i, int64_t *value) {
    size_t k = i + 1;
    uint64_t sum = (uint8_t)(p[i] - '0');
    if (sum != 0) {
        for (; k < n && is_digit(p[k]); k++) { sum = sum * 10 + (uint8_t)(p[k] - '0'); }
    }
    *value = (int64_t)sum;
    if (k == n || k - i > 12) { return 0; }
    switch (p[k]) {
    case ',': case '}': case ']': case ' ': case '\n': case '\r': return k - i;
    default: return 0;
    }
}

/// Length of the number at p[i] (RFC 8259 §6); 0 if it is none, or may go on behind p[0 ..< n].
static inline size_t number_length(const uint8_t *p, size_t n, size_t i) {
    size_t k = i, from;
    if (p[k] == '-') { k++; }
    if (k < n && p[k] == '0') {
        k++;
    } else {
        for (from = k; k < n && is_digit(p[k]);) { k++; }
        if (k == from) { return 0; }
    }
    if (k < n && p[k] == '.') {
        for (from = ++k; k < n && is_digit(p[k]);) { k++; }
        if (k == from) { return 0; }
    }
    if (k < n && (p[k] | 0x20) == 'e') {
        k++;
        if (k < n && (p[k] == '+' || p[k] == '-')) { k++; }
        for (from = k; k < n && is_digit(p[k]);) { k++; }
        if (k == from) { return 0; }
    }
    return k < n ? k - i : 0;
}

/// Length of `true`, `false` or `null` at p[i]; 0 if it is cut, or none of them.
static inline size_t literal_length(const uint8_t *p, size_t n, size_t i) {
    if (n - i >= 4 && (memcmp(p + i, "null", 4) == 0 || memcmp(p + i, "true", 4) == 0)) { return 4; }
    return n - i >= 5 && memcmp(p + i, "false", 5) == 0 ? 5 : 0;
}

/// Counts bytes as text or as something else.
static inline void count(fg_walk *walk, int is_text, size_t bytes) { *(is_text ? &walk->counted : &walk->other) += bytes; }

static inline int is_blank(uint8_t c) { return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t'); }

// Goes to where the next byte is that is no blank; without one, more is needed in that phase.
#define FG_WALK_ENTER(name)                                  \
    phase = (name);                                          \
    while (i < n && p[i] <= ' ' && is_blank(p[i])) { i++; }  \
    if (i >= n) { goto done; }

void fg_walk_next(
    fg_walk *restrict walk, const uint8_t *p, size_t n, size_t *restrict at, uint64_t base,
    fg_walk_found *restrict found) {
    size_t i = *at;
    uint8_t phase = walk->phase, place = walk->place, wants = walk->wants, kind = FG_WALK_NEED_MORE;
    uint8_t top = walk->depth == 0 ? 0 : fg_walk_top(walk);
    uint8_t wanted;  // what could be wanted of a value of its kind
    // One step leads to the next without a look at the phase, which is for the next call.
    switch (phase) {
    case FG_WALK_START: goto start;
    case FG_WALK_FIRST_NAME: goto first_name;
    case FG_WALK_NAME: goto name;
    case FG_WALK_COLON: goto colon;
    case FG_WALK_VALUE: goto value;
    case FG_WALK_FIRST_ELEMENT: goto first_element;
    case FG_WALK_AFTER_VALUE: goto after_value;
    default: goto caller;
    }

start:
    FG_WALK_ENTER(FG_WALK_START)
    if (p[i] != '{' && p[i] != '[') { goto caller; }
    place = walk->root == walk->muted ? 0 : walk->root;
    wants = fg_llm_wants(place);
    goto container;

first_name:
    FG_WALK_ENTER(FG_WALK_FIRST_NAME)
    if (p[i] == '}') { goto pop; }
    goto plain_name;

name:
    FG_WALK_ENTER(FG_WALK_NAME)
plain_name:
    if (p[i] != '"') { goto caller; } else {
        const size_t length = cscan_json_plain_run(p + i + 1, n - i - 1);
        const size_t end = i + 1 + length;
        if (end >= n || p[end] != '"') { goto caller; }
        place = fg_llm_member(top & (uint8_t)~FG_WALK_OBJECT, p + i + 1, length);
        if (place == walk->muted) { place = 0; }
        wants = fg_llm_wants(place);
        i = end + 1;
    }

colon:
    FG_WALK_ENTER(FG_WALK_COLON)
    if (p[i] != ':') { goto caller; }
    i++;

value:
    FG_WALK_ENTER(FG_WALK_VALUE)
    walk->value_start = base + i;
    switch (p[i]) {
    case '"': break;
    case '{': case '[': goto container;
    case 't': case 'f': case 'n': goto literal;
    default: goto number;
    }

    // A string.
    wanted = FG_WANT_STRING | FG_WANT_COUNT | FG_WANT_SIZE;
    if ((wants & (FG_WANT_COUNT | FG_WANT_EDGES | FG_WANT_STRING)) == (FG_WANT_COUNT | FG_WANT_EDGES)) {
        i++;
        walk->hole = (uintptr_t)(p + i);
        walk->detail = CSCAN_JSON_INSIDE;
        phase = FG_WALK_STRING;
        kind = FG_WALK_FOUND_BEGIN;
        goto tell;
    } else {
        const size_t start = i + 1;
        size_t end = start + cscan_json_plain_run(p + start, n - start);
        if (end >= n) { goto caller; }
        if (wants & FG_WANT_STRING) {
            if (p[end] != '"') { goto caller; }
            i = end + 1;
            phase = FG_WALK_AFTER_VALUE;
            found->start = (int64_t)start;
            found->count = (int64_t)(end - start);
            kind = FG_WALK_FOUND_STRING;
            goto tell;
        }
        if (p[end] != '"') {
            uint8_t state = CSCAN_JSON_INSIDE;
            end += cscan_json_string_skip(&state, p + end, n - end);
            if (state != CSCAN_JSON_OUTSIDE) { goto caller; }
            end--;
        }
        if (wants & (FG_WANT_COUNT | FG_WANT_SIZE)) { count(walk, wants & FG_WANT_COUNT, end - start); }
        if (walk->draft) {
            fg_walk_note_hole(
                walk, (uintptr_t)(p + start), (uintptr_t)(p + end),
                wants & FG_WANT_COUNT ? FG_HOLE_CONTENT : FG_HOLE_STRING);
        }
        i = end + 1;
        goto end_value;
    }

container: {
    const int is_object = p[i] == '{';
    if (wants & FG_WANT_DESCEND && walk->depth < FG_WALK_DEPTH) {
        i++;
        walk->place = place;
        fg_walk_push(walk, is_object);
        top = fg_walk_top(walk);
        if (wants & FG_WANT_EDGES) {
            phase = walk->phase;
            kind = is_object ? FG_WALK_FOUND_BEGIN : FG_WALK_FOUND_ARRAY;
            goto tell;
        }
        if (is_object) { goto first_name; }
        goto first_element;
    }
    if ((wants & (FG_WANT_RAW | FG_WANT_EDGES)) == (FG_WANT_RAW | FG_WANT_EDGES)) { goto caller; }
    wanted = FG_WANT_DESCEND | FG_WANT_RAW;
    cscan_json_nest nest;
    cscan_json_nest_open(&nest, is_object);
    const size_t used = cscan_json_nest_skip(&nest, p + i + 1, n - i - 1);
    if (nest.depth != 0) { goto caller; }
    // What is wanted by its size alone is here if it is too deep to be looked into.
    if (wants & (FG_WANT_RAW | FG_WANT_SIZE)) { count(walk, wants & FG_WANT_RAW, used); }
    i += 1 + used;
    goto end_value;
}

literal: {
    const size_t length = literal_length(p, n, i);
    if (length == 0) { goto caller; }
    wanted = p[i] == 'n' ? 0 : FG_WANT_LITERAL;
    if (wants & wanted) {
        found->value = p[i] == 't';
        i += length;
        phase = FG_WALK_AFTER_VALUE;
        kind = FG_WALK_FOUND_LITERAL;
        goto tell;
    }
    i += length;
    goto end_value;
}

number:
    wanted = FG_WANT_NUMBER;
    if (wants & wanted) {
        // Seconds and money have a scale of their own.
        if (!is_digit(p[i]) || place >= FG_LLM_FIELD + FG_USAGE_SECONDS || place == FG_LLM_COST) { goto caller; }
        const size_t digits = plain_digits(p, n, i, &found->value);
        if (digits == 0) { goto caller; }
        i += digits;
        phase = FG_WALK_AFTER_VALUE;
        kind = FG_WALK_FOUND_NUMBER;
        goto tell;
    } else {
        const size_t length = number_length(p, n, i);
        if (length == 0) { goto caller; }
        // Of whole numbers. A zero stays as it is: no digit may follow it.
        int64_t value;
        if (walk->draft && is_digit(p[i]) && p[i] != '0' && plain_digits(p, n, i, &value) == length) {
            fg_walk_note_hole(walk, (uintptr_t)(p + i), (uintptr_t)(p + i + length), FG_HOLE_NUMBER);
        }
        i += length;
    }

end_value:
    phase = FG_WALK_AFTER_VALUE;
    if (place != 0 && !(wants & wanted)) {
        kind = FG_WALK_FOUND_CLEARED;
        goto tell;
    }

after_value:
    FG_WALK_ENTER(FG_WALK_AFTER_VALUE)
    if (p[i] == ',') {
        i++;
        if (top & FG_WALK_OBJECT) { goto name; }
        goto element;
    }
    if (p[i] == (top & FG_WALK_OBJECT ? '}' : ']')) { goto pop; }
    goto caller;

first_element:
    FG_WALK_ENTER(FG_WALK_FIRST_ELEMENT)
    if (p[i] == ']') { goto pop; }
element:
    place = top == walk->muted ? 0 : top;
    wants = fg_llm_wants(place);
    goto value;

pop:
    i++;
    kind = fg_walk_pop(walk, &found->place);
    phase = walk->phase;
    if (kind != FG_WALK_NEED_MORE) { goto done; }
    if (phase == FG_WALK_START) { goto start; }
    top = fg_walk_top(walk);
    goto after_value;

tell:
    found->place = place;
    goto done;
caller:
    kind = FG_WALK_CALLER;
done:
    walk->phase = phase;
    walk->place = place;
    walk->wants = wants;
    found->kind = kind;
    *at = i;
}
