#include "request.h"

#include "../common/http.h"

static char *read_file(const char *path, size_t *count) {
    FILE *f = fopen(path, "rb");
    if (!f) die("%s: %s", path, strerror(errno));
    struct bytes b = {0};
    for (size_t n; (n = fread(bytes_reserve(&b, 65536), 1, 65536, f)) > 0;) b.end += n;
    if (ferror(f)) die("%s: %s", path, strerror(errno));
    fclose(f);
    *count = b.end;
    bytes_append(&b, "", 1);
    return b.p;
}

void variable_read(struct variable *v, const char *option) {
    const char *equals = strchr(option, '=');
    if (!equals || (size_t)(equals - option) >= sizeof v->name) die("--var: NAME=FILE is needed, not \"%s\"", option);
    memcpy(v->name, option, (size_t)(equals - option));
    size_t n;
    char *text = read_file(equals + 1, &n);
    v->values = text;
    for (char *p = text, *to = text; p < text + n;) {
        char *end = memchr(p, '\n', (size_t)(text + n - p));
        if (!end) end = text + n;
        uint32_t length = (uint32_t)(end - p);
        if (length) {
            if (v->count && length != v->length) die("%s: lines of different lengths", equals + 1);
            v->length = length;
            memmove(to, p, length);
            to += length;
            v->count++;
        }
        p = end + 1;
    }
    if (!v->count) die("%s: no lines", equals + 1);
}

// Prompts are prose, so a scanner for quotes and backslashes meets what it would meet in life.
static const char prompt[] =
    "Please read the following notes from our weekly meeting and write a short summary for the colleagues who could "
    "not be there. The team agreed to move the release by one week, since two of the open questions about the new "
    "storage layout need a closer look. Testing on the larger machines begins on Tuesday; whoever has time is asked "
    "to help. The figures of the last month look good: fewer errors, shorter waiting times and more requests a day "
    "than ever before. One customer said \\\"it simply works\\\", and we want to keep it that way.\\n";

/// A chat completion request of exactly `size` bytes if that is enough, in the member order of OpenAI's SDK.
static void put_chat_body(struct bytes *out, uint32_t size, const char *model, bool stream) {
    static const char head[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant. Answer briefly.\"},"
        "{\"role\":\"user\",\"content\":\"";
    struct bytes tail = {0};
    put(&tail, "\"}],\"model\":\"");
    put(&tail, model);
    put(&tail, "\",\"max_tokens\":256");
    if (stream) put(&tail, ",\"stream\":true");
    put(&tail, ",\"temperature\":0.7}");
    size_t start = out->end;
    put(out, head);
    while (out->end - start + tail.end < size) {
        size_t rest = size - (out->end - start) - tail.end;
        if (rest >= sizeof prompt - 1) put(out, prompt);
        else for (; rest; rest--) bytes_append(out, "x", 1);  // never half an escape
    }
    bytes_append(out, tail.p, tail.end);
    bytes_free(&tail);
}

/// Copies `from`, each `{{name}}` replaced by the first value, and notes the places.
static void put_with_places(struct request *r, const char *from, size_t n) {
    for (size_t i = 0; i < n;) {
        const char *open = memmem(from + i, n - i, "{{", 2);
        if (!open) return bytes_append(&r->text, from + i, n - i);
        bytes_append(&r->text, from + i, (size_t)(open - from) - i);
        i = (size_t)(open - from);
        bool found = false;
        for (uint32_t v = 0; v < r->variable_count && !found; v++) {
            size_t m = strlen(r->variables[v].name);
            if (n - i < m + 4 || memcmp(open + 2, r->variables[v].name, m) != 0 || memcmp(open + 2 + m, "}}", 2) != 0)
                continue;
            if (r->place_count == MOST_PLACES) die("more than %d places for variables", MOST_PLACES);
            r->place[r->place_count].offset = r->text.end;
            r->place[r->place_count++].variable = v;
            bytes_append(&r->text, r->variables[v].values, r->variables[v].length);
            i += m + 4;
            found = true;
        }
        if (!found) bytes_append(&r->text, from + i++, 1);
    }
}

void request_build(struct request *r, const struct request_settings *s) {
    *r = (struct request){.variables = s->variables, .variable_count = s->variable_count, .random = 88172645463325252u};
    struct bytes body = {0}, head = {0};
    if (s->body_file) {
        size_t n;
        char *text = read_file(s->body_file, &n);
        bytes_append(&body, text, n);
        free(text);
    } else if (s->has_body) {
        put_chat_body(&body, s->body_bytes, s->model, s->stream);
    }
    struct request measured = {.variables = s->variables, .variable_count = s->variable_count};
    put_with_places(&measured, body.p, body.end);

    put(&head, s->method);
    put(&head, " ");
    put(&head, s->path);
    put(&head, " HTTP/1.1\r\nhost: ");
    put(&head, s->host);
    put(&head, ":");
    put_number(&head, s->port);
    put(&head, "\r\naccept: */*\r\nuser-agent: OpenAI/Python 2.8.0\r\n");
    if (s->key) {
        put(&head, "authorization: Bearer ");
        put(&head, s->key);
        put(&head, "\r\n");
    }
    if (s->timestamps) put(&head, "x-mock-timestamps: 1\r\n");
    if (s->close) put(&head, "connection: close\r\n");
    for (uint32_t i = 0; i < s->header_count; i++) {
        put(&head, s->headers[i]);
        put(&head, "\r\n");
    }
    if (s->has_body || s->body_file) {
        put(&head, "content-type: application/json\r\ncontent-length: ");
        put_number(&head, measured.text.end);
        put(&head, "\r\n");
    }
    put(&head, "\r\n");
    put_with_places(r, head.p, head.end);
    put_with_places(r, body.p, body.end);
    bytes_free(&measured.text);
    bytes_free(&head);
    bytes_free(&body);
}

void request_vary(struct request *r) {
    for (uint32_t i = 0; i < r->place_count; i++) {
        const struct variable *v = &r->variables[r->place[i].variable];
        r->random ^= r->random << 13;
        r->random ^= r->random >> 7;
        r->random ^= r->random << 17;
        uint32_t pick = (uint32_t)((r->random >> 32) * v->count >> 32);
        memcpy(r->text.p + r->place[i].offset, v->values + (size_t)pick * v->length, v->length);
    }
}
