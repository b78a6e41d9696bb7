#include "answers.h"

// Plain ASCII without quotes or backslashes, so that it goes into JSON as it is.
static const char prose[] =
    "Hello! I am a mock model: no thought went into these words, yet they come one by one, the way a real model "
    "would send them. Everything between you and me is real, though: the connection, the headers, the chunks and "
    "the pauses between them. If you can read this sentence growing, then streaming works, and nothing on the way "
    "waited for the end. Try a second request with another model name, or ask for plain JSON by leaving out the "
    "stream member. The gateway in the middle has checked your key, picked a route and written an audit row for "
    "this very exchange; have a look at its dashboard. And should you pull the plug right now, it will notice, "
    "hang up on me at once, and keep a note of that as well. That is all I have to say, so I shall begin again.";

#define MOST_WORDS 256

static struct answer_settings settings;
static struct span_of_prose {
    const char *p;
    uint32_t n;
} words[MOST_WORDS];
static uint32_t word_count;
static struct bytes content;  // the text of a JSON answer

/// A word as a delta carries it: with the space before it, but for the first of all.
static void put_word(struct bytes *out, uint32_t index) {
    const struct span_of_prose *w = &words[index % word_count];
    if (index) bytes_append(out, " ", 1);
    bytes_append(out, w->p, w->n);
}

static void put_id(struct bytes *out, const char *prefix, uint64_t id) {
    put(out, prefix);
    put_padded(out, id, 12);
}

static void put_model(struct bytes *out, const struct answer *a) { bytes_append(out, a->model, a->model_length); }

static void put_openai_usage(struct bytes *out, const struct answer *a, uint32_t completion) {
    put(out, "\"usage\":{\"prompt_tokens\":");
    put_number(out, a->prompt_tokens);
    put(out, ",\"completion_tokens\":");
    put_number(out, completion);
    put(out, ",\"total_tokens\":");
    put_number(out, a->prompt_tokens + completion);
    put(out, "}");
}

static void put_responses_usage(struct bytes *out, const struct answer *a, uint32_t output) {
    put(out, "\"usage\":{\"input_tokens\":");
    put_number(out, a->prompt_tokens);
    put(out, ",\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":");
    put_number(out, output);
    put(out, ",\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":");
    put_number(out, a->prompt_tokens + output);
    put(out, "}");
}

static void put_text(struct bytes *out, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) put_word(out, i);
}

// MARK: JSON answers

static uint32_t content_tokens;

static void chat_json(struct bytes *out, const struct answer *a) {
    put_id(out, "{\"id\":\"chatcmpl-", a->id);
    put(out, "\",\"object\":\"chat.completion\",\"created\":");
    put_number(out, a->created);
    put(out, ",\"model\":\"");
    put_model(out, a);
    put(out, "\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    bytes_append(out, content.p, content.end);
    put(out, "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],");
    put_openai_usage(out, a, content_tokens);
    put(out, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\"}");
}

static void completions_json(struct bytes *out, const struct answer *a) {
    put_id(out, "{\"id\":\"cmpl-", a->id);
    put(out, "\",\"object\":\"text_completion\",\"created\":");
    put_number(out, a->created);
    put(out, ",\"model\":\"");
    put_model(out, a);
    put(out, "\",\"choices\":[{\"index\":0,\"text\":\"");
    bytes_append(out, content.p, content.end);
    put(out, "\",\"logprobs\":null,\"finish_reason\":\"stop\"}],");
    put_openai_usage(out, a, content_tokens);
    put(out, "}");
}

static void embeddings_json(struct bytes *out, const struct answer *a, uint32_t inputs) {
    if (inputs == 0) inputs = 1;
    if (inputs > 2048) inputs = 2048;
    put(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < inputs; i++) {
        put(out, i ? ",{\"object\":\"embedding\",\"index\":" : "{\"object\":\"embedding\",\"index\":");
        put_number(out, i);
        put(out, ",\"embedding\":[");
        for (uint32_t d = 0, x = i * 2654435761u + 1; d < 64; d++) {
            x = x * 1664525u + 1013904223u;
            put(out, d ? x & 1 ? ",-0." : ",0." : "0.");
            put_padded(out, x >> 8, 8);
        }
        put(out, "]}");
    }
    put(out, "],\"model\":\"");
    put_model(out, a);
    put(out, "\",\"usage\":{\"prompt_tokens\":");
    put_number(out, a->prompt_tokens);
    put(out, ",\"total_tokens\":");
    put_number(out, a->prompt_tokens);
    put(out, "}}");
}

static void put_responses_item(struct bytes *out, const struct answer *a, uint32_t words_said, bool whole) {
    put_id(out, "{\"type\":\"message\",\"id\":\"msg_", a->id);
    put(out, "\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"");
    if (whole) bytes_append(out, content.p, content.end);
    else put_text(out, words_said);
    put(out, "\",\"annotations\":[]}]}");
}

static void put_responses_object(struct bytes *out, const struct answer *a, const char *status) {
    put_id(out, "{\"id\":\"resp_", a->id);
    put(out, "\",\"object\":\"response\",\"created_at\":");
    put_number(out, a->created);
    put(out, ",\"status\":\"");
    put(out, status);
    put(out, "\",\"error\":null,\"incomplete_details\":null,\"model\":\"");
    put_model(out, a);
    put(out, "\",\"output\":[");
}

static void responses_json(struct bytes *out, const struct answer *a) {
    put_responses_object(out, a, "completed");
    put_responses_item(out, a, 0, true);
    put(out, "],");
    put_responses_usage(out, a, content_tokens);
    put(out, "}");
}

static void messages_json(struct bytes *out, const struct answer *a) {
    put_id(out, "{\"id\":\"msg_", a->id);
    put(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
    put_model(out, a);
    put(out, "\",\"content\":[{\"type\":\"text\",\"text\":\"");
    bytes_append(out, content.p, content.end);
    put(out, "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":");
    put_number(out, a->prompt_tokens);
    put(out, ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":");
    put_number(out, content_tokens);
    put(out, "}}");
}

static void models_json(struct bytes *out) {
    static const char *const names[] = {"mock-model", "gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"};
    put(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put(out, i ? ",{\"id\":\"" : "{\"id\":\"");
        put(out, names[i]);
        put(out, "\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"mock\"}");
    }
    put(out, "]}");
}

void answer_json(struct bytes *out, const struct answer *a, const struct body_scan *body) {
    switch (a->endpoint) {
    case ENDPOINT_CHAT: chat_json(out, a); break;
    case ENDPOINT_COMPLETIONS: completions_json(out, a); break;
    case ENDPOINT_EMBEDDINGS: embeddings_json(out, a, body->inputs); break;
    case ENDPOINT_RESPONSES: responses_json(out, a); break;
    case ENDPOINT_MESSAGES: messages_json(out, a); break;
    case ENDPOINT_MODELS: models_json(out); break;
    case ENDPOINT_HEALTH: put(out, "{\"status\":\"ok\"}"); break;
    default:
        put(out, "mock-llm answers:\n"
                 "  POST /v1/chat/completions   JSON, or server-sent events with \"stream\": true\n"
                 "  POST /v1/completions        the same\n"
                 "  POST /v1/responses          the same\n"
                 "  POST /v1/messages           the same, in Anthropic's format\n"
                 "  POST /v1/embeddings\n"
                 "  GET  /v1/models\n"
                 "  GET  /blob?bytes=N          N bytes\n"
                 "  POST /echo                  the body back\n"
                 "  GET  /headers               the request's head back\n"
                 "  GET  /health\n");
    }
}

// MARK: streams

uint32_t stream_steps(void) { return settings.chunks + 2; }

static void put_stamp(struct bytes *out, const struct answer *a) {
    if (!a->timestamps) return;
    put(out, "\"mock_sent_ns\":\"");
    put_padded(out, clock_ns(), 20);
    put(out, "\",");
}

static void put_chunk_head(struct bytes *out, const struct answer *a) {
    bool chat = a->endpoint == ENDPOINT_CHAT;
    put_id(out, chat ? "data: {\"id\":\"chatcmpl-" : "data: {\"id\":\"cmpl-", a->id);
    put(out, chat ? "\",\"object\":\"chat.completion.chunk\"" : "\",\"object\":\"text_completion\"");
    put(out, ",\"created\":");
    put_number(out, a->created);
    put(out, ",\"model\":\"");
    put_model(out, a);
    put(out, "\",");
    put_stamp(out, a);
}

static void openai_step(struct bytes *out, const struct answer *a, uint32_t step) {
    bool chat = a->endpoint == ENDPOINT_CHAT;
    put_chunk_head(out, a);
    if (step == 0) {
        put(out, "\"choices\":[{\"index\":0,");
        put(out, chat ? "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}" : "\"text\":\"\"");
        put(out, ",\"finish_reason\":null}]}\n\n");
        return;
    }
    if (step <= settings.chunks) {
        put(out, "\"choices\":[{\"index\":0,");
        put(out, chat ? "\"delta\":{\"content\":\"" : "\"text\":\"");
        put_word(out, step - 1);
        put(out, chat ? "\"},\"finish_reason\":null}]}\n\n" : "\",\"finish_reason\":null}]}\n\n");
        return;
    }
    put(out, chat ? "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                  : "\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n");
    if (a->usage) {
        put_chunk_head(out, a);
        put(out, "\"choices\":[],");
        put_openai_usage(out, a, settings.chunks);
        put(out, "}\n\n");
    }
    put(out, "data: [DONE]\n\n");
}

static void put_responses_event(struct bytes *out, const struct answer *a, const char *type, uint32_t sequence) {
    put(out, "event: ");
    put(out, type);
    put(out, "\ndata: {\"type\":\"");
    put(out, type);
    put(out, "\",\"sequence_number\":");
    put_number(out, sequence);
    put(out, ",");
    put_stamp(out, a);
}

static void put_responses_place(struct bytes *out, const struct answer *a) {
    put_id(out, "\"item_id\":\"msg_", a->id);
    put(out, "\",\"output_index\":0,\"content_index\":0,");
}

static void responses_step(struct bytes *out, const struct answer *a, uint32_t step) {
    if (step == 0) {
        for (uint32_t i = 0; i < 2; i++) {
            put_responses_event(out, a, i ? "response.in_progress" : "response.created", i);
            put(out, "\"response\":");
            put_responses_object(out, a, "in_progress");
            put(out, "],\"usage\":null}}\n\n");
        }
        put_responses_event(out, a, "response.output_item.added", 2);
        put_id(out, "\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":\"msg_", a->id);
        put(out, "\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}\n\n");
        put_responses_event(out, a, "response.content_part.added", 3);
        put_responses_place(out, a);
        put(out, "\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}}\n\n");
        return;
    }
    uint32_t sequence = step + 3;
    if (step <= settings.chunks) {
        put_responses_event(out, a, "response.output_text.delta", sequence);
        put_responses_place(out, a);
        put(out, "\"delta\":\"");
        put_word(out, step - 1);
        put(out, "\"}\n\n");
        return;
    }
    put_responses_event(out, a, "response.output_text.done", sequence);
    put_responses_place(out, a);
    put(out, "\"text\":\"");
    put_text(out, settings.chunks);
    put(out, "\"}\n\n");
    put_responses_event(out, a, "response.content_part.done", sequence + 1);
    put_responses_place(out, a);
    put(out, "\"part\":{\"type\":\"output_text\",\"text\":\"");
    put_text(out, settings.chunks);
    put(out, "\",\"annotations\":[]}}\n\n");
    put_responses_event(out, a, "response.output_item.done", sequence + 2);
    put(out, "\"output_index\":0,\"item\":");
    put_responses_item(out, a, settings.chunks, false);
    put(out, "}\n\n");
    put_responses_event(out, a, "response.completed", sequence + 3);
    put(out, "\"response\":");
    put_responses_object(out, a, "completed");
    put_responses_item(out, a, settings.chunks, false);
    put(out, "],");
    put_responses_usage(out, a, settings.chunks);
    put(out, "}}\n\n");
}

static void put_messages_event(struct bytes *out, const struct answer *a, const char *type) {
    put(out, "event: ");
    put(out, type);
    put(out, "\ndata: {\"type\":\"");
    put(out, type);
    put(out, "\",");
    put_stamp(out, a);
}

static void messages_step(struct bytes *out, const struct answer *a, uint32_t step) {
    if (step == 0) {
        put_messages_event(out, a, "message_start");
        put_id(out, "\"message\":{\"id\":\"msg_", a->id);
        put(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
        put_model(out, a);
        put(out, "\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":");
        put_number(out, a->prompt_tokens);
        put(out, ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n");
        put_messages_event(out, a, "content_block_start");
        put(out, "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
        put(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
        return;
    }
    if (step <= settings.chunks) {
        put_messages_event(out, a, "content_block_delta");
        put(out, "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
        put_word(out, step - 1);
        put(out, "\"}}\n\n");
        return;
    }
    put_messages_event(out, a, "content_block_stop");
    put(out, "\"index\":0}\n\n");
    put_messages_event(out, a, "message_delta");
    put(out, "\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":");
    put_number(out, settings.chunks);
    put(out, "}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

void stream_step(struct bytes *out, const struct answer *a, uint32_t step) {
    switch (a->endpoint) {
    case ENDPOINT_RESPONSES: responses_step(out, a, step); break;
    case ENDPOINT_MESSAGES: messages_step(out, a, step); break;
    default: openai_step(out, a, step);
    }
}

void answers_start(const struct answer_settings *s) {
    settings = *s;
    for (const char *p = prose; *p && word_count < MOST_WORDS;) {
        const char *end = strchrnul(p, ' ');
        words[word_count++] = (struct span_of_prose){p, (uint32_t)(end - p)};
        p = *end ? end + 1 : end;
    }
    // A chat answer has about 330 bytes around its text.
    size_t wanted = s->answer_bytes > 340 ? s->answer_bytes - 330 : 10;
    while (content.end < wanted) put_word(&content, content_tokens++);
    while (content.end > wanted) content.end--;
    if (content.end && content.p[content.end - 1] == ' ') content.p[content.end - 1] = '.';
}
