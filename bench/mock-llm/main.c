// mock-llm: an LLM service without a model, for comparisons and demonstrations. One thread, one epoll.
//
// It answers the OpenAI and Anthropic endpoints with fixed prose, as JSON or as an event stream at a set pace,
// and is made to cost little, since in a comparison it shares a core with the load generator.
// With the request header `x-mock-timestamps: 1` each event carries the time of its sending (CLOCK_MONOTONIC).

#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>

#include "../common/http.h"
#include "../common/net.h"
#include "answers.h"
#include "body_scan.h"
#include "wheel.h"

enum {
    MOST_CONNECTIONS = 65536,
    MOST_EVENTS = 512,
    SCRATCH_BYTES = 256 * 1024,
    MOST_HEAD_BYTES = 64 * 1024,
    MOST_ECHO_BYTES = 1 << 30,
    BLOB_BYTES = 1 << 20,  // sent over and over for larger blobs
};

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_WAIT, PHASE_STREAM, PHASE_BLOB };

struct connection {
    struct timer timer;  // first: timers are cast back
    int fd;
    uint32_t generation;
    enum phase phase;
    bool readable, hung_up, keep_alive, closing, is_http10, has_length, is_head;
    bool reads_chunks;
    const char *status, *error;  // set: the request is refused, once its body was read
    struct chunked chunks;
    uint64_t left;         // of the body that is read, or of the blob that is written
    uint64_t due_ns;       // when the next step of the stream is due
    uint32_t step;
    struct answer answer;
    struct body_scan scan;
    struct bytes in, out, echo;
};

static struct {
    const char *host;
    uint16_t port;
    uint64_t gap_ns, first_byte_ns;
    bool quiet;
    struct answer_settings answers;
} options = {"127.0.0.1", 8600, 20000000, 0, false, {60, 600, USAGE_ALWAYS}};

static int epoll_fd;
static struct connection *connections;
static uint32_t free_list[MOST_CONNECTIONS], free_count, used_count;
static struct wheel wheel;
static char scratch[SCRATCH_BYTES], *blob;
static struct bytes work, event;
static uint64_t next_id = 1;
static char date_line[64];
static time_t date_second;

static void pump(struct connection *c);

// MARK: connections

static bool is_busy(const struct connection *c) { return c->phase > PHASE_BODY || bytes_count(&c->out); }

static void hang_up(struct connection *c) {
    close(c->fd);  // epoll forgets it
    wheel_cancel(&wheel, &c->timer);
    bytes_free(&c->in);
    bytes_free(&c->out);
    bytes_free(&c->echo);
    c->fd = -1;
    c->generation++;
    free_list[free_count++] = (uint32_t)(c - connections);
}

/// Sends now what the kernel takes and keeps the rest. False: the connection is gone.
static bool send_bytes(struct connection *c, const char *p, size_t n) {
    if (bytes_count(&c->out) == 0) {
        ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return hang_up(c), false;
            sent = 0;
        }
        p += sent;
        n -= (size_t)sent;
    }
    if (n) bytes_append(&c->out, p, n);
    return true;
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                fprintf(stderr, "mock-llm: no descriptor left for a connection\n");
                usleep(10000);
            }
            return;
        }
        if (!free_count && used_count == MOST_CONNECTIONS) {
            close(fd);
            continue;
        }
        uint32_t i = free_count ? free_list[--free_count] : used_count++;
        struct connection *c = &connections[i];
        *c = (struct connection){.fd = fd, .generation = c->generation};
        struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.u64 = (uint64_t)c->generation << 32 | i}};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) hang_up(c);
    }
}

// MARK: answers

static const char *date_header(void) {
    time_t now = time(NULL);
    if (now != date_second) {
        struct tm t;
        date_second = now;
        strftime(date_line, sizeof date_line, "date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&now, &t));
    }
    return date_line;
}

static void put_head(struct bytes *out, struct connection *c, const char *status, const char *type) {
    put(out, "HTTP/1.1 ");
    put(out, status);
    put(out, "\r\nserver: mock-llm\r\n");
    put(out, date_header());
    put(out, "content-type: ");
    put(out, type);
    if (!c->keep_alive) put(out, "\r\nconnection: close");
    else if (c->is_http10) put(out, "\r\nconnection: keep-alive");
}

/// The exchange is over as far as the mock is concerned; the caller goes on with the next request, if any.
/// False: the connection is gone.
static bool finish(struct connection *c) {
    c->phase = PHASE_HEAD;
    if (c->keep_alive) return true;
    c->closing = true;
    if (bytes_count(&c->out) == 0) return hang_up(c), false;
    return true;
}

static bool answer_with(struct connection *c, const char *status, const char *type, const char *p, size_t n) {
    work.end = 0;
    put_head(&work, c, status, type);
    put(&work, "\r\ncontent-length: ");
    put_number(&work, n);
    put(&work, "\r\n\r\n");
    if (!c->is_head) bytes_append(&work, p, n);
    return send_bytes(c, work.p, work.end) && finish(c);
}

/// An error in OpenAI's shape.
static bool answer_error(struct connection *c, const char *status, const char *message) {
    char text[256];
    int n = snprintf(text, sizeof text,
                     "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}",
                     message);
    return answer_with(c, status, "application/json", text, (size_t)n);
}

/// An error after which the framing cannot be relied upon, so the connection ends.
static void refuse(struct connection *c, const char *status, const char *message) {
    c->keep_alive = false;
    answer_error(c, status, message);
}

static bool is_stream(const struct connection *c) {
    return c->scan.stream && (c->answer.endpoint == ENDPOINT_CHAT || c->answer.endpoint == ENDPOINT_COMPLETIONS ||
                              c->answer.endpoint == ENDPOINT_RESPONSES || c->answer.endpoint == ENDPOINT_MESSAGES);
}

/// One step of the stream, with its framing; the head goes with the first. False: the connection is gone.
static bool send_step(struct connection *c) {
    bool is_last = c->step + 1 == stream_steps();
    work.end = event.end = 0;
    if (c->step == 0) {
        put_head(&work, c, "200 OK", "text/event-stream; charset=utf-8");
        put(&work, "\r\ncache-control: no-cache");
        put(&work, c->is_http10 ? "\r\n\r\n" : "\r\ntransfer-encoding: chunked\r\n\r\n");
    }
    stream_step(&event, &c->answer, c->step++);
    if (c->is_http10) {
        bytes_append(&work, event.p, event.end);
    } else {
        put_hex(&work, event.end);
        put(&work, "\r\n");
        bytes_append(&work, event.p, event.end);
        put(&work, is_last ? "\r\n0\r\n\r\n" : "\r\n");
    }
    return send_bytes(c, work.p, work.end) && (!is_last || finish(c));
}

static void schedule(struct connection *c, uint64_t due_ns) {
    c->due_ns = due_ns;
    wheel_schedule(&wheel, &c->timer, (due_ns + 999999) / 1000000);
}

/// Sends the steps that are due. A client that does not read gets no more until it does. False: gone.
static bool go_on_streaming(struct connection *c) {
    while (c->phase == PHASE_STREAM && bytes_count(&c->out) == 0) {
        if (!send_step(c)) return false;
        if (c->phase != PHASE_STREAM || options.gap_ns == 0) continue;
        uint64_t now = clock_ns(), due = c->due_ns + options.gap_ns;
        schedule(c, due > now ? due : now + options.gap_ns);
        break;
    }
    return true;
}

static bool go_on_with_blob(struct connection *c) {
    while (c->left && bytes_count(&c->out) == 0) {
        ssize_t n = send(c->fd, blob, c->left < BLOB_BYTES ? c->left : BLOB_BYTES, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) return true;
            return hang_up(c), false;
        }
        c->left -= (uint64_t)n;
    }
    return c->left ? true : finish(c);
}

/// The time for the first byte has come. False: the connection is gone.
static bool begin_answer(struct connection *c) {
    if (is_stream(c)) {
        c->phase = PHASE_STREAM;
        c->step = 0;
        c->due_ns = clock_ns();
        return go_on_streaming(c);
    }
    if (c->answer.endpoint == ENDPOINT_BLOB) {
        work.end = 0;
        put_head(&work, c, "200 OK", "application/octet-stream");
        put(&work, "\r\ncontent-length: ");
        put_number(&work, c->left);
        put(&work, "\r\n\r\n");
        c->phase = PHASE_BLOB;
        if (c->is_head) c->left = 0;
        return send_bytes(c, work.p, work.end) && go_on_with_blob(c);
    }
    if (c->answer.endpoint == ENDPOINT_ECHO) {
        bool sent = answer_with(c, "200 OK", "application/octet-stream", c->echo.p, c->echo.end);
        if (sent) bytes_free(&c->echo);
        return sent;
    }
    event.end = 0;
    answer_json(&event, &c->answer, &c->scan);
    return answer_with(c, "200 OK", c->answer.endpoint == ENDPOINT_WELCOME ? "text/plain" : "application/json",
                       event.p, event.end);
}

/// The request is here, body and all. False: the connection is gone.
static bool request_complete(struct connection *c) {
    struct answer *a = &c->answer;
    if (c->error) {
        if (!options.quiet) fprintf(stderr, "%s: %s\n", c->status, c->error);
        return answer_error(c, c->status, c->error);
    }
    a->model = c->scan.model_length && !c->scan.capturing_model ? c->scan.model : "mock-model";
    a->model_length = c->scan.model_length && !c->scan.capturing_model ? c->scan.model_length : 10;
    a->prompt_tokens = (uint32_t)(c->scan.bytes / 4 + 1);
    a->id = next_id++;
    a->created = (uint64_t)time(NULL);
    a->usage = options.answers.usage == USAGE_ALWAYS ||
               (options.answers.usage == USAGE_ASKED && c->scan.includes_usage);
    if (!options.quiet)
        fprintf(stderr, "%s model=%.*s request=%llu bytes%s\n",
                (const char *const[]){"chat", "completions", "embeddings", "responses", "messages", "models",
                                      "health", "welcome", "echo", "blob"}[a->endpoint],
                (int)a->model_length, a->model, (unsigned long long)c->scan.bytes, is_stream(c) ? " stream" : "");
    if (options.first_byte_ns && a->endpoint <= ENDPOINT_MESSAGES) {
        c->phase = PHASE_WAIT;
        schedule(c, clock_ns() + options.first_byte_ns);
        return true;
    }
    return begin_answer(c);
}

static void timer_fired(struct timer *t) {
    struct connection *c = (struct connection *)t;
    if (c->phase == PHASE_WAIT ? !begin_answer(c) : !go_on_streaming(c)) return;
    if (!is_busy(c)) pump(c);
}

// MARK: requests

static bool find_endpoint(struct connection *c, const struct http_head *h) {
    struct span path = h->target, query = {0};
    const char *mark = memchr(path.p, '?', path.n);
    if (mark) {
        query = (struct span){mark + 1, path.n - (size_t)(mark + 1 - path.p)};
        path.n = (size_t)(mark - path.p);
    }
    // Whatever comes before the last /v1/ is taken for a prefix that somebody put in front of the API.
    for (size_t i = path.n >= 4 ? path.n - 4 : 0; i > 0; i--)
        if (memcmp(path.p + i, "/v1/", 4) == 0) {
            path.p += i;
            path.n -= i;
            break;
        }
    static const struct {
        const char *path;
        enum endpoint endpoint;
    } paths[] = {
        {"/v1/chat/completions", ENDPOINT_CHAT},   {"/v1/completions", ENDPOINT_COMPLETIONS},
        {"/v1/embeddings", ENDPOINT_EMBEDDINGS},   {"/v1/responses", ENDPOINT_RESPONSES},
        {"/v1/messages", ENDPOINT_MESSAGES},       {"/v1/models", ENDPOINT_MODELS},
        {"/health", ENDPOINT_HEALTH},              {"/", ENDPOINT_WELCOME},
        {"/echo", ENDPOINT_ECHO},                  {"/headers", ENDPOINT_ECHO},
        {"/blob", ENDPOINT_BLOB},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (path.n != strlen(paths[i].path) || memcmp(path.p, paths[i].path, path.n) != 0) continue;
        c->answer.endpoint = paths[i].endpoint;
        if (paths[i].endpoint == ENDPOINT_BLOB) {
            const char *value = memmem(query.p, query.n, "bytes=", 6);
            c->left = 0;
            if (!value) value = "bytes=1048576", query = (struct span){value, 13};
            const char *end = query.p + query.n;
            for (const char *p = value + 6; p < end && *p >= '0' && *p <= '9' && c->left < 1ull << 50; p++)
                c->left = c->left * 10 + (uint64_t)(*p - '0');
        }
        return true;
    }
    return false;
}

/// Takes a head. False: the connection is gone, or refused and not to be read from any more.
static bool take_head(struct connection *c, const char *p, const struct http_head *h) {
    c->keep_alive = http_keeps_alive(h);
    c->is_http10 = h->minor == 0;
    c->is_head = SPAN_IS(h->method, "HEAD");
    c->scan = (struct body_scan){0};
    c->answer = (struct answer){.timestamps = h->timestamps};
    c->echo.start = c->echo.end = 0;
    if (h->unknown_coding) return refuse(c, "501 Not Implemented", "Unknown transfer coding"), false;
    if (h->chunked && h->has_length) return refuse(c, "400 Bad Request", "Two kinds of framing"), false;
    c->reads_chunks = h->chunked;
    c->chunks = (struct chunked){0};
    uint64_t body = h->has_length ? h->content_length : 0;
    c->status = c->error = NULL;
    bool is_known = find_endpoint(c, h);
    bool is_get = SPAN_IS(h->method, "GET") || c->is_head;
    bool takes_get = c->answer.endpoint >= ENDPOINT_MODELS;
    if (!is_known) {
        c->status = "404 Not Found";
        c->error = "No such path";
    } else if (takes_get != is_get && c->answer.endpoint != ENDPOINT_ECHO) {
        c->status = "405 Method Not Allowed";
        c->error = takes_get ? "Use GET" : "Use POST";
    } else if (c->answer.endpoint == ENDPOINT_BLOB && (body || h->chunked)) {
        c->status = "400 Bad Request";
        c->error = "A blob takes no body";
    }
    if (c->answer.endpoint == ENDPOINT_ECHO && memmem(h->target.p, h->target.n, "/headers", 8))
        bytes_append(&c->echo, p, h->length);
    if (c->answer.endpoint == ENDPOINT_ECHO && body > MOST_ECHO_BYTES)
        return refuse(c, "413 Content Too Large", "Too much to echo"), false;
    if (!body && !h->chunked) return request_complete(c);
    if (h->expects_continue && !send_bytes(c, "HTTP/1.1 100 Continue\r\n\r\n", 25)) return false;
    if (!h->chunked) c->left = body;
    c->phase = PHASE_BODY;
    return true;
}

static bool take_body(struct connection *c, const char *p, size_t n) {
    if (c->answer.endpoint == ENDPOINT_ECHO) {
        if (c->echo.end + n > MOST_ECHO_BYTES) return refuse(c, "413 Content Too Large", "Too much to echo"), false;
        bytes_append(&c->echo, p, n);
        c->scan.bytes += n;
    } else {
        body_scan_feed(&c->scan, p, n);
    }
    return true;
}

/// Reads requests out of `p` until they end, one is incomplete or an answer has to be waited for.
/// Returns the bytes taken, or -1: the connection is gone or about to close.
static ssize_t process(struct connection *c, const char *p, size_t n) {
    size_t taken = 0;
    while (taken < n && !is_busy(c)) {
        if (c->closing) return -1;
        if (c->phase == PHASE_HEAD) {
            struct http_head head;
            // An empty line before a request is tolerated (RFC 9112, section 2.2).
            if (n - taken >= 2 && memcmp(p + taken, "\r\n", 2) == 0) taken += 2;
            switch (http_parse_head(p + taken, n - taken, false, &head)) {
            case HTTP_MORE:
                if (n - taken <= MOST_HEAD_BYTES) return (ssize_t)taken;
                refuse(c, "431 Request Header Fields Too Large", "The head is too large");
                return -1;
            case HTTP_BAD: refuse(c, "400 Bad Request", "Not an HTTP/1.1 request"); return -1;
            case HTTP_OK: break;
            }
            if (!take_head(c, p + taken, &head)) return -1;
            taken += head.length;
        } else if (c->reads_chunks) {
            size_t used = 0;
            struct span data;
            enum chunk_event e = chunked_next(&c->chunks, p + taken, n - taken, &used, &data);
            if (e == CHUNKS_BAD) return refuse(c, "400 Bad Request", "Bad chunk"), -1;
            taken += used;
            if (e == CHUNKS_DATA && !take_body(c, data.p, data.n)) return -1;
            if (e == CHUNKS_END) {
                c->phase = PHASE_HEAD;
                if (!request_complete(c)) return -1;
            }
        } else {
            size_t take = n - taken < c->left ? n - taken : (size_t)c->left;
            if (!take_body(c, p + taken, take)) return -1;
            c->left -= take;
            taken += take;
            if (c->left == 0) {
                c->phase = PHASE_HEAD;
                if (!request_complete(c)) return -1;
            }
        }
    }
    return (ssize_t)taken;
}

/// Goes on with whatever there is to read, until the connection is busy or has no more.
static void pump(struct connection *c) {
    uint32_t generation = c->generation;
    if (bytes_count(&c->in) && !is_busy(c)) {
        ssize_t taken = process(c, c->in.p + c->in.start, bytes_count(&c->in));
        if (taken < 0 || c->generation != generation) return;
        c->in.start += (size_t)taken;
        if (bytes_count(&c->in) == 0) bytes_free(&c->in);
    }
    while (c->readable && !is_busy(c) && !c->closing) {
        ssize_t n = recv(c->fd, scratch, sizeof scratch, 0);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) c->readable = false;
            else hang_up(c);
            return;
        }
        // A short read leaves nothing behind, unless the end of the stream is waiting there.
        if ((size_t)n < sizeof scratch && !c->hung_up) c->readable = false;
        bool has_rest = bytes_count(&c->in) != 0;
        if (has_rest) bytes_append(&c->in, scratch, (size_t)n);
        ssize_t taken = has_rest ? process(c, c->in.p + c->in.start, bytes_count(&c->in))
                                 : process(c, scratch, (size_t)n);
        if (taken < 0 || c->generation != generation) return;
        if (has_rest) {
            c->in.start += (size_t)taken;
            if (bytes_count(&c->in) == 0) bytes_free(&c->in);
        } else if (taken < n) {
            bytes_append(&c->in, scratch + taken, (size_t)(n - taken));
        }
    }
}

static void flush(struct connection *c) {
    while (bytes_count(&c->out)) {
        ssize_t n = send(c->fd, c->out.p + c->out.start, bytes_count(&c->out), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) hang_up(c);
            return;
        }
        c->out.start += (size_t)n;
    }
    bytes_free(&c->out);
    if (c->closing) return hang_up(c);
    if (c->phase == PHASE_BLOB && !go_on_with_blob(c)) return;
    if (c->phase == PHASE_STREAM && !c->timer.next && !go_on_streaming(c)) return;
    pump(c);
}

static void handle(struct connection *c, uint32_t events) {
    if (events & (EPOLLERR | EPOLLHUP)) return hang_up(c);
    if (events & EPOLLRDHUP) {
        // A client that hung up in the middle of a stream is not streamed to.
        if (c->phase > PHASE_BODY) return hang_up(c);
        c->hung_up = true;
    }
    if (events & (EPOLLIN | EPOLLRDHUP)) c->readable = true;
    if (events & EPOLLOUT) {
        if (bytes_count(&c->out)) return flush(c);
        if (c->phase == PHASE_BLOB) {
            if (!go_on_with_blob(c)) return;
            if (!is_busy(c)) return pump(c);
        }
    }
    if (c->readable) pump(c);
}

// MARK: main

static const char usage[] =
    "usage: mock-llm [options]\n"
    "  --host ADDRESS      address to listen on (127.0.0.1)\n"
    "  --port N            port to listen on, 0 = a free one (8600)\n"
    "  --chunks N          words of a stream (60)\n"
    "  --gap-ms N          time between them (20)\n"
    "  --first-byte-ms N   time before any answer begins (0)\n"
    "  --bytes N           size of a JSON answer, about (600)\n"
    "  --usage WHEN        usage in OpenAI streams: always, asked or never (always)\n"
    "  --quiet             no line a request\n";

static void read_options(int argc, char **argv) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'},   {"port", 1, 0, 'p'},  {"chunks", 1, 0, 'c'}, {"gap-ms", 1, 0, 'g'},
        {"first-byte-ms", 1, 0, 'f'}, {"bytes", 1, 0, 'b'}, {"usage", 1, 0, 'u'},  {"quiet", 0, 0, 'q'},
        {"help", 0, 0, '?'},   {0},
    };
    for (int o, i; (o = getopt_long(argc, argv, "", known, &i)) != -1;) {
        switch (o) {
        case 'h': options.host = optarg; break;
        case 'p': options.port = (uint16_t)parse_number("--port", optarg, 65535); break;
        case 'c': options.answers.chunks = (uint32_t)parse_number("--chunks", optarg, 1000000); break;
        case 'g': options.gap_ns = parse_number("--gap-ms", optarg, 86400000) * 1000000; break;
        case 'f': options.first_byte_ns = parse_number("--first-byte-ms", optarg, 86400000) * 1000000; break;
        case 'b': options.answers.answer_bytes = (uint32_t)parse_number("--bytes", optarg, 100000000); break;
        case 'u':
            options.answers.usage = strcmp(optarg, "always") == 0  ? USAGE_ALWAYS
                                    : strcmp(optarg, "asked") == 0 ? USAGE_ASKED
                                                                   : USAGE_NEVER;
            break;
        case 'q': options.quiet = true; break;
        default:
            fputs(usage, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
            exit(argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2);
        }
    }
    if (optind < argc) die("mock-llm: unexpected \"%s\"", argv[optind]);
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit(MOST_CONNECTIONS + 64);
    answers_start(&options.answers);
    connections = mmap(NULL, sizeof(struct connection) * MOST_CONNECTIONS, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    blob = malloc(BLOB_BYTES);
    if (connections == MAP_FAILED || !blob) die("mock-llm: out of memory");
    for (size_t i = 0; i < BLOB_BYTES; i++) blob[i] = (char)('a' + i % 26);
    wheel_start(&wheel, clock_ns() / 1000000);

    int listener = listen_on(options.host, &options.port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {EPOLLIN, {.u64 = UINT64_MAX}}, events[MOST_EVENTS];
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e) != 0) die("epoll: %s", strerror(errno));
    printf("listening on %s:%u\n", options.host, options.port);
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(epoll_fd, events, MOST_EVENTS, wheel_timeout_ms(&wheel));
        for (int i = 0; i < n; i++) {
            uint64_t token = events[i].data.u64;
            if (token == UINT64_MAX) {
                accept_all(listener);
                continue;
            }
            struct connection *c = &connections[token & UINT32_MAX];
            if (c->fd >= 0 && c->generation == token >> 32) handle(c, events[i].events);
        }
        wheel_advance(&wheel, clock_ns() / 1000000, timer_fired);
    }
}
