// Counts each thread's calls of malloc and its kin, for a process that this is preloaded into. The counters are a mapped
// file (FG_ALLOCATIONS), so that they can be read while the process runs, without asking it for anything.
#include <fcntl.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { MOST_THREADS = 256 };

struct counts {
    uint64_t thread, allocated, freed, bytes;
};

static struct counts *table;
static uint32_t used;
// Initial-exec: finding them must not allocate.
static __thread struct counts *mine __attribute__((tls_model("initial-exec")));
static __thread int is_starting __attribute__((tls_model("initial-exec")));

static void map_table(void) {
    const char *path = getenv("FG_ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0) return;
    if (ftruncate(fd, MOST_THREADS * sizeof *table) == 0) {
        void *p = mmap(NULL, MOST_THREADS * sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) __atomic_store_n(&table, p, __ATOMIC_RELEASE);
    }
    close(fd);
}

__attribute__((constructor)) static void begin(void) { map_table(); }

static inline struct counts *counts(void) {
    if (__builtin_expect(mine != NULL, 1)) return mine;
    struct counts *all = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    if (!all || is_starting) return NULL;
    is_starting = 1;
    uint32_t index = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
    if (index < MOST_THREADS) {
        mine = &all[index];
        mine->thread = (uint64_t)syscall(SYS_gettid);
    }
    is_starting = 0;
    return mine;
}

// Only its own thread writes a row.
static inline void note(size_t bytes) {
    struct counts *c = counts();
    if (!c) return;
    __atomic_store_n(&c->allocated, c->allocated + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&c->bytes, c->bytes + bytes, __ATOMIC_RELAXED);
}

void *malloc(size_t n) {
    note(n);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    note(n * size);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    note(n);
    return __libc_realloc(p, n);
}

void *memalign(size_t alignment, size_t n) {
    note(n);
    return __libc_memalign(alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n) { return memalign(alignment, n); }

int posix_memalign(void **p, size_t alignment, size_t n) {
    void *got = memalign(alignment, n);
    if (!got) return ENOMEM;
    *p = got;
    return 0;
}

void free(void *p) {
    if (p) {
        struct counts *c = counts();
        if (c) __atomic_store_n(&c->freed, c->freed + 1, __ATOMIC_RELAXED);
    }
    __libc_free(p);
}
