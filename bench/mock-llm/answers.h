// What the mock says: JSON answers and the steps of event streams, as text without HTTP framing.
#ifndef MOCK_ANSWERS_H
#define MOCK_ANSWERS_H

#include "../common/net.h"
#include "body_scan.h"

enum endpoint {
    ENDPOINT_CHAT,
    ENDPOINT_COMPLETIONS,
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_RESPONSES,
    ENDPOINT_MESSAGES,
    ENDPOINT_MODELS,
    ENDPOINT_HEALTH,
    ENDPOINT_WELCOME,
    ENDPOINT_ECHO,
    ENDPOINT_BLOB,
};

enum usage_policy { USAGE_ALWAYS, USAGE_ASKED, USAGE_NEVER };

struct answer_settings {
    uint32_t chunks;            // words of a stream
    uint32_t answer_bytes;      // size of a JSON answer, about
    enum usage_policy usage;
};

/// One answer in the making; `model` is raw JSON string content.
struct answer {
    enum endpoint endpoint;
    uint64_t id, created;
    const char *model;
    uint32_t model_length, prompt_tokens;
    bool timestamps, usage;
};

/// Prepares the prose. To be called once, first.
void answers_start(const struct answer_settings *settings);

/// The whole JSON answer of a request that is no stream.
void answer_json(struct bytes *out, const struct answer *a, const struct body_scan *body);

/// The number of steps of a stream: an opening, a step a word, a closing.
uint32_t stream_steps(void);

/// Appends the events of step `step`, without chunk framing.
void stream_step(struct bytes *out, const struct answer *a, uint32_t step);

#endif
