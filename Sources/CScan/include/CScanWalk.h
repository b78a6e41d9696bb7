// A walk through a provider's JSON: as far as values are here to their ends, which they nearly always are. What is cut, and
// numbers that are wanted and more than digits, are left to the caller, who takes them byte by byte (JSONWalk.swift).
#pragma once
#include "CScanLLM.h"

/// What comes next.
enum {
    FG_WALK_START,
    FG_WALK_FIRST_NAME,
    FG_WALK_NAME,
    FG_WALK_COLON,
    FG_WALK_VALUE,
    FG_WALK_FIRST_ELEMENT,
    FG_WALK_AFTER_VALUE,
    FG_WALK_WHOLE,  ///< those before are between tokens; from here on the caller is in the middle of one
    FG_WALK_STRING = FG_WALK_WHOLE,
};

/// What the walk came upon; the names are those of WalkEvent.swift.
enum {
    FG_WALK_NEED_MORE,
    FG_WALK_FOUND_STRING,
    FG_WALK_FOUND_NUMBER,
    FG_WALK_FOUND_LITERAL,
    FG_WALK_FOUND_BEGIN,
    FG_WALK_FOUND_END,
    FG_WALK_FOUND_ARRAY,
    FG_WALK_FOUND_CLEARED,
    FG_WALK_FOUND_DOCUMENT,
    FG_WALK_FOUND_MALFORMED,
    FG_WALK_CALLER,  ///< the caller is to take what stands at `at`
};

enum { FG_WALK_DEPTH = 16, FG_WALK_OBJECT = 0x80 };

typedef struct {
    uint64_t counted;      ///< bytes of the strings and containers that are to be counted
    uint64_t other;        ///< bytes of strings that are to be counted apart
    uint64_t value_start;  ///< where the value that was begun last began
    // Addresses as numbers, for the walk is a plain value.
    uintptr_t draft;       ///< of an `fg_shape` that is told of values nobody asks about; 0: none
    uintptr_t draft_base;  ///< of what the shape is learned from
    uintptr_t hole;        ///< of the string that was begun last; only for the draft
    uint8_t phase;
    uint8_t detail;  ///< within a string its CSCAN_JSON_… state
    uint8_t place;
    uint8_t wants;
    uint8_t root;
    uint8_t muted;  ///< this place is skipped although it is listed
    uint8_t depth;
    uint8_t stack[FG_WALK_DEPTH];  ///< the open containers: their places, and FG_WALK_OBJECT for an object
} fg_walk;

/// See the kinds above. A string's text is `count` bytes at `start`.
typedef struct {
    uint8_t kind;
    uint8_t place;
    int64_t start, count, value;
} fg_walk_found;

/// The value that follows is in `place`.
static inline void fg_walk_set_place(fg_walk *walk, uint8_t place) {
    walk->place = place == walk->muted ? 0 : place;
    walk->wants = fg_llm_wants(walk->place);
}

static inline uint8_t fg_walk_top(const fg_walk *walk) { return walk->stack[walk->depth - 1]; }

static inline void fg_walk_push(fg_walk *walk, int is_object) {
    walk->stack[walk->depth++] = is_object ? walk->place | FG_WALK_OBJECT : walk->place;
    walk->phase = is_object ? FG_WALK_FIRST_NAME : FG_WALK_FIRST_ELEMENT;
}

/// The member called p[0 ..< n] of the innermost object follows.
void fg_walk_set_member(fg_walk *walk, const uint8_t *p, size_t n);

/// The innermost container ends. Returns what is to be told of it, or FG_WALK_NEED_MORE: nothing.
static inline uint8_t fg_walk_pop(fg_walk *walk, uint8_t *place) {
    const uint8_t top = walk->stack[--walk->depth];
    walk->phase = walk->depth == 0 ? FG_WALK_START : FG_WALK_AFTER_VALUE;
    if (!(top & FG_WALK_OBJECT)) { return FG_WALK_NEED_MORE; }
    *place = top & (uint8_t)~FG_WALK_OBJECT;
    if (*place == walk->root) { return FG_WALK_FOUND_DOCUMENT; }
    return fg_llm_wants(*place) & FG_WANT_EDGES ? FG_WALK_FOUND_END : FG_WALK_NEED_MORE;
}

/// A value that nobody asks about began at `start` and ends before `end`, both addresses.
void fg_walk_note_hole(const fg_walk *walk, uintptr_t start, uintptr_t end, uint8_t kind);

/// Takes bytes of p[0 ..< n] from `*at` on, which it moves, up to the next that is to be told or is the caller's. Only while
/// `phase` is between tokens. `base` is the offset of `p` in all that came.
void fg_walk_next(fg_walk *walk, const uint8_t *p, size_t n, size_t *at, uint64_t base, fg_walk_found *found);
