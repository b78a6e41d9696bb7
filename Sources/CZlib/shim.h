#pragma once
#include <zlib.h>

// The macros behind which zlib hides its version check.
static inline int fg_inflate_init(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }
static inline int fg_deflate_init(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
}
