// The command line.
#ifndef LOADGEN_OPTIONS_H
#define LOADGEN_OPTIONS_H

#include "request.h"

struct options {
    struct request_settings request;
    uint32_t connections, sources;
    double duration_s, rate, grace_s;
    double ramp_ms;          // over which the connections start
    uint64_t requests;       // 0 = no bound but the duration
    int64_t expected_bytes;  // -1 = any
    bool hold, is_open_loop;
};

/// Fills `options`; on wrong usage it says so and ends the program.
void options_read(struct options *options, int argc, char **argv);

#endif
