#pragma once
#include <stddef.h>

/// One file of the dashboard, as it lies under `web/`.
struct fg_asset {
    /// Relative to `web/`.
    const char *name;
    const unsigned char *bytes;
    size_t count;
};

/// How many files there are.
size_t fg_asset_count(void);

/// The file at an index below `fg_asset_count()`.
struct fg_asset fg_asset_at(size_t index);
