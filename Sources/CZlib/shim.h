#pragma once
#include <zlib.h>

// The macro behind which zlib hides its version check.
static inline int fg_inflate_init(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }
