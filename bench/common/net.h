// Sockets, clock and small helpers shared by the load tools. Linux only.
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/// Ends the program with status 2 and a message: for wrong usage and for what cannot be gone on without.
__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static inline uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t parse_number(const char *option, const char *text, uint64_t most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > most)
        die("%s: a whole number from 0 to %llu is needed, not \"%s\"", option, (unsigned long long)most, text);
    return value;
}

/// IPv4 only: every bench runs over loopback.
static inline struct sockaddr_in ipv4_address(const char *host, uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) die("not an IPv4 address: %s", host);
    return a;
}

/// As many descriptors as the system grants: root may raise the hard limit, others get up to it.
static inline uint64_t raise_descriptor_limit(uint64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_max < wanted) {
        struct rlimit higher = {.rlim_cur = wanted, .rlim_max = wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0) return wanted;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

/// What the gateway does too for connections that never leave the machine: no model of a path, no pacing.
static inline void use_local_congestion_control(int fd) { setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4); }

/// A listening non-blocking socket; `*port` 0 takes a free one and stores it. Accepted sockets inherit TCP_NODELAY.
static inline int listen_on(const char *host, uint16_t *port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in a = ipv4_address(host, *port);
    socklen_t n = sizeof a;
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) die("cannot bind %s:%u: %s", host, *port, strerror(errno));
    if (listen(fd, 16384) != 0) die("listen: %s", strerror(errno));
    getsockname(fd, (struct sockaddr *)&a, &n);
    *port = ntohs(a.sin_port);
    return fd;
}

/// A connecting non-blocking socket, or -1 with errno.
static inline int connect_to(const struct sockaddr_in *to, const struct sockaddr_in *from) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (from) {
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (const struct sockaddr *)from, sizeof *from) != 0) goto failed;
    }
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0 || errno == EINPROGRESS) return fd;
failed:;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/// A byte buffer that grows; `start` is where unread bytes begin.
struct bytes {
    char *p;
    size_t start, end, capacity;
};

static inline size_t bytes_count(const struct bytes *b) { return b->end - b->start; }

static inline char *bytes_reserve(struct bytes *b, size_t n) {
    if (b->capacity - b->end >= n) return b->p + b->end;
    if (b->start) {
        memmove(b->p, b->p + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (b->capacity - b->end < n) {
        size_t capacity = b->capacity ? b->capacity : 512;
        while (capacity - b->end < n) capacity *= 2;
        char *p = realloc(b->p, capacity);
        if (!p) die("out of memory");
        b->p = p;
        b->capacity = capacity;
    }
    return b->p + b->end;
}

static inline void bytes_append(struct bytes *b, const void *p, size_t n) {
    memcpy(bytes_reserve(b, n), p, n);
    b->end += n;
}

static inline void bytes_free(struct bytes *b) {
    free(b->p);
    *b = (struct bytes){0};
}

static inline void put(struct bytes *b, const char *text) { bytes_append(b, text, strlen(text)); }

static inline void put_number(struct bytes *b, uint64_t value) {
    char digits[20];
    int i = 20;
    do digits[--i] = (char)('0' + value % 10);
    while (value /= 10);
    bytes_append(b, digits + i, (size_t)(20 - i));
}

/// Decimal with leading zeros, so that a text's length does not depend on the value.
static inline void put_padded(struct bytes *b, uint64_t value, int width) {
    char *p = bytes_reserve(b, (size_t)width);
    for (int i = width - 1; i >= 0; i--, value /= 10) p[i] = (char)('0' + value % 10);
    b->end += (size_t)width;
}

static inline void put_hex(struct bytes *b, uint64_t value) {
    char digits[16];
    int i = 16;
    do digits[--i] = "0123456789abcdef"[value & 15];
    while (value >>= 4);
    bytes_append(b, digits + i, (size_t)(16 - i));
}

#endif
