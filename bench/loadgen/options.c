#include "options.h"

#include <getopt.h>

static const char usage[] =
    "usage: loadgen --port N [options]\n"
    "  --host ADDRESS          (127.0.0.1)\n"
    "  --path PATH             (/v1/chat/completions)\n"
    "  --method NAME           (POST, and GET with --path but without a body)\n"
    "  --body-bytes N          size of the built-in chat request (1000); 0 = no body\n"
    "  --body FILE             this body instead\n"
    "  --model NAME            model of the built-in request (gpt-4o)\n"
    "  --key KEY               Authorization: Bearer KEY\n"
    "  --header 'NAME: VALUE'  one more header; may be repeated\n"
    "  --var NAME=FILE         {{NAME}} in path, key, headers, model or body becomes a random line of FILE each time\n"
    "  --connections N         (64)\n"
    "  --duration SECONDS      (5)\n"
    "  --requests N            stop after so many\n"
    "  --rate N                open loop: N requests a second, due at fixed times\n"
    "  --stream                ask for event streams; measures first byte and delay of each event\n"
    "  --hold                  open a stream on each connection, say \"holding N\", hold until --duration or SIGTERM\n"
    "  --connect               a new connection for each request\n"
    "  --ramp-ms N             spread the start of the connections (0; streams 1000)\n"
    "  --sources N             connect from N addresses 127.0.0.1, .2 …, for more ports (1)\n"
    "  --expect-bytes N        every body must have this size\n"
    "  --grace SECONDS         wait for open answers at the end (10)\n"
    "One line of JSON on stdout. Exit status: 0 all answers good, 1 some not, 2 wrong usage.\n";

static double parse_decimal(const char *option, const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0) || value > 1e9) die("%s: a number is needed, not \"%s\"", option, text);
    return value;
}

void options_read(struct options *options, int argc, char **argv) {
    enum { HOST = 256, PORT, PATH, METHOD, BODY_BYTES, BODY, MODEL, KEY, HEADER, VAR, CONNECTIONS, DURATION, REQUESTS,
           RATE, STREAM, HOLD, CONNECT, RAMP, SOURCES, EXPECT, GRACE, HELP };
    static const struct option known[] = {
        {"host", 1, 0, HOST}, {"port", 1, 0, PORT}, {"path", 1, 0, PATH}, {"method", 1, 0, METHOD},
        {"body-bytes", 1, 0, BODY_BYTES}, {"body", 1, 0, BODY}, {"model", 1, 0, MODEL}, {"key", 1, 0, KEY},
        {"header", 1, 0, HEADER}, {"var", 1, 0, VAR}, {"connections", 1, 0, CONNECTIONS},
        {"duration", 1, 0, DURATION}, {"requests", 1, 0, REQUESTS}, {"rate", 1, 0, RATE}, {"stream", 0, 0, STREAM},
        {"hold", 0, 0, HOLD}, {"connect", 0, 0, CONNECT}, {"ramp-ms", 1, 0, RAMP}, {"sources", 1, 0, SOURCES},
        {"expect-bytes", 1, 0, EXPECT}, {"grace", 1, 0, GRACE}, {"help", 0, 0, HELP}, {0}};
    *options = (struct options){
        .connections = 64, .sources = 1, .duration_s = 5, .grace_s = 10, .ramp_ms = -1, .expected_bytes = -1,
        .request = {.host = "127.0.0.1", .model = "gpt-4o", .body_bytes = 1000}};
    struct request_settings *s = &options->request;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (o) {
        case HOST: s->host = optarg; break;
        case PORT: s->port = (uint16_t)parse_number("--port", optarg, 65535); break;
        case PATH: s->path = optarg; break;
        case METHOD: s->method = optarg; break;
        case BODY_BYTES: s->body_bytes = (uint32_t)parse_number("--body-bytes", optarg, 1u << 30); break;
        case BODY: s->body_file = optarg; break;
        case MODEL: s->model = optarg; break;
        case KEY: s->key = optarg; break;
        case HEADER:
            if (s->header_count == MOST_HEADERS) die("more than %d headers", MOST_HEADERS);
            s->headers[s->header_count++] = optarg;
            break;
        case VAR:
            if (s->variable_count == MOST_VARIABLES) die("more than %d variables", MOST_VARIABLES);
            variable_read(&s->variables[s->variable_count++], optarg);
            break;
        case CONNECTIONS: options->connections = (uint32_t)parse_number("--connections", optarg, 60000); break;
        case DURATION: options->duration_s = parse_decimal("--duration", optarg); break;
        case REQUESTS: options->requests = parse_number("--requests", optarg, 1ull << 50); break;
        case RATE: options->rate = parse_decimal("--rate", optarg); break;
        case STREAM: s->stream = true; break;
        case HOLD: options->hold = s->stream = true; break;
        case CONNECT: s->close = true; break;
        case RAMP: options->ramp_ms = parse_decimal("--ramp-ms", optarg); break;
        case SOURCES: options->sources = (uint32_t)parse_number("--sources", optarg, 200); break;
        case EXPECT: options->expected_bytes = (int64_t)parse_number("--expect-bytes", optarg, 1ull << 50); break;
        case GRACE: options->grace_s = parse_decimal("--grace", optarg); break;
        case HELP: fputs(usage, stdout), exit(0);
        default: fputs(usage, stderr), exit(2);
        }
    }
    if (optind < argc) die("loadgen: unexpected \"%s\"", argv[optind]);
    if (!s->port || !options->connections || !options->sources) die("%s", usage);
    s->has_body = s->body_bytes && !(s->method && strcmp(s->method, "GET") == 0);
    if (!s->method) s->method = s->has_body || s->body_file ? "POST" : "GET";
    if (!s->path) s->path = "/v1/chat/completions";
    s->timestamps = s->stream;
    if (options->ramp_ms < 0) options->ramp_ms = s->stream ? 1000 : 0;
    options->is_open_loop = options->rate > 0;
    if (options->is_open_loop && options->hold) die("--rate and --hold exclude each other");
}
