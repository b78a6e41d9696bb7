#pragma once
#include <stdint.h>
#include <zlib.h>

// The macros behind which zlib hides its version check.
static inline int fg_inflate_init(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }
static inline int fg_deflate_init(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
}

// An inflating stream with all it needs in one piece of memory of a fixed size: nothing to allocate, nothing to free.
typedef struct {
    z_stream stream;
    uint32_t used;  // bytes of `memory` given away
    uint32_t size;
    _Alignas(16) uint8_t memory[];
} fg_inflate_space;

static void *fg_inflate_take(void *opaque, unsigned items, unsigned size) {
    fg_inflate_space *space = opaque;
    const uint64_t wanted = ((uint64_t)items * size + 15) & ~(uint64_t)15;
    if (wanted > space->size - space->used) return 0;
    void *taken = space->memory + space->used;
    space->used += (uint32_t)wanted;
    return taken;
}

static void fg_inflate_leave(void *opaque, void *address) {
    (void)opaque;
    (void)address;
}

// Begins a stream in the `size` bytes at `workspace`, aligned to 16.
static inline int fg_inflate_begin(void *workspace, uint32_t size, int window_bits) {
    fg_inflate_space *space = workspace;
    *space = (fg_inflate_space){.size = size - (uint32_t)sizeof(fg_inflate_space)};
    space->stream.zalloc = fg_inflate_take;
    space->stream.zfree = fg_inflate_leave;
    space->stream.opaque = space;
    return inflateInit2(&space->stream, window_bits);
}
