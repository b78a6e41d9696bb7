// The request that is sent over and over: built once, with places whose value changes each time.
#ifndef LOADGEN_REQUEST_H
#define LOADGEN_REQUEST_H

#include "../common/net.h"

enum { MOST_VARIABLES = 4, MOST_PLACES = 16, MOST_HEADERS = 32 };

/// `{{name}}` stands for one line of a file; all lines have the same length, so that framing never changes.
struct variable {
    char name[32];
    char *values;
    uint32_t length, count;
};

struct request_settings {
    const char *method, *path, *host, *key, *model, *body_file;
    const char *headers[MOST_HEADERS];
    uint32_t header_count, body_bytes;
    uint16_t port;
    bool has_body, stream, timestamps, close;
    struct variable variables[MOST_VARIABLES];
    uint32_t variable_count;
};

struct request {
    struct bytes text;
    struct {
        size_t offset;
        uint32_t variable;
    } place[MOST_PLACES];
    uint32_t place_count;
    const struct variable *variables;
    uint32_t variable_count;
    uint64_t random;
};

/// Reads `NAME=FILE`. Ends the program if the lines differ in length.
void variable_read(struct variable *v, const char *option);

void request_build(struct request *r, const struct request_settings *s);

/// Puts a random value into every place.
void request_vary(struct request *r);

#endif
