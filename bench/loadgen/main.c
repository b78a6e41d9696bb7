// loadgen: sends HTTP/1.1 requests over many connections from one thread and measures what comes back.
//
// Closed loop: each connection sends its next request once it has the answer. Open loop (`--rate`): requests are
// due at fixed times whether or not earlier answers came, and latency counts from when a request was due, so a
// stall shows in all the requests it delayed (no coordinated omission). Every answer is checked: status 200, the
// whole body by its framing, the size if it is known, and that a stream came to its proper end.

#include <signal.h>

#include "../common/http.h"
#include "../common/net.h"
#include "histogram.h"
#include "options.h"

enum { MOST_EVENTS = 512, SCRATCH_BYTES = 256 * 1024, MOST_HEAD_BYTES = 64 * 1024, MOST_ERRORS = 1000 };

enum failure {
    FAILURE_CONNECT,
    FAILURE_STATUS,
    FAILURE_CUT_SHORT,
    FAILURE_MALFORMED,
    FAILURE_SIZE,
    FAILURE_NO_END,      // a stream without its last event
    FAILURE_UNFINISHED,  // no answer by the end of the grace time
    FAILURE_KINDS
};
static const char *const failure_names[FAILURE_KINDS] = {"connect",      "status",        "cut_short", "malformed",
                                                         "wrong_size",   "stream_no_end", "unfinished"};

enum phase { PHASE_FREE, PHASE_HEAD, PHASE_BODY, PHASE_CHUNKS, PHASE_UNTIL_CLOSE };

struct connection {
    int fd;  // -1: not connected
    uint32_t generation;
    enum phase phase;
    bool readable, hung_up, closes, has_first_byte, has_end;
    struct chunked chunks;
    uint64_t left, body_bytes, due_ns;
    struct bytes in;     // an unfinished head, or an unfinished event of a stream
    struct bytes out;    // what the kernel did not take yet
};

static struct options options;

static struct connection *connections;
static uint32_t *free_connections, free_count, in_flight, held, started_connections;
static struct request request;
static struct sockaddr_in target;
static int epoll_fd;
static char scratch[SCRATCH_BYTES];
static uint64_t begin_ns, end_ns, issued;
static uint64_t completed, failures[FAILURE_KINDS], failure_count, statuses[600];
static uint64_t connects, bytes_in, bytes_out, body_bytes, events;
static struct histogram latency, first_byte, chunk_delay;
static volatile sig_atomic_t stopped;

static void begin_exchange(struct connection *c, uint64_t due_ns);

// MARK: one exchange

/// When the next request of an open loop is due.
static uint64_t next_due_ns(void) { return begin_ns + (uint64_t)((double)issued * 1e9 / options.rate); }

/// Whether there are more requests to send. In an open loop those that were due before the end are sent after it
/// too: to leave them out would hide that they had to wait.
static bool may_issue(uint64_t now) {
    return !stopped && (options.is_open_loop ? next_due_ns() : now) < end_ns &&
           (!options.requests || issued < options.requests) && failure_count < MOST_ERRORS;
}

static void disconnect(struct connection *c, bool reset) {
    if (c->fd < 0) return;
    if (reset) {
        // Leaves no TIME_WAIT behind, so that a connection for each request doesn't run out of ports.
        struct linger linger = {1, 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(c->fd);
    c->fd = -1;
    c->generation++;
    c->readable = c->hung_up = false;
    bytes_free(&c->in);
    bytes_free(&c->out);
}

static void become_free(struct connection *c) {
    c->phase = PHASE_FREE;
    in_flight--;
    if (options.is_open_loop) {
        free_connections[free_count++] = (uint32_t)(c - connections);
        return;
    }
    if (!options.hold && may_issue(clock_ns())) begin_exchange(c, 0);
}

static void fail(struct connection *c, enum failure kind) {
    failures[kind]++;
    failure_count++;
    if (options.hold && c->has_first_byte) held--;
    disconnect(c, true);
    become_free(c);
}

static void complete(struct connection *c, uint64_t now) {
    if (options.expected_bytes >= 0 && c->body_bytes != (uint64_t)options.expected_bytes)
        return fail(c, FAILURE_SIZE);
    if (options.request.stream && !c->has_end) return fail(c, FAILURE_NO_END);
    completed++;
    body_bytes += c->body_bytes;
    histogram_add(&latency, now - c->due_ns);
    if (options.hold) held--;
    if (c->closes || c->hung_up || options.request.close) disconnect(c, true);
    become_free(c);
}

static bool open_connection(struct connection *c) {
    uint32_t i = (uint32_t)(c - connections);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000001u + (uint32_t)(connects % options.sources))};
    c->fd = connect_to(&target, options.sources > 1 ? &from : NULL);
    if (c->fd < 0) return false;
    connects++;
    struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.u64 = (uint64_t)c->generation << 32 | i}};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

/// Sends the next request on `c`. `due_ns` 0: it is due now.
static void begin_exchange(struct connection *c, uint64_t due_ns) {
    in_flight++;
    issued++;
    c->phase = PHASE_HEAD;
    c->chunks = (struct chunked){0};
    c->body_bytes = 0;
    c->closes = c->has_first_byte = c->has_end = false;
    c->in.start = c->in.end = 0;
    c->due_ns = due_ns ? due_ns : clock_ns();
    if (request.place_count) request_vary(&request);
    const char *p = request.text.p;
    size_t n = request.text.end;
    bytes_out += n;
    if (c->fd < 0) {
        if (!open_connection(c)) {
            if (c->fd < 0 && failures[FAILURE_CONNECT] == 0) fprintf(stderr, "loadgen: connect: %s\n", strerror(errno));
            return fail(c, FAILURE_CONNECT);
        }
        // Not yet connected, as a rule: the event will tell.
        return bytes_append(&c->out, p, n);
    }
    ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return fail(c, FAILURE_CUT_SHORT);
    if (sent < 0) sent = 0;
    if ((size_t)sent < n) bytes_append(&c->out, p + sent, n - (size_t)sent);
}

// MARK: what comes back

/// One event of a stream, without the empty line.
static void take_event(struct connection *c, const char *p, size_t n, uint64_t now) {
    static const char stamp[] = "\"mock_sent_ns\":\"";
    events++;
    const char *found = memmem(p, n, stamp, sizeof stamp - 1);
    if (found && (size_t)(p + n - found) >= sizeof stamp - 1 + 20) {
        uint64_t sent_ns = 0;
        for (const char *q = found + sizeof stamp - 1, *end = q + 20; q < end; q++)
            sent_ns = sent_ns * 10 + (uint64_t)(*q - '0');
        histogram_add(&chunk_delay, now > sent_ns ? now - sent_ns : 0);
    }
#define BEGINS(text) (n >= sizeof(text) - 1 && memcmp(p, text, sizeof(text) - 1) == 0)
    if (BEGINS("data: [DONE]") || BEGINS("event: message_stop") || BEGINS("event: response.completed"))
        c->has_end = true;
#undef BEGINS
}

static void take_body(struct connection *c, const char *p, size_t n, uint64_t now) {
    c->body_bytes += n;
    if (!options.request.stream) return;
    bool has_rest = bytes_count(&c->in) != 0;
    if (has_rest) {
        bytes_append(&c->in, p, n);
        p = c->in.p + c->in.start;
        n = bytes_count(&c->in);
    }
    size_t taken = 0;
    for (const char *end; (end = memmem(p + taken, n - taken, "\n\n", 2));) {
        take_event(c, p + taken, (size_t)(end - p) - taken, now);
        taken = (size_t)(end - p) + 2;
    }
    if (has_rest) c->in.start += taken;
    else if (taken < n) bytes_append(&c->in, p + taken, n - taken);
    if (c->in.p && bytes_count(&c->in) == 0) c->in.start = c->in.end = 0;
}

static void note_first_byte(struct connection *c, uint64_t now) {
    c->has_first_byte = true;
    histogram_add(&first_byte, now - c->due_ns);
    if (options.hold) held++;
}

/// Reads a head out of what came. Returns its length, 0 for more, -1 after a failure.
static ssize_t take_head(struct connection *c, const char *p, size_t n) {
    struct http_head h;
    switch (http_parse_head(p, n, true, &h)) {
    case HTTP_MORE:
        if (n <= MOST_HEAD_BYTES) return 0;
        return fail(c, FAILURE_MALFORMED), -1;
    case HTTP_BAD: return fail(c, FAILURE_MALFORMED), -1;
    case HTTP_OK: break;
    }
    if (h.status < 200) return (ssize_t)h.length;
    statuses[h.status % 600]++;
    if (h.status != 200) return fail(c, FAILURE_STATUS), -1;
    c->closes = !http_keeps_alive(&h);
    c->left = h.content_length;
    c->phase = h.chunked ? PHASE_CHUNKS : h.has_length ? PHASE_BODY : PHASE_UNTIL_CLOSE;
    return (ssize_t)h.length;
}

/// Goes through bytes as they came from the socket.
static void take(struct connection *c, const char *p, size_t n, uint64_t now) {
    uint32_t generation = c->generation;
    while (n || (c->phase == PHASE_BODY && c->left == 0)) {
        switch (c->phase) {
        case PHASE_FREE: return disconnect(c, true);  // bytes nobody asked for
        case PHASE_HEAD: {
            bool has_rest = bytes_count(&c->in) != 0;
            size_t before = bytes_count(&c->in);
            if (has_rest) bytes_append(&c->in, p, n);
            ssize_t head = take_head(c, has_rest ? c->in.p + c->in.start : p, before + n);
            if (head < 0) return;
            if (head == 0) {
                if (!has_rest) bytes_append(&c->in, p, n);
                return;
            }
            c->in.start = c->in.end = 0;
            p += (size_t)head - before;
            n -= (size_t)head - before;
            break;
        }
        case PHASE_BODY: {
            if (!c->has_first_byte) note_first_byte(c, now);
            size_t part = n < c->left ? n : (size_t)c->left;
            take_body(c, p, part, now);
            c->left -= part;
            p += part;
            n -= part;
            if (c->left) break;
            if (n) c->closes = true;
            return complete(c, now);
        }
        case PHASE_CHUNKS: {
            size_t used = 0;
            struct span data;
            enum chunk_event e = chunked_next(&c->chunks, p, n, &used, &data);
            if (e == CHUNKS_BAD) return fail(c, FAILURE_MALFORMED);
            if (e == CHUNKS_DATA) {
                if (!c->has_first_byte) note_first_byte(c, now);
                take_body(c, data.p, data.n, now);
            }
            p += used;
            n -= used;
            if (e != CHUNKS_END) break;
            if (n) c->closes = true;
            return complete(c, now);
        }
        case PHASE_UNTIL_CLOSE:
            if (!c->has_first_byte) note_first_byte(c, now);
            take_body(c, p, n, now);
            return;
        }
        if (c->generation != generation) return;
    }
}

static void end_of_input(struct connection *c) {
    if (c->phase == PHASE_FREE) return disconnect(c, false);
    c->closes = true;
    // Without framing nothing tells a whole body from a cut one but the event that ends a stream.
    if (c->phase == PHASE_UNTIL_CLOSE && (options.request.stream || options.expected_bytes >= 0))
        return complete(c, clock_ns());
    fail(c, FAILURE_CUT_SHORT);
}

static void handle(struct connection *c, uint32_t flags) {
    uint32_t generation = c->generation;
    if (flags & EPOLLRDHUP) c->hung_up = true;
    if (flags & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) c->readable = true;
    while (bytes_count(&c->out)) {
        ssize_t n = send(c->fd, c->out.p + c->out.start, bytes_count(&c->out), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) break;
            return fail(c, errno == ECONNREFUSED ? FAILURE_CONNECT : FAILURE_CUT_SHORT);
        }
        c->out.start += (size_t)n;
    }
    if (c->out.p && bytes_count(&c->out) == 0) bytes_free(&c->out);
    while (c->readable && c->generation == generation) {
        ssize_t n = recv(c->fd, scratch, sizeof scratch, 0);
        if (n < 0 && errno == EAGAIN) {
            c->readable = false;
            return;
        }
        if (n <= 0) return end_of_input(c);
        bytes_in += (uint64_t)n;
        if ((size_t)n < sizeof scratch && !c->hung_up) c->readable = false;
        take(c, scratch, (size_t)n, clock_ns());
    }
}

// MARK: the run

/// Starts what is due. Returns nanoseconds until something else will be.
static uint64_t dispatch(uint64_t now) {
    double gap = options.ramp_ms * 1e6 / options.connections;
    if (!options.is_open_loop) {
        while (started_connections < options.connections && may_issue(now)) {
            uint64_t due = begin_ns + (uint64_t)(gap * started_connections);
            if (due > now) return due - now;
            begin_exchange(&connections[started_connections++], 0);
        }
        return 1000000000;
    }
    while (may_issue(now)) {
        uint64_t due = next_due_ns();
        if (due > now) return due - now;
        if (!free_count) break;
        begin_exchange(&connections[free_connections[--free_count]], due);
    }
    return 1000000000;
}

static void run(void) {
    struct epoll_event ready[MOST_EVENTS];
    bool said_holding = false;
    uint64_t grace_ns = (uint64_t)(options.grace_s * 1e9);
    begin_ns = clock_ns();
    end_ns = begin_ns + (uint64_t)(options.duration_s * 1e9);
    for (uint64_t now; (now = clock_ns()) < end_ns + grace_ns;) {
        uint64_t wait_ns = dispatch(now);
        bool no_more = !may_issue(now);
        // Holding is for all the streams or for none: the first that fails ends it.
        if (options.hold ? stopped || now >= end_ns || failure_count : no_more && !in_flight) break;
        if (!no_more && now < end_ns && end_ns - now < wait_ns) wait_ns = end_ns - now;
        struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
        int n = epoll_pwait2(epoll_fd, ready, MOST_EVENTS, &wait, NULL);
        for (int i = 0; i < n; i++) {
            struct connection *c = &connections[ready[i].data.u64 & UINT32_MAX];
            if (c->fd >= 0 && c->generation == ready[i].data.u64 >> 32) handle(c, ready[i].events);
        }
        if (options.hold && !said_holding && held == options.connections) {
            printf("holding %u\n", held);
            fflush(stdout);
            said_holding = true;
        }
    }
    for (uint32_t i = 0; i < options.connections; i++)
        if (connections[i].phase != PHASE_FREE && !options.hold) {
            failures[FAILURE_UNFINISHED]++;
            failure_count++;
        }
    if (options.hold && held != options.connections) {
        failures[FAILURE_UNFINISHED] += options.connections - held;
        failure_count += options.connections - held;
    }
    // Requests that were due and found no free connection until the end count as failed: they got no answer.
    if (options.is_open_loop && !stopped) {
        uint64_t due = (uint64_t)(options.duration_s * options.rate);
        if (options.requests && options.requests < due) due = options.requests;
        if (due > issued) {
            failures[FAILURE_UNFINISHED] += due - issued;
            failure_count += due - issued;
        }
    }
}

// MARK: report

static void print_histogram(const char *name, const struct histogram *h) {
    if (!h->count) return;
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
    printf(",\"%s_us\":{\"count\":%llu,\"mean\":%.1f", name, (unsigned long long)h->count,
           (double)h->sum / (double)h->count / 1e3);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        printf(",\"%s\":%.1f", quantiles[i].name, histogram_quantile(h, quantiles[i].share) / 1e3);
    printf(",\"max\":%.1f}", (double)h->most / 1e3);
}

static void report(void) {
    double seconds = (double)(clock_ns() - begin_ns) / 1e9;
    printf("{\"mode\":\"%s\",\"connections\":%u,\"seconds\":%.3f,\"issued\":%llu,\"requests\":%llu,\"rate\":%.1f,"
           "\"connects\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,\"body_bytes\":%llu,\"events\":%llu,\"held\":%u",
           options.hold       ? "hold"
           : options.request.close   ? "connect"
           : options.request.stream  ? "stream"
           : options.is_open_loop     ? "open"
                              : "closed",
           options.connections, seconds, (unsigned long long)issued, (unsigned long long)completed,
           (double)completed / seconds, (unsigned long long)connects, (unsigned long long)bytes_in,
           (unsigned long long)bytes_out, (unsigned long long)body_bytes, (unsigned long long)events, held);
    print_histogram("latency", &latency);
    print_histogram("first_byte", &first_byte);
    print_histogram("chunk_delay", &chunk_delay);
    printf(",\"errors\":%llu,\"error_kinds\":{", (unsigned long long)failure_count);
    const char *comma = "";
    for (int i = 0; i < FAILURE_KINDS; i++)
        if (failures[i]) printf("%s\"%s\":%llu", comma, failure_names[i], (unsigned long long)failures[i]), comma = ",";
    printf("},\"statuses\":{");
    comma = "";
    for (int i = 0; i < 600; i++)
        if (statuses[i]) printf("%s\"%d\":%llu", comma, i, (unsigned long long)statuses[i]), comma = ",";
    printf("}}\n");
}

static void stop(int number) {
    (void)number;
    stopped = 1;
}

int main(int argc, char **argv) {
    options_read(&options, argc, argv);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (raise_descriptor_limit(options.connections + 64) < options.connections + 16)
        die("loadgen: the system grants too few descriptors for %u connections", options.connections);
    request_build(&request, &options.request);
    target = ipv4_address(options.request.host, options.request.port);
    connections = calloc(options.connections, sizeof *connections);
    free_connections = calloc(options.connections, sizeof *free_connections);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || !free_connections || epoll_fd < 0) die("loadgen: cannot start");
    for (uint32_t i = 0; i < options.connections; i++) {
        connections[i].fd = -1;
        if (options.is_open_loop) free_connections[free_count++] = options.connections - 1 - i;
    }
    run();
    report();
    return failure_count ? 1 : 0;
}
