#include "CEpoll.h"

#include <limits.h>

void fg_error_text(int error, char *out, size_t count) {
    // The GNU form, which may answer with a constant instead of filling the buffer.
    char local[128];
    const char *text = strerror_r(error, local, sizeof local);
    strncpy(out, text, count - 1);
    out[count - 1] = 0;
}

// MARK: CRC-32C

static uint32_t crc_table[8][256];
// What a checksum becomes when a block of zeros follows; by each of its bytes.
enum { CRC_BLOCK = 128 };
static uint32_t crc_shift_table[4][256];
static pthread_once_t crc_table_once = PTHREAD_ONCE_INIT;
static int crc_table_ready;

static void build_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 0xff];
    for (uint32_t i = 0; i < 256; i++)
        for (int byte = 0; byte < 4; byte++) {
            uint32_t crc = i << 8 * byte;
            for (int zero = 0; zero < CRC_BLOCK; zero++) crc = crc >> 8 ^ crc_table[0][crc & 0xff];
            crc_shift_table[byte][i] = crc;
        }
    __atomic_store_n(&crc_table_ready, 1, __ATOMIC_RELEASE);
}

uint32_t fg_crc32c_table(const void *bytes, size_t count) {
    pthread_once(&crc_table_once, build_crc_table);
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffffu;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; count >= 8; p += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word ^= crc;
        crc = 0;
        for (int t = 0; t < 8; t++) crc ^= crc_table[7 - t][word >> 8 * t & 0xff];
    }
#endif
    for (; count > 0; p++, count--) crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
static inline uint64_t load_word(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static inline uint32_t shift_by_block(uint32_t crc) {
    return crc_shift_table[0][crc & 0xff] ^ crc_shift_table[1][crc >> 8 & 0xff] ^ crc_shift_table[2][crc >> 16 & 0xff] ^
           crc_shift_table[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(const uint8_t *p, size_t count) {
    uint64_t crc = 0xffffffffu;
    // The instruction takes one word a cycle but gives its result after three: three blocks at a time, then put together.
    if (count >= 3 * CRC_BLOCK) {
        if (!__atomic_load_n(&crc_table_ready, __ATOMIC_ACQUIRE)) pthread_once(&crc_table_once, build_crc_table);
        do {
            uint64_t second = 0, third = 0;
            for (int i = 0; i < CRC_BLOCK; i += 8) {
                crc = __builtin_ia32_crc32di(crc, load_word(p + i));
                second = __builtin_ia32_crc32di(second, load_word(p + CRC_BLOCK + i));
                third = __builtin_ia32_crc32di(third, load_word(p + 2 * CRC_BLOCK + i));
            }
            crc = shift_by_block((uint32_t)crc) ^ second;
            crc = shift_by_block((uint32_t)crc) ^ third;
            p += 3 * CRC_BLOCK;
            count -= 3 * CRC_BLOCK;
        } while (count >= 3 * CRC_BLOCK);
    }
    for (; count >= 8; p += 8, count -= 8) crc = __builtin_ia32_crc32di(crc, load_word(p));
    for (; count > 0; p++, count--) crc = __builtin_ia32_crc32qi((uint32_t)crc, *p);
    return ~(uint32_t)crc;
}
#endif

uint32_t fg_crc32c(const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(bytes, count);
#endif
    return fg_crc32c_table(bytes, count);
}

// MARK: threads

int fg_pin_thread(int cpu) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return FG_RESULT(sched_setaffinity(0, sizeof set, &set));
}

int fg_usable_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);  // more than the set has room for
    return online > 0 ? (int)online : 1;
}

int fg_set_idle_scheduling(int idle) {
    struct sched_param parameters = {0};
    return FG_RESULT(sched_setscheduler(0, idle ? SCHED_IDLE : SCHED_OTHER, &parameters));
}

int fg_thread_start(pthread_t *thread, int cpu, size_t stack_bytes, fg_thread_body body, void *argument) {
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (failure != 0) return -failure;
    if (stack_bytes > 0) failure = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (failure == 0 && cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
        failure = pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    }
    if (failure == 0) failure = pthread_create(thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    return -failure;
}

void fg_set_thread_name(const char *name) {
    char short_name[16];
    strncpy(short_name, name, 15);
    short_name[15] = 0;
    pthread_setname_np(pthread_self(), short_name);
}
