// soak-peer: both sides of bench/soak. As an upstream it answers as the path says, well or badly; as a client it asks
// for all of that, checks what comes and counts. A thread a connection: simple, and enough for a hundred connections.
//
//   soak-peer upstream PORT...                       until SIGTERM; then one line of JSON: requests by kind
//   soak-peer client PORT KEY REQUESTS SECONDS CONNECTIONS SEED
//                                                    until either is reached; one line of JSON: what was sent and seen

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// What is asked for: the path's last part, the prefix of its route, how often of 1000, what the client must see.
// ANY: what failover makes of it; kinds of the prefix "llm" go to a provider, by their model.
enum seen { WHOLE, CUT, LEFT, ANY };
static const struct kind {
    const char *name, *prefix;
    int share, status;
    enum seen seen;
} kinds[] = {
    {"ok", "good", 450, 200, WHOLE},
    {"pipelined", "good", 200, 200, WHOLE},
    {"chunked", "good", 70, 200, WHOLE},
    {"events", "good", 50, 200, WHOLE},
    {"big", "good", 8, 200, WHOLE},
    {"slow", "good", 4, 200, WHOLE},
    {"e500", "good", 20, 500, WHOLE},
    {"extra", "extra", 8, 200, WHOLE},
    {"cut", "good", 8, 200, CUT},
    {"cut-chunked", "good", 8, 200, CUT},
    {"bad-chunk", "good", 8, 200, CUT},
    {"stall", "good", 8, 200, LEFT},
    {"leave", "good", 8, 200, LEFT},
    {"reset", "bad", 8, 502, WHOLE},
    {"close", "bad", 8, 502, WHOLE},
    {"half-head", "bad", 4, 502, WHOLE},
    {"garbage", "bad", 4, 502, WHOLE},
    {"hang", "hang", 1, 504, WHOLE},
    {"refused", "refused", 3, 502, WHOLE},
    {"unknown", "nowhere", 4, 404, WHOLE},
    {"wrong-key", "good", 4, 401, WHOLE},
    {"malformed", "good", 4, 400, WHOLE},
    {"p-json", "llm", 50, 200, ANY},
    {"p-stream", "llm", 46, 200, ANY},
    {"p-limited", "llm", 2, 200, ANY},
    {"p-failing", "llm", 2, 200, ANY},
    {"p-cut", "llm", 10, 200, ANY},
};
enum { KINDS = sizeof kinds / sizeof *kinds, BIG = 300000, MOST_STATUS = 600 };

static _Atomic uint64_t received[KINDS];
// What whole answers of the provider said they used; streams that were cut after content; answers 429 and 500.
static _Atomic uint64_t answers, prompt_tokens, completion_tokens, streams_cut, limited, failed;
static const char json[] = "{\"id\":\"1\",\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"Hello\"}}]}";
static char big[BIG];

static void die(const char *what) {
    perror(what);
    exit(2);
}

// A connection with what was read ahead.
struct line {
    int fd;
    size_t begin, end;
    char data[16384];
};

static bool fill(struct line *l) {
    if (l->begin == l->end) l->begin = l->end = 0;
    if (l->end == sizeof l->data) {
        memmove(l->data, l->data + l->begin, l->end - l->begin);
        l->end -= l->begin, l->begin = 0;
        if (l->end == sizeof l->data) return false;
    }
    ssize_t n;
    do n = recv(l->fd, l->data + l->end, sizeof l->data - l->end, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0) return false;
    l->end += (size_t)n;
    return true;
}

static bool put(int fd, const void *data, size_t n) {
    const char *p = data;
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        p += sent, n -= (size_t)sent;
    }
    return true;
}

static bool puts_to(int fd, const char *text) { return put(fd, text, strlen(text)); }

/// Takes a head up to its empty line; its length, 0 if the connection ends before.
static size_t read_head(struct line *l, char *head, size_t room) {
    size_t looked = 0;
    while (true) {
        char *p = l->data + l->begin;
        size_t n = l->end - l->begin;
        char *end = n >= 4 ? memmem(p + looked, n - looked, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t length = (size_t)(end - p) + 4;
            if (length >= room) return 0;
            memcpy(head, p, length);
            head[length] = 0;
            l->begin += length;
            return length;
        }
        looked = n > 3 ? n - 3 : 0;
        if (!fill(l)) return 0;
    }
}

static bool skip(struct line *l, uint64_t n) {
    while (n) {
        if (l->begin == l->end && !fill(l)) return false;
        size_t here = l->end - l->begin;
        if (here > n) here = (size_t)n;
        l->begin += here, n -= here;
    }
    return true;
}

/// Takes a body that is shorter than the room.
static bool take(struct line *l, uint64_t n, char *out, size_t room) {
    if (n >= room) return false;
    size_t got = 0;
    while (got < n) {
        if (l->begin == l->end && !fill(l)) return false;
        size_t here = l->end - l->begin;
        if (here > n - got) here = (size_t)n - got;
        memcpy(out + got, l->data + l->begin, here);
        l->begin += here, got += here;
    }
    out[got] = 0;
    return true;
}

/// A header's value in a head; NULL if there is none.
static const char *header(const char *head, const char *name) {
    size_t n = strlen(name);
    for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n")) {
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':') return p + 3 + n + strspn(p + 3 + n, " ");
    }
    return NULL;
}

static void nap(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static void reset(int fd) { setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)); }

static void wait_gone(int fd) {
    struct pollfd p = {fd, POLLRDHUP, 0};
    poll(&p, 1, 60000);
}

// MARK: upstream

/// Answers one request; false if the connection is to be closed.
static bool answer(int fd, const char *kind) {
    char text[512];
    if (!strcmp(kind, "ok") || !strcmp(kind, "pipelined") || !strcmp(kind, "leave") || !strcmp(kind, "extra")) {
        int n = snprintf(text, sizeof text,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(json), json);
        if (!put(fd, text, (size_t)n)) return false;
        // Bytes nobody asked for: never anybody's answer.
        return strcmp(kind, "extra") ? true : puts_to(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!");
    }
    if (!strcmp(kind, "chunked")) {
        return puts_to(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n")
            && puts_to(fd, "6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n");
    }
    bool stalls = !strcmp(kind, "stall");
    if (stalls || !strcmp(kind, "events")) {
        if (!puts_to(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")) return false;
        for (int i = 0; i < 5; i++) {
            if (!puts_to(fd, "18\r\ndata: {\"choices\":[{}]}\n\n\r\n")) return false;
            if (stalls) return wait_gone(fd), false;
            if (i == 2) nap(2);
        }
        return puts_to(fd, "0\r\n\r\n");
    }
    if (!strcmp(kind, "big")) {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG);
        return puts_to(fd, text) && put(fd, big, BIG);
    }
    if (!strcmp(kind, "slow")) {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nabcdefghijklmnopqrst");
        for (const char *p = text; *p; p++) {
            if (!put(fd, p, 1)) return false;
            if ((p - text) % 16 == 0) nap(1);
        }
        return true;
    }
    if (!strcmp(kind, "e500")) return puts_to(fd, "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno");
    if (!strcmp(kind, "cut")) puts_to(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this");
    if (!strcmp(kind, "cut-chunked")) puts_to(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe");
    if (!strcmp(kind, "bad-chunk")) puts_to(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
    if (!strcmp(kind, "half-head")) puts_to(fd, "HTTP/1.1 200 OK\r\nContent-Le");
    if (!strcmp(kind, "garbage")) puts_to(fd, "\1\2 no HTTP\r\n\r\n");
    if (!strcmp(kind, "reset")) reset(fd);
    if (!strcmp(kind, "hang")) wait_gone(fd);
    return false;
}

static bool put_json(int fd, const char *status, const char *body) {
    char text[1024];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        status, strlen(body), body);
    return put(fd, text, (size_t)n);
}

/// Answers as a provider does. Of its two keys the first one has the faults.
static bool answer_llm(int fd, const char *kind, const char *head, const char *body) {
    char text[1024];
    const char *key = header(head, "authorization");
    bool first = key && strstr(key, "sk-soak-first");
    if (first && !strcmp(kind, "p-limited")) {
        limited++;
        return put_json(fd, "429 No\r\nRetry-After: 1", "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\"}}");
    }
    if (first && !strcmp(kind, "p-failing")) {
        failed++;
        return put_json(fd, "500 Oh", "{\"error\":{\"message\":\"oh no\",\"type\":\"server_error\"}}");
    }
    bool cut = !strcmp(kind, "p-cut"), asked = strstr(body, "include_usage") != NULL;
    uint64_t number = cut ? streams_cut++ : answers++, prompt = 7 + number % 5, completion = 3 + number % 11;
    if (!cut) {
        prompt_tokens += prompt;
        completion_tokens += completion;
    }
    char usage[128];
    snprintf(usage, sizeof usage, "\"usage\":{\"prompt_tokens\":%lu,\"completion_tokens\":%lu,\"total_tokens\":%lu}",
        (unsigned long)prompt, (unsigned long)completion, (unsigned long)(prompt + completion));
    if (!cut && strcmp(kind, "p-stream")) {
        char json_text[512];
        snprintf(json_text, sizeof json_text,
            "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"soak-model\",\"choices\":[{\"index\":0,\"message\":"
            "{\"role\":\"assistant\",\"content\":\"Hello\"},\"finish_reason\":\"stop\"}],%s}", usage);
        return put_json(fd, "200 OK", json_text);
    }
    if (!puts_to(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")) return false;
    for (int i = 0; i < 5; i++) {
        const char *end = i == 3 ? "\"stop\"" : "null";
        char event[512];
        int n = i < 4 ? snprintf(event, sizeof event,
                            "data: {\"object\":\"chat.completion.chunk\",\"model\":\"soak-model\",\"choices\":[{\"index\":0,"
                            "\"delta\":{\"content\":\"word\"},\"finish_reason\":%s}]}\n\n", end)
                      : snprintf(event, sizeof event, "%s%s%sdata: [DONE]\n\n",
                            asked ? "data: {\"object\":\"chat.completion.chunk\",\"model\":\"soak-model\",\"choices\":[]," : "",
                            asked ? usage : "", asked ? "}\n\n" : "");
        n = snprintf(text, sizeof text, "%x\r\n%s\r\n", (unsigned)n, event);
        if (!put(fd, text, (size_t)n)) return false;
        if (i == 1) nap(1);
        if (cut && i == 1) return false;
    }
    return puts_to(fd, "0\r\n\r\n");
}

static void *serve(void *argument) {
    struct line *l = argument;
    char head[8192];
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while (read_head(l, head, sizeof head)) {
        const char *length = header(head, "content-length");
        uint64_t n = length ? strtoull(length, NULL, 10) : 0;
        char kind[32] = "", body[1024] = "";
        // A provider's request says in its body what it asks for: its path and headers are the gateway's.
        bool llm = !strncmp(head, "POST /v1/chat/", 14);
        if (llm ? !take(l, n, body, sizeof body) : !skip(l, n)) break;
        const char *name = llm ? strstr(body, "kind:") : NULL;
        if (name) sscanf(name, "kind:%31[a-z-]", kind);
        if (!llm) sscanf(head, "%*s /%*[a-z]/%31[a-z0-9-]", kind);
        for (int i = 0; i < KINDS; i++) received[i] += !strcmp(kind, kinds[i].name);
        if (llm) {
            if (!answer_llm(l->fd, kind, head, body)) break;
            continue;
        }
        if (!answer(l->fd, kind)) break;
    }
    close(l->fd);
    free(l);
    return NULL;
}

static __attribute__((noreturn)) void *listen_on(void *argument) {
    int fd = *(int *)argument;
    while (true) {
        int peer = accept(fd, NULL, NULL);
        if (peer < 0) continue;
        struct line *l = calloc(1, sizeof *l);
        l->fd = peer;
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, l)) die("thread");
        pthread_detach(thread);
    }
}

static int upstream(int count, char **ports) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    static int fds[8];
    for (int i = 0; i < count && i < 8; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(ports[i]))};
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (bind(fds[i], (struct sockaddr *)&at, sizeof at) || listen(fds[i], 1024)) die("listen");
        pthread_t thread;
        if (pthread_create(&thread, NULL, listen_on, &fds[i])) die("thread");
    }
    puts("ready");
    fflush(stdout);
    int signal;
    sigwait(&ends, &signal);
    printf("{");
    for (int i = 0; i < KINDS; i++) printf("%s\"%s\": %lu", i ? ", " : "", kinds[i].name, (unsigned long)received[i]);
    printf(", \"llm\": {\"answers\": %lu, \"prompt\": %lu, \"completion\": %lu, \"cut\": %lu, \"limited\": %lu, \"failed\": %lu}}\n",
        (unsigned long)answers, (unsigned long)prompt_tokens, (unsigned long)completion_tokens,
        (unsigned long)streams_cut, (unsigned long)limited, (unsigned long)failed);
    return 0;
}

// MARK: client

static struct {
    struct sockaddr_in address;
    const char *key;
    uint64_t requests, deadline_ms, seed;
} load;
static _Atomic uint64_t begun, sent[KINDS], by_status[MOST_STATUS], llm_status[MOST_STATUS], odd[KINDS], retried_here, cancelled;

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static int dial(struct line *l) {
    l->begin = l->end = 0;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){30, 0}, sizeof(struct timeval));
    if (connect(l->fd, (struct sockaddr *)&load.address, sizeof load.address)) die("connect to the gateway");
    return l->fd;
}

static size_t compose(char *out, size_t room, const struct kind *kind) {
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"Say hello, soak.\"}],\"model\":\"m\"}";
    if (!strcmp(kind->prefix, "llm")) {
        char text[256];
        bool streams = !strcmp(kind->name, "p-stream") || !strcmp(kind->name, "p-cut");
        int n = snprintf(text, sizeof text,
            "{\"model\":\"soak-model\",\"max_tokens\":20,%s\"messages\":[{\"role\":\"user\",\"content\":\"kind:%s.\"}]}",
            streams ? "\"stream\":true," : "", kind->name);
        return (size_t)snprintf(out, room,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: soak.test\r\nAuthorization: Bearer %s\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", load.key, n, text);
    }
    bool wrong = !strcmp(kind->name, "wrong-key"), malformed = !strcmp(kind->name, "malformed");
    return (size_t)snprintf(out, room,
        "POST /%s/%s HTTP/1.1\r\nHost: soak.test\r\nAuthorization: Bearer %s\r\n%sContent-Length: %zu\r\n\r\n%s",
        kind->prefix, kind->name, wrong ? "fg_wrong" : load.key, malformed ? "No Colon\r\n" : "", sizeof body - 1, body);
}

/// Reads an answer's body; false if it broke off. `most`: bytes after which it is left.
static bool read_body(struct line *l, const char *head, bool leaves) {
    const char *length = header(head, "content-length");
    if (length) {
        uint64_t n = strtoull(length, NULL, 10);
        return leaves ? skip(l, n > 8 ? 8 : n) : skip(l, n);
    }
    if (!header(head, "transfer-encoding")) return false;
    while (true) {
        char *end;
        while (!(end = memmem(l->data + l->begin, l->end - l->begin, "\r\n", 2))) if (!fill(l)) return false;
        uint64_t n = strtoull(l->data + l->begin, NULL, 16);
        l->begin = (size_t)(end - l->data) + 2;
        if (n == 0) break;
        if (leaves) return skip(l, 1);
        if (!skip(l, n + 2)) return false;
    }
    while (true) {  // trailers
        char *end;
        while (!(end = memmem(l->data + l->begin, l->end - l->begin, "\r\n", 2))) if (!fill(l)) return false;
        bool last = end == l->data + l->begin;
        l->begin = (size_t)(end - l->data) + 2;
        if (last) return true;
    }
}

/// One request of a kind, or several at once. False if the connection is of no more use.
static bool ask(struct line *l, int k, uint64_t *random) {
    const struct kind *kind = &kinds[k];
    char text[8192], head[8192];
    int many = strcmp(kind->name, "pipelined") ? 1 : 2 + (int)(next(random) % 3);
    size_t n = 0;
    for (int i = 0; i < many; i++) n += compose(text + n, sizeof text - n, kind);
    if (!put(l->fd, text, n)) {
        // Closed while it was idle, as a server may: nothing was taken of it.
        retried_here++;
        return false;
    }
    for (int i = 0; i < many; i++) {
        if (!read_head(l, head, sizeof head)) {
            odd[k]++;
            fprintf(stderr, "%s: no answer\n", kind->name);
            return false;
        }
        sent[k]++;
        int status = atoi(head + 9);
        by_status[status > 0 && status < MOST_STATUS ? status : 0]++;
        if (kind->seen == ANY) llm_status[status > 0 && status < MOST_STATUS ? status : 0]++;
        bool leaves = kind->seen == LEFT, whole = read_body(l, head, leaves);
        if (leaves && status == 200) {
            // Gone in the middle: the gateway records 499 if it had not sent all of it.
            cancelled++;
            if (next(random) & 1) reset(l->fd);
            return false;
        }
        if (kind->seen != ANY && (status != kind->status || whole != (kind->seen != CUT))) {
            odd[k]++;
            fprintf(stderr, "%s: status %d, %s\n", kind->name, status, whole ? "whole" : "cut");
        }
        if (!whole) return false;
        const char *connection = header(head, "connection");
        if (connection && !strncasecmp(connection, "close", 5)) return false;
    }
    return next(random) % 200 != 0;  // a new connection now and then
}

static void *drive(void *argument) {
    uint64_t random = load.seed * 1000 + (uint64_t)(uintptr_t)argument;
    struct line *l = calloc(1, sizeof *l);
    dial(l);
    while (now_ms() < load.deadline_ms && atomic_fetch_add(&begun, 1) < load.requests) {
        int pick = (int)(next(&random) % 1000), k = 0;
        while (pick >= kinds[k].share && k < KINDS - 1) pick -= kinds[k++].share;
        if (!ask(l, k, &random)) {
            close(l->fd);
            dial(l);
        }
    }
    close(l->fd);
    free(l);
    return NULL;
}

static void print_statuses(const char *before, _Atomic uint64_t *counts) {
    printf("%s", before);
    bool first = true;
    for (int i = 0; i < MOST_STATUS; i++) {
        if (!counts[i]) continue;
        printf("%s\"%d\": %lu", first ? "" : ", ", i, (unsigned long)counts[i]);
        first = false;
    }
}

static int client(char **arguments) {
    load.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(arguments[0]))};
    load.key = arguments[1];
    load.requests = strtoull(arguments[2], NULL, 10);
    load.deadline_ms = now_ms() + strtoull(arguments[3], NULL, 10) * 1000;
    int count = atoi(arguments[4]);
    load.seed = strtoull(arguments[5], NULL, 10);
    pthread_t threads[1024];
    for (int i = 0; i < count && i < 1024; i++)
        if (pthread_create(&threads[i], NULL, drive, (void *)(uintptr_t)i)) die("thread");
    for (int i = 0; i < count && i < 1024; i++) pthread_join(threads[i], NULL);
    uint64_t all = 0, odds = 0;
    printf("{\"sent\": {");
    for (int i = 0; i < KINDS; i++) {
        printf("%s\"%s\": %lu", i ? ", " : "", kinds[i].name, (unsigned long)sent[i]);
        all += sent[i], odds += odd[i];
    }
    print_statuses("}, \"status\": {", by_status);
    print_statuses("}, \"llm\": {", llm_status);
    printf("}, \"answered\": %lu, \"left\": %lu, \"unsent\": %lu, \"odd\": %lu}\n", (unsigned long)all,
        (unsigned long)cancelled, (unsigned long)retried_here, (unsigned long)odds);
    return odds != 0;
}

int main(int count, char **arguments) {
    memset(big, 'b', sizeof big);
    signal(SIGPIPE, SIG_IGN);
    if (count >= 3 && !strcmp(arguments[1], "upstream")) return upstream(count - 2, arguments + 2);
    if (count == 8 && !strcmp(arguments[1], "client")) return client(arguments + 2);
    fputs("usage: soak-peer upstream PORT...\n       soak-peer client PORT KEY REQUESTS SECONDS CONNECTIONS SEED\n", stderr);
    return 2;
}
