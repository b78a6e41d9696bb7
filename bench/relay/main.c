// relay: the floor of a comparison. It moves the bytes of HTTP exchanges between kept-alive connections, and
// looks at no more of them than it must to know where a message ends: no key, no route, no rewriting, no limits,
// no timeouts, no audit. Four data system calls an exchange: recv and send, on both sides. Not for real use.

#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>

#include "../common/http.h"
#include "../common/net.h"

enum {
    MOST_SLOTS = 131072,
    MOST_EVENTS = 512,
    SCRATCH_BYTES = 256 * 1024,
    MOST_HEAD_BYTES = 64 * 1024,
};

enum progress { IN_HEAD, IN_BODY, IN_CHUNKS, AT_END };

/// One connection, of either side. A message read from it goes to its peer.
struct end {
    int fd;
    uint32_t generation;
    struct end *peer;        // while an exchange is under way
    bool is_client, readable, connected, hung_up;
    bool closes;             // after the message being read
    enum progress progress;  // of the message being read
    uint64_t left;
    struct chunked chunks;
    struct bytes in, out;    // an unfinished head; what the kernel did not take yet
};

static struct end *ends, *idle[MOST_SLOTS];
static uint32_t free_list[MOST_SLOTS], free_count, used_count, idle_count;
static int epoll_fd;
static struct sockaddr_in upstream;
static char scratch[SCRATCH_BYTES];

static void pump(struct end *e);

static struct end *add_end(int fd, bool is_client) {
    if (!free_count && used_count == MOST_SLOTS) return close(fd), NULL;
    uint32_t i = free_count ? free_list[--free_count] : used_count++;
    struct end *e = &ends[i];
    *e = (struct end){.fd = fd, .generation = e->generation, .is_client = is_client, .connected = is_client};
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                {.u64 = (uint64_t)e->generation << 32 | i}};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
    return e;
}

static void drop(struct end *e) {
    close(e->fd);
    e->fd = -1;
    e->generation++;
    bytes_free(&e->in);
    bytes_free(&e->out);
    free_list[free_count++] = (uint32_t)(e - ends);
}

/// Ends a connection and with it the exchange that it is part of.
static void hang_up(struct end *e) {
    struct end *peer = e->peer;
    if (peer) {
        peer->peer = NULL;
        drop(peer);
    } else if (!e->is_client) {
        for (uint32_t i = 0; i < idle_count; i++)
            if (idle[i] == e) {
                memmove(idle + i, idle + i + 1, (--idle_count - i) * sizeof *idle);
                break;
            }
    }
    drop(e);
}

static bool send_bytes(struct end *e, const char *p, size_t n) {
    if (e->connected && bytes_count(&e->out) == 0) {
        ssize_t sent = send(e->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return false;
            sent = 0;
        }
        if ((size_t)sent == n) return true;
        p += sent;
        n -= (size_t)sent;
    }
    bytes_append(&e->out, p, n);
    return true;
}

static void start_message(struct end *e) {
    e->progress = IN_HEAD;
    e->left = 0;
    e->chunks = (struct chunked){0};
}

/// Finds out how far the message of `e` reaches into `p`; -1: not to be understood.
static ssize_t message_bytes(struct end *e, const char *p, size_t n) {
    size_t taken = 0;
    while (e->progress == IN_HEAD) {
        struct http_head head;
        enum http_parse parsed = http_parse_head(p + taken, n - taken, !e->is_client, &head);
        if (parsed == HTTP_MORE) return n - taken > MOST_HEAD_BYTES ? -1 : (ssize_t)taken;
        if (parsed == HTTP_BAD || head.unknown_coding) return -1;
        taken += head.length;
        if (head.status >= 100 && head.status < 200) continue;
        e->closes = !http_keeps_alive(&head);
        if (head.chunked) e->progress = IN_CHUNKS;
        else if ((e->left = head.content_length)) e->progress = IN_BODY;
        else if (e->is_client || head.has_length || head.status == 204 || head.status == 304) e->progress = AT_END;
        else return -1;  // until the connection closes: the mock does not do that
    }
    if (e->progress == IN_BODY) {
        size_t take = n - taken < e->left ? n - taken : (size_t)e->left;
        taken += take;
        e->left -= take;
        if (e->left == 0) e->progress = AT_END;
    }
    while (e->progress == IN_CHUNKS && taken < n) {
        size_t used = 0;
        struct span data;
        enum chunk_event event = chunked_next(&e->chunks, p + taken, n - taken, &used, &data);
        if (event == CHUNKS_BAD) return -1;
        taken += used;
        if (event == CHUNKS_END) e->progress = AT_END;
    }
    return (ssize_t)taken;
}

static bool lease_upstream(struct end *client) {
    struct end *e;
    if (idle_count) {
        e = idle[--idle_count];
    } else {
        int fd = connect_to(&upstream, NULL);
        if (fd >= 0) use_local_congestion_control(fd);
        if (fd < 0 || !(e = add_end(fd, false))) return false;
    }
    e->peer = client;
    client->peer = e;
    start_message(e);
    return true;
}

/// The answer is through: the upstream connection is idle again and the client may send the next request.
static void finish_exchange(struct end *server, struct end *client) {
    bool closes = client->closes;
    server->peer = client->peer = NULL;
    if (server->closes || bytes_count(&server->out)) drop(server);
    else idle[idle_count++] = server;
    if (closes && bytes_count(&client->out) == 0) return hang_up(client);
    start_message(client);
    client->closes = closes;
}

/// Passes on what was read from `e`. Returns the bytes taken or -1: the connection is gone.
static ssize_t pass_on(struct end *e, const char *p, size_t n) {
    ssize_t taken = message_bytes(e, p, n);
    if (taken < 0) return hang_up(e), -1;
    if (taken == 0) return 0;
    if (e->is_client && !e->peer && !lease_upstream(e)) return hang_up(e), -1;
    if (!e->peer || !send_bytes(e->peer, p, (size_t)taken)) return hang_up(e), -1;
    if (e->is_client || e->progress != AT_END) return taken;
    struct end *client = e->peer;
    uint32_t generation = e->generation;
    if ((size_t)taken < n) e->closes = true;  // bytes after the end of an answer belong to nobody
    finish_exchange(e, client);
    if (client->fd >= 0 && (bytes_count(&client->in) || client->readable)) pump(client);
    return e->generation == generation ? taken : -1;
}

/// Whether reading has to wait: for the peer to take what it was sent, or for the answer to a request.
static bool waits(const struct end *e) {
    return (e->peer && bytes_count(&e->peer->out)) || (e->is_client && (e->progress == AT_END || bytes_count(&e->out)));
}

static void pump(struct end *e) {
    uint32_t generation = e->generation;
    if (bytes_count(&e->in) && !waits(e)) {
        ssize_t taken = pass_on(e, e->in.p + e->in.start, bytes_count(&e->in));
        if (taken < 0 || e->generation != generation) return;
        e->in.start += (size_t)taken;
        if (bytes_count(&e->in) == 0) bytes_free(&e->in);
    }
    while (e->readable && !waits(e)) {
        ssize_t n = recv(e->fd, scratch, sizeof scratch, 0);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) e->readable = false;
            else hang_up(e);
            return;
        }
        // A short read leaves nothing behind, unless the end of the stream is waiting there.
        if ((size_t)n < sizeof scratch && !e->hung_up) e->readable = false;
        if (!e->is_client && !e->peer) return hang_up(e);
        bool has_rest = bytes_count(&e->in) != 0;
        if (has_rest) bytes_append(&e->in, scratch, (size_t)n);
        ssize_t taken = has_rest ? pass_on(e, e->in.p + e->in.start, bytes_count(&e->in))
                                 : pass_on(e, scratch, (size_t)n);
        if (taken < 0 || e->generation != generation) return;
        if (has_rest) e->in.start += (size_t)taken;
        else if (taken < n) bytes_append(&e->in, scratch + taken, (size_t)(n - taken));
        if (e->in.p && bytes_count(&e->in) == 0) bytes_free(&e->in);
    }
}

static void handle(struct end *e, uint32_t events) {
    if (events & (EPOLLERR | EPOLLHUP)) return hang_up(e);
    if (events & EPOLLRDHUP) {
        if (e->is_client || !e->peer) return hang_up(e);
        e->hung_up = true;
    }
    if (events & EPOLLOUT) {
        e->connected = true;
        while (bytes_count(&e->out)) {
            ssize_t n = send(e->fd, e->out.p + e->out.start, bytes_count(&e->out), MSG_NOSIGNAL);
            if (n < 0) {
                if (errno != EAGAIN) return hang_up(e);
                break;
            }
            e->out.start += (size_t)n;
        }
        if (e->out.p && bytes_count(&e->out) == 0) {
            bytes_free(&e->out);
            if (e->is_client && !e->peer && e->closes && e->progress == IN_HEAD) return hang_up(e);
            uint32_t generation = e->generation;
            if (e->peer) pump(e->peer);
            if (e->generation != generation) return;
            if (!e->peer) pump(e);
            if (e->generation != generation) return;
        }
    }
    if (events & (EPOLLIN | EPOLLRDHUP)) {
        e->readable = true;
        pump(e);
    }
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1", *upstream_host = "127.0.0.1";
    uint16_t port = 8601, upstream_port = 8600;
    static const struct option known[] = {
        {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"upstream-host", 1, 0, 'H'}, {"upstream-port", 1, 0, 'P'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (o) {
        case 'h': host = optarg; break;
        case 'p': port = (uint16_t)parse_number("--port", optarg, 65535); break;
        case 'H': upstream_host = optarg; break;
        case 'P': upstream_port = (uint16_t)parse_number("--upstream-port", optarg, 65535); break;
        default: die("usage: relay [--host ADDRESS] [--port N] [--upstream-host ADDRESS] [--upstream-port N]");
        }
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit(MOST_SLOTS + 64);
    upstream = ipv4_address(upstream_host, upstream_port);
    ends = mmap(NULL, sizeof *ends * MOST_SLOTS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
    if (ends == MAP_FAILED) die("relay: out of memory");
    int listener = listen_on(host, &port);
    use_local_congestion_control(listener);  // what it accepts inherits it
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {EPOLLIN, {.u64 = UINT64_MAX}}, events[MOST_EVENTS];
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll: %s", strerror(errno));
    printf("listening on %s:%u\n", host, port);
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, MOST_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            uint64_t token = events[i].data.u64;
            if (token == UINT64_MAX) {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
                    add_end(fd, true);
                continue;
            }
            struct end *e = &ends[token & UINT32_MAX];
            if (e->fd >= 0 && e->generation == token >> 32) handle(e, events[i].events);
        }
    }
}
