// Thin shims over the kernel's interface: a value, or -errno. No state, no policy.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// GNU extensions that Glibc hides from a module that is not built with _GNU_SOURCE.
int accept4(int, struct sockaddr *__restrict, socklen_t *__restrict, int);
int pipe2(int[2], int);
#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0x4000
#endif

#define FG_RESULT(call) ({ __typeof__(call) fg_r = (call); fg_r < 0 ? -errno : fg_r; })

/// The system's words for a positive error number, NUL-terminated and possibly cut.
void fg_error_text(int error, char *out, size_t count);

// MARK: system calls of the hot path
//
// Glibc's wrappers are cancellation points, which cost two atomic operations a call once the process has a second
// thread. These enter the kernel directly and give back what it gives: a count or -errno.

#if defined(__x86_64__)
static inline long fg_syscall6(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#else
static inline long fg_syscall6(long number, long a, long b, long c, long d, long e, long f) {
    long result = syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
}
#endif

static inline long fg_receive(int fd, void *buffer, size_t count) {
    return fg_syscall6(SYS_recvfrom, fd, (long)buffer, (long)count, 0, 0, 0);
}

/// Never raises SIGPIPE.
static inline long fg_send(int fd, const void *buffer, size_t count) {
    return fg_syscall6(SYS_sendto, fd, (long)buffer, (long)count, MSG_NOSIGNAL, 0, 0);
}

/// The same for what more follows at once: the last segment waits for it if it is not full.
static inline long fg_send_more(int fd, const void *buffer, size_t count) {
    return fg_syscall6(SYS_sendto, fd, (long)buffer, (long)count, MSG_NOSIGNAL | MSG_MORE, 0, 0);
}

/// One buffer behind the other, in one call.
static inline long fg_send_pair(int fd, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec parts[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return fg_syscall6(SYS_sendmsg, fd, (long)&message, MSG_NOSIGNAL, 0, 0, 0);
}

/// Throws away up to `count` bytes that have arrived, without copying them (Linux: MSG_TRUNC on TCP).
static inline long fg_skip(int fd, size_t count) {
    return fg_syscall6(SYS_recvfrom, fd, 0, (long)count, MSG_TRUNC | MSG_DONTWAIT, 0, 0);
}

/// Bytes that have arrived and were not taken yet; 0 where the kernel does not say.
static inline int fg_unread(int fd) {
    int count = 0;
    return fg_syscall6(SYS_ioctl, fd, SIOCINQ, (long)&count, 0, 0, 0) == 0 ? count : 0;
}

/// Looks at what has arrived without taking it.
static inline long fg_peek(int fd, void *buffer, size_t count) {
    return fg_syscall6(SYS_recvfrom, fd, (long)buffer, (long)count, MSG_PEEK | MSG_DONTWAIT, 0, 0);
}

// Bytes in a TCP socket's buffer that the peer has not acknowledged; 0 where the kernel does not say.
static inline int fg_unsent(int fd) {
    int count = 0;
    return ioctl(fd, SIOCOUTQ, &count) == 0 ? count : 0;
}

// MARK: epoll

static inline int fg_epoll_create(void) { return FG_RESULT(epoll_create1(EPOLL_CLOEXEC)); }

static inline int fg_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = token;
    return (int)fg_syscall6(SYS_epoll_ctl, epoll, operation, fd, (long)&event, 0, 0);
}

static inline int fg_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
    return fg_epoll_control(epoll, EPOLL_CTL_ADD, fd, events, token);
}

static inline int fg_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token) {
    return fg_epoll_control(epoll, EPOLL_CTL_MOD, fd, events, token);
}

static inline int fg_epoll_remove(int epoll, int fd) { return fg_epoll_control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

static inline int fg_epoll_wait(int epoll, void *events, int maximum, int timeout_milliseconds) {
    // The pwait form exists on every architecture; the last argument is the size of a signal mask that isn't given.
    return (int)fg_syscall6(SYS_epoll_pwait, epoll, (long)events, maximum, timeout_milliseconds, 0, 8);
}

static inline size_t fg_epoll_event_size(void) { return sizeof(struct epoll_event); }

static inline uint64_t fg_epoll_token(const void *events, size_t index) {
    return ((const struct epoll_event *)events)[index].data.u64;
}

static inline uint32_t fg_epoll_events(const void *events, size_t index) {
    return ((const struct epoll_event *)events)[index].events;
}

// MARK: eventfd and signalfd

static inline int fg_eventfd(void) { return FG_RESULT(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

static inline void fg_eventfd_signal(int fd) {
    uint64_t one = 1;
    (void)fg_syscall6(SYS_write, fd, (long)&one, sizeof one, 0, 0, 0);
}

static inline void fg_eventfd_clear(int fd) {
    uint64_t value;
    (void)fg_syscall6(SYS_read, fd, (long)&value, sizeof value, 0, 0, 0);
}

/// Blocks the signals for this thread (and those it starts) and opens a descriptor that reports them.
static inline int fg_signalfd(const int32_t *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        if (sigaddset(&set, signals[i]) != 0) return -errno;
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) return -failure;
    return FG_RESULT(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

/// The next pending signal, or -EAGAIN.
static inline int fg_signalfd_next(int fd) {
    struct signalfd_siginfo information;
    ssize_t n = read(fd, &information, sizeof information);
    if (n < 0) return -errno;
    return n == (ssize_t)sizeof information ? (int)information.ssi_signo : -EAGAIN;
}

// MARK: processes

/// Starts a program as the child of whoever adopts orphans (a service manager, process 1), not of this process. It gets
/// the descriptors in `kept` beside those without the close-on-exec mark. Its process id, or -errno.
static inline __attribute__((noinline)) int fg_start_detached(
    const char *program, char *const *arguments, char *const *environment, const int *kept, size_t kept_count) {
    // The process between us and the program. Where it does not run in our memory (the thread sanitizer makes vfork a
    // fork), what came of it would be lost but for a page that both have.
    typedef struct outcome {
        pid_t started;
        int failure;
    } outcome;
    volatile outcome *shared = mmap(NULL, sizeof(outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return -errno;
    pid_t middle = vfork();
    if (middle == 0) {
        // The table of descriptors is the child's own.
        int failure = 0;
        for (size_t i = 0; i < kept_count && failure == 0; i++)
            if (fcntl(kept[i], F_SETFD, 0) != 0) failure = errno;
        pid_t started = -1;
        // No second vfork: the address sanitizer remembers one place of return a thread.
        if (failure == 0) failure = posix_spawn(&started, program, NULL, NULL, arguments, environment);
        shared->started = started;
        shared->failure = failure;
        _exit(0);
    }
    int result = middle < 0 ? -errno : 0;
    if (middle > 0) {
        // It ends at once; only then has its child been adopted.
        int status;
        while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {}
        result = shared->failure != 0 ? -shared->failure : shared->started;
        if (result == 0) result = -ECHILD;
    }
    munmap((void *)shared, sizeof(outcome));
    return result;
}

/// A descriptor that stands for a process and becomes readable when it has ended, or -errno.
static inline int fg_process_open(int pid) { return FG_RESULT((int)syscall(SYS_pidfd_open, pid, 0)); }

/// 0 or -errno. Unlike kill(2) it cannot meet another process that has got the number since.
static inline int fg_process_signal(int process, int number) {
    return FG_RESULT((int)syscall(SYS_pidfd_send_signal, process, number, NULL, 0));
}

// MARK: addresses

/// An address in a form that Swift can hold by value: 4 or 16 bytes in network order.
typedef struct fg_address {
    uint64_t word0;
    uint64_t word1;
    uint32_t scope;
    uint16_t port;    // host order
    uint16_t family;  // AF_INET, AF_INET6, 0 = none
} fg_address;

static inline socklen_t fg_address_encode(const fg_address *address, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (address->family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(address->port);
        memcpy(&v4->sin_addr, &address->word0, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address->port);
    v6->sin6_scope_id = address->scope;
    memcpy(&v6->sin6_addr, &address->word0, 16);
    return sizeof *v6;
}

/// IPv4 addresses mapped into IPv6 (a dual-stack listener's peers) come out as IPv4.
static inline void fg_address_decode(const struct sockaddr *sockaddr, fg_address *address) {
    memset(address, 0, sizeof *address);
    if (sockaddr->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)sockaddr;
        address->family = AF_INET;
        address->port = ntohs(v4->sin_port);
        memcpy(&address->word0, &v4->sin_addr, 4);
    } else if (sockaddr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sockaddr;
        address->port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            address->family = AF_INET;
            memcpy(&address->word0, (const uint8_t *)&v6->sin6_addr + 12, 4);
        } else {
            address->family = AF_INET6;
            address->scope = v6->sin6_scope_id;
            memcpy(&address->word0, &v6->sin6_addr, 16);
        }
    }
}

/// 1 = parsed, 0 = not an address literal. `text` is NUL-terminated and without brackets.
static inline int fg_address_parse(const char *text, fg_address *address) {
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &address->word0) == 1) {
        address->family = AF_INET;
        return 1;
    }
    if (inet_pton(AF_INET6, text, &address->word0) == 1) {
        address->family = AF_INET6;
        return 1;
    }
    return 0;
}

/// Writes the address without its port and without NUL; at most 45 bytes, room for 46. Returns the length.
static inline size_t fg_address_write(const fg_address *address, char *out) {
    if (address->family == AF_INET) {
        const uint8_t *bytes = (const uint8_t *)&address->word0;
        size_t n = 0;
        for (int i = 0; i < 4; i++) {
            unsigned v = bytes[i];
            if (i > 0) out[n++] = '.';
            if (v >= 100) out[n++] = (char)('0' + v / 100);
            if (v >= 10) out[n++] = (char)('0' + v / 10 % 10);
            out[n++] = (char)('0' + v % 10);
        }
        return n;
    }
    if (address->family == AF_INET6 && inet_ntop(AF_INET6, &address->word0, out, 46) != NULL) return strlen(out);
    return 0;
}

// MARK: sockets

static inline int fg_set_option(int fd, int level, int name, int value) {
    return FG_RESULT(setsockopt(fd, level, name, &value, sizeof value));
}

static inline int fg_set_no_delay(int fd) { return fg_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }
static inline int fg_set_reuse_port(int fd) { return fg_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1); }
static inline int fg_set_reuse_address(int fd) { return fg_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); }
static inline int fg_set_v6_only(int fd, int on) { return fg_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, on); }

/// The option's value, or -errno.
static inline int fg_get_option(int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    if (getsockopt(fd, level, name, &value, &length) < 0) return -errno;
    return value;
}

static inline int fg_get_no_delay(int fd) { return fg_get_option(fd, IPPROTO_TCP, TCP_NODELAY); }

/// 0, or the pending error as -errno (which the kernel forgets by this).
static inline int fg_socket_error(int fd) {
    int value = fg_get_option(fd, SOL_SOCKET, SO_ERROR);
    return value > 0 ? -value : value;
}

/// 127.0.0.0/8 or ::1.
static inline int fg_address_is_loopback(const fg_address *address) {
    if (address->family == AF_INET) return *(const uint8_t *)&address->word0 == 127;
    return address->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)&address->word0);
}

static inline void fg_set_quick_acknowledgements(int fd, int on) {
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static inline void fg_delay_acknowledgements(int fd) { fg_set_quick_acknowledgements(fd, 0); }

static inline void fg_acknowledge_at_once(int fd) { fg_set_quick_acknowledgements(fd, 1); }

/// Plain Reno for a connection that never leaves the machine. Loopback has no queue to fill and loses nothing, so what
/// BBR and its like compute for every segment, and their pacing, is for nothing. A refusal does no harm.
static inline void fg_use_local_congestion_control(int fd) {
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

/// How many bytes have to be there before the socket counts as readable (SO_RCVLOWAT). The kernel makes room for them, and
/// says so earlier if it has none, or if no more will come.
static inline int fg_set_low_water(int fd, int bytes) { return fg_set_option(fd, SOL_SOCKET, SO_RCVLOWAT, bytes); }

static inline int fg_tcp_socket(int family) {
    return FG_RESULT(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static inline int fg_listen(const fg_address *address, int reuse_port, int backlog) {
    int fd = fg_tcp_socket(address->family);
    if (fd < 0) return fd;
    struct sockaddr_storage storage;
    socklen_t length = fg_address_encode(address, &storage);
    int status = fg_set_reuse_address(fd);
    if (status >= 0 && reuse_port) status = fg_set_reuse_port(fd);
    // A wildcard is dual-stack whatever net.ipv6.bindv6only says; accepted sockets inherit TCP_NODELAY.
    if (status >= 0 && address->family == AF_INET6) status = fg_set_v6_only(fd, 0);
    if (status >= 0) status = fg_set_no_delay(fd);
    if (fg_address_is_loopback(address)) fg_use_local_congestion_control(fd);  // inherited too
    if (status >= 0) status = FG_RESULT(bind(fd, (struct sockaddr *)&storage, length));
    if (status >= 0) status = FG_RESULT(listen(fd, backlog));
    if (status >= 0) return fd;
    close(fd);
    return status;
}

/// Readies a listening socket that somebody else has opened, as fg_listen does ours. 0 or -errno (-EINVAL: it does not
/// listen).
static inline int fg_adopt_listener(int fd) {
    int listens = fg_get_option(fd, SOL_SOCKET, SO_ACCEPTCONN);
    if (listens <= 0) return listens < 0 ? listens : -EINVAL;
    int flags = FG_RESULT(fcntl(fd, F_GETFL));
    if (flags < 0) return flags;
    int status = FG_RESULT(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
    if (status >= 0) status = FG_RESULT(fcntl(fd, F_SETFD, FD_CLOEXEC));
    if (status >= 0) status = fg_set_no_delay(fd);
    return status < 0 ? status : 0;
}

static inline int fg_duplicate(int fd) { return FG_RESULT(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

static inline int fg_accept(int listener, fg_address *peer) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    storage.ss_family = 0;
    int fd = (int)fg_syscall6(
        SYS_accept4, listener, (long)&storage, (long)&length, SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0);
    if (fd >= 0) fg_address_decode((struct sockaddr *)&storage, peer);
    return fd;
}

static inline int fg_connect(const fg_address *address) {
    int fd = fg_tcp_socket(address->family);
    if (fd < 0) return fd;
    struct sockaddr_storage storage;
    socklen_t length = fg_address_encode(address, &storage);
    int status = fg_set_no_delay(fd);
    if (fg_address_is_loopback(address)) fg_use_local_congestion_control(fd);
    if (status >= 0) status = FG_RESULT(connect(fd, (struct sockaddr *)&storage, length));
    // An interrupted connect goes on in the background like any other that is in progress.
    if (status >= 0 || status == -EINPROGRESS || status == -EINTR) return fd;
    close(fd);
    return status;
}

static inline int fg_peer_address(int fd, fg_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getpeername(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    fg_address_decode((struct sockaddr *)&storage, address);
    return 0;
}

static inline int fg_local_address(int fd, fg_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    fg_address_decode((struct sockaddr *)&storage, address);
    return 0;
}

static inline int fg_shutdown_write(int fd) { return FG_RESULT(shutdown(fd, SHUT_WR)); }

static inline int fg_close(int fd) { return (int)fg_syscall6(SYS_close, fd, 0, 0, 0, 0, 0); }

/// The peer sees a reset, and no TIME_WAIT remains.
static inline int fg_close_with_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return fg_close(fd);
}

// MARK: splice

static inline int fg_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return -errno;
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

static inline void fg_set_pipe_capacity(int fd, int bytes) { (void)fcntl(fd, F_SETPIPE_SZ, bytes); }

static inline long fg_read(int fd, void *buffer, size_t count) {
    return fg_syscall6(SYS_read, fd, (long)buffer, (long)count, 0, 0, 0);
}

/// Moves up to `count` bytes between a pipe and a socket inside the kernel (SPLICE_F_MOVE | SPLICE_F_NONBLOCK).
static inline long fg_splice(int from, int to, size_t count) {
    return fg_syscall6(SYS_splice, from, 0, to, 0, (long)count, 1 | 2);
}

// MARK: memory

/// Address space without memory behind it; pages are committed by the first touch. NULL = refused.
static inline void *fg_reserve_memory(size_t count) {
    void *base = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

static inline int fg_unmap(void *base, size_t count) { return FG_RESULT(munmap(base, count)); }

/// Gives whole pages of a mapped file back: they stay in the page cache, as they are, and come back when touched.
static inline int fg_release_file_pages(void *base, size_t count) {
    return FG_RESULT(madvise(base, count, MADV_DONTNEED));
}

static inline void fg_prefetch(const void *address) { __builtin_prefetch(address); }
static inline void fg_prefetch_to_write(const void *address) { __builtin_prefetch(address, 1); }

/// Gives free pages of malloc's arenas back, wherever they lie; each arena is locked in turn.
static inline void fg_trim_heap(void) { (void)malloc_trim(0); }

/// Asks for pages of 2 MiB, where the kernel has them.
static inline int fg_prefer_huge_pages(void *base, size_t count) {
    return FG_RESULT(madvise(base, count, MADV_HUGEPAGE));
}

/// Gives the pages back to the kernel; they read as zero afterwards.
static inline int fg_discard_memory(void *base, size_t count) {
    return FG_RESULT(madvise(base, count, MADV_DONTNEED));
}

static inline void *fg_map_file(int fd, size_t count) {
    void *base = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return base == MAP_FAILED ? NULL : base;
}

/// Maps the pages of p[0 ..< n], which has their alignment, for writing, as if each had been written to; needs Linux 5.14.
static inline int fg_populate_for_writing(void *p, size_t n) {
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
    return FG_RESULT(madvise(p, n, MADV_POPULATE_WRITE));
}

static inline int fg_open_existing(const char *path) { return FG_RESULT(open(path, O_RDWR | O_CLOEXEC)); }

/// A new file that only its owner may read; one that is there is emptied.
static inline int fg_create_file(const char *path) {
    return FG_RESULT(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
}

static inline int64_t fg_file_size(int fd) {
    struct stat information;
    if (fstat(fd, &information) < 0) return -errno;
    return information.st_size;
}

static inline int fg_truncate(int fd, int64_t count) { return FG_RESULT(ftruncate(fd, count)); }

/// Sets the file's blocks aside, so that a full disk shows here and not as SIGBUS on a later store.
static inline int fg_allocate_file(int fd, int64_t offset, int64_t count) {
    int failure;
    do failure = posix_fallocate(fd, offset, count);
    while (failure == EINTR);
    return -failure;
}

// MARK: clocks

static inline uint64_t fg_clock_nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t fg_monotonic_nanoseconds(void) { return fg_clock_nanoseconds(CLOCK_MONOTONIC); }
static inline uint64_t fg_monotonic_milliseconds(void) { return fg_monotonic_nanoseconds() / 1000000u; }
static inline uint64_t fg_realtime_nanoseconds(void) { return fg_clock_nanoseconds(CLOCK_REALTIME); }

// MARK: randomness

/// 0, or -errno. Blocks only before the kernel's generator is seeded.
static inline int fg_random(void *out, size_t count) {
    uint8_t *next = (uint8_t *)out;
    while (count > 0) {
        ssize_t n = getrandom(next, count > 256 ? 256 : count, 0);
        if (n < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        next += n;
        count -= (size_t)n;
    }
    return 0;
}

// MARK: atomics over raw memory (fields of a mapped file)

static inline uint64_t fg_load_acquire(const void *address) {
    return __atomic_load_n((const uint64_t *)address, __ATOMIC_ACQUIRE);
}

static inline uint64_t fg_load_relaxed(const void *address) {
    return __atomic_load_n((const uint64_t *)address, __ATOMIC_RELAXED);
}

static inline void fg_store_release(void *address, uint64_t value) {
    __atomic_store_n((uint64_t *)address, value, __ATOMIC_RELEASE);
}

static inline void fg_store_relaxed(void *address, uint64_t value) {
    __atomic_store_n((uint64_t *)address, value, __ATOMIC_RELAXED);
}

static inline uint64_t fg_add_relaxed(void *address, uint64_t value) {
    return __atomic_fetch_add((uint64_t *)address, value, __ATOMIC_RELAXED);
}

// MARK: checksums

/// CRC-32C (Castagnoli), as in RFC 3720; 0 for no bytes. Uses SSE4.2 where the machine has it.
uint32_t fg_crc32c(const void *bytes, size_t count);

/// The same by table; for machines without the instruction, and for comparing in tests.
uint32_t fg_crc32c_table(const void *bytes, size_t count);

// MARK: threads

typedef void *(*fg_thread_body)(void *);

/// Starts a joinable thread. `cpu` < 0 leaves it unpinned. 0 or -errno.
int fg_thread_start(pthread_t *thread, int cpu, size_t stack_bytes, fg_thread_body body, void *argument);

/// Names the calling thread, for `top` and debuggers; cut to 15 bytes.
void fg_set_thread_name(const char *name);

/// Pins the calling thread to one CPU.
int fg_pin_thread(int cpu);

/// CPUs that the calling thread may run on; at least 1.
int fg_usable_processors(void);

/// The calling thread runs only when nothing else wants its CPU (SCHED_IDLE), or normally again.
int fg_set_idle_scheduling(int idle);

static inline int fg_thread_id(void) { return (int)syscall(SYS_gettid); }

/// Sets the nice value of one thread (0 = the calling one).
static inline int fg_set_thread_priority(int thread_id, int nice) {
    return FG_RESULT(setpriority(PRIO_PROCESS, (id_t)thread_id, nice));
}
