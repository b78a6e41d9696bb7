// Linked into a gateway that is built with the thread sanitizer (scripts/sanitize).
//
// Swift's Mutex takes and releases itself by atomics that the sanitizer sees, being compiled into our code; but under
// contention it does so in functions of its library, which is built without the sanitizer, and in the kernel (a futex
// with priority inheritance). These stand before those two functions and tell the sanitizer what they do, so that it
// sees each lock, and what a lock protects needs no suppression.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

void __tsan_acquire(void *);
void __tsan_release(void *);

#define SELF __attribute__((swift_context)) void *
typedef __attribute__((swiftcall)) void (*lock_function)(uint32_t thread, SELF);
typedef __attribute__((swiftcall)) void (*unlock_function)(SELF);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

static lock_function lock;
static unlock_function unlock;

// Before there is a second thread. A Swift that calls them otherwise is noticed at the start.
__attribute__((constructor)) static void look_up(void) {
    lock = (lock_function)dlsym(RTLD_NEXT, LOCK);
    unlock = (unlock_function)dlsym(RTLD_NEXT, UNLOCK);
    if (!lock || !unlock) __builtin_trap();
}

__attribute__((swiftcall)) void fg_lock_slow(uint32_t thread, SELF mutex) __asm__(LOCK);
__attribute__((swiftcall)) void fg_lock_slow(uint32_t thread, SELF mutex) {
    lock(thread, mutex);
    __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void fg_unlock_slow(SELF mutex) __asm__(UNLOCK);
__attribute__((swiftcall)) void fg_unlock_slow(SELF mutex) {
    __tsan_release(mutex);
    unlock(mutex);
}
