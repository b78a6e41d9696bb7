// A timer wheel: 4096 slots of one millisecond, intrusive lists, O(1) everything. Later deadlines go round again.
#ifndef MOCK_WHEEL_H
#define MOCK_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS 4096u

struct timer {
    struct timer *next, *previous;  // next NULL = not scheduled
    uint64_t deadline_ms;
};

struct wheel {
    struct timer slot[WHEEL_SLOTS];  // list heads
    uint64_t used[WHEEL_SLOTS / 64];
    uint64_t now_ms;                 // every slot up to here was looked at
    uint32_t count;
};

static inline void wheel_start(struct wheel *w, uint64_t now_ms) {
    w->now_ms = now_ms;
    for (unsigned i = 0; i < WHEEL_SLOTS; i++) w->slot[i].next = w->slot[i].previous = &w->slot[i];
}

static inline void wheel_cancel(struct wheel *w, struct timer *t) {
    if (!t->next) return;
    t->next->previous = t->previous;
    t->previous->next = t->next;
    t->next = NULL;
    w->count--;
}

static inline void wheel_schedule(struct wheel *w, struct timer *t, uint64_t deadline_ms) {
    wheel_cancel(w, t);
    if (deadline_ms <= w->now_ms) deadline_ms = w->now_ms + 1;
    unsigned i = deadline_ms % WHEEL_SLOTS;
    struct timer *head = &w->slot[i];
    t->deadline_ms = deadline_ms;
    t->next = head;
    t->previous = head->previous;
    head->previous->next = t;
    head->previous = t;
    w->used[i / 64] |= 1ull << (i % 64);
    w->count++;
}

/// Calls `fire` for each timer whose time has come. `fire` may schedule and cancel timers.
static inline void wheel_advance(struct wheel *w, uint64_t now_ms, void (*fire)(struct timer *)) {
    while (w->now_ms < now_ms) {
        unsigned i = ++w->now_ms % WHEEL_SLOTS;
        if (!(w->used[i / 64] & 1ull << (i % 64))) continue;
        struct timer *head = &w->slot[i], due = {&due, &due, 0};
        // Onto a list of its own first: what is scheduled while firing must not be fired in this turn.
        if (head->next != head) {
            due.next = head->next;
            due.previous = head->previous;
            due.next->previous = due.previous->next = &due;
            head->next = head->previous = head;
        }
        w->used[i / 64] &= ~(1ull << (i % 64));
        while (due.next != &due) {
            struct timer *t = due.next;
            uint64_t deadline_ms = t->deadline_ms;
            wheel_cancel(w, t);
            if (deadline_ms > w->now_ms) {
                wheel_schedule(w, t, deadline_ms);
            } else {
                fire(t);
            }
        }
    }
}

/// Milliseconds until the next used slot, -1 with no timer at all.
static inline int wheel_timeout_ms(const struct wheel *w) {
    if (!w->count) return -1;
    unsigned first = (w->now_ms + 1) % WHEEL_SLOTS, word = first / 64;
    uint64_t bits = w->used[word] & ~0ull << (first % 64);
    for (unsigned i = 0; i <= WHEEL_SLOTS / 64; i++) {
        if (bits) return (int)((word * 64 + (unsigned)__builtin_ctzll(bits) - first) % WHEEL_SLOTS) + 1;
        word = (word + 1) % (WHEEL_SLOTS / 64);
        bits = w->used[word];
    }
    return (int)WHEEL_SLOTS;
}

#endif
