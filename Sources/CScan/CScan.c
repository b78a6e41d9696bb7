#include "CScan.h"
#include <string.h>

const void *fg_find_bytes(const void *p, size_t n, const void *text, size_t length) { return memmem(p, n, text, length); }
