// Counts of durations in nanoseconds: 128 steps a power of two, so a figure is within 0.8 % of the truth.
#ifndef LOADGEN_HISTOGRAM_H
#define LOADGEN_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 128u
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 42u)

struct histogram {
    uint64_t count, sum, most;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline uint32_t histogram_bucket(uint64_t ns) {
    if (ns < HISTOGRAM_STEPS) return (uint32_t)ns;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(ns);  // 7 or more
    uint32_t i = (power - 6) * HISTOGRAM_STEPS + (uint32_t)(ns >> (power - 7) & (HISTOGRAM_STEPS - 1));
    return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t ns) {
    h->count++;
    h->sum += ns;
    if (ns > h->most) h->most = ns;
    h->bucket[histogram_bucket(ns)]++;
}

/// The middle of the bucket that holds the given share (0…1) of all; the largest value for the last.
static inline double histogram_quantile(const struct histogram *h, double share) {
    uint64_t rank = (uint64_t)(share * (double)h->count), seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen <= rank) continue;
        if (i < HISTOGRAM_STEPS) return (double)i;
        uint32_t power = i / HISTOGRAM_STEPS + 6;
        double low = (double)((uint64_t)(HISTOGRAM_STEPS + i % HISTOGRAM_STEPS) << (power - 7));
        double middle = low + (double)(1ull << (power - 7)) / 2;
        return middle < (double)h->most ? middle : (double)h->most;
    }
    return (double)h->most;
}

#endif
