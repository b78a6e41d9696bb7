#pragma once
// The members of the providers' requests and answers that somebody asks about, as places in a tree: what a member is
// called below the place that holds it, and what is wanted of it. This is the one list of these names.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// Places. An array is the place its elements are.
enum {
    FG_LLM_NONE = 0,  ///< nobody asks; skipped whatever it holds

    // Answers.
    FG_LLM_ROOT,          ///< the answer, or one event of a stream
    FG_LLM_USAGE,         ///< OpenAI's and Anthropic's `usage`, and what is like it
    FG_LLM_SIDE_USAGE,    ///< the same in another place (Groq's `x_groq.usage`, Moonshot's in a choice): counts if there is none
    FG_LLM_INPUT_DETAILS,
    FG_LLM_OUTPUT_DETAILS,
    FG_LLM_GEMINI_USAGE,  ///< `usageMetadata`
    FG_LLM_COHERE_USAGE,  ///< Cohere's `usage` or `meta`
    FG_LLM_TOKENS,
    FG_LLM_BILLED,
    FG_LLM_METRICS,       ///< `amazon-bedrock-invocationMetrics`
    FG_LLM_X_GROQ,
    FG_LLM_MESSAGE,       ///< Anthropic's `message` of `message_start`; Ollama's, Cohere's
    FG_LLM_RESPONSE,      ///< of OpenAI's Responses events
    FG_LLM_INTERACTION,
    FG_LLM_METADATA,
    FG_LLM_RESULT,        ///< Titan's `results`
    FG_LLM_CHOICE,
    FG_LLM_CHOICE_MESSAGE,
    FG_LLM_CANDIDATE,
    FG_LLM_DELTA,         ///< an event's own `delta`
    FG_LLM_PART,          ///< generated text, or something that holds some
    FG_LLM_RAW,           ///< generated, counted as it is written: a tool call's arguments
    FG_LLM_ERROR,
    FG_LLM_ERROR_DETAIL,
    FG_LLM_MODEL,
    FG_LLM_TYPE,
    FG_LLM_FINISH,        ///< `finish_reason` and its like: not null when the end is near
    FG_LLM_ROLE,          ///< who speaks
    FG_LLM_STATUS,        ///< of a Responses object
    FG_LLM_DONE,
    FG_LLM_ERROR_CODE,
    FG_LLM_ERROR_TYPE,
    FG_LLM_ERROR_STATUS,
    FG_LLM_ERROR_REASON,

    // Requests.
    FG_LLM_REQUEST,
    FG_LLM_REQUEST_MODEL,
    FG_LLM_REQUEST_STREAM,
    FG_LLM_STREAM_OPTIONS,
    FG_LLM_INCLUDE_USAGE,
    FG_LLM_GENERATION,    ///< Gemini's `generationConfig`
    FG_LLM_MAX_TOKENS,
    FG_LLM_MAX_COMPLETION_TOKENS,
    FG_LLM_COUNT,         ///< `n`, `candidateCount`
    FG_LLM_BEST_OF,
    FG_LLM_PROMPT,        ///< what the model will read
    FG_LLM_MEDIA,         ///< pictures, sound, files within it

    FG_LLM_FIELD,         ///< numbers: FG_LLM_FIELD + one of the below
};

/// The numbers of usage reports. Those of one meaning that never stand beside one another share a field.
enum {
    FG_USAGE_PROMPT,          ///< input, cached parts included
    FG_USAGE_INPUT,           ///< input, less what FG_USAGE_CACHE_READ and FG_USAGE_CACHE_WRITE count
    FG_USAGE_COMPLETION,
    FG_USAGE_OUTPUT,
    FG_USAGE_TOTAL,
    FG_USAGE_CACHED,          ///< a part of the input
    FG_USAGE_CACHE_READ,      ///< beside FG_USAGE_INPUT
    FG_USAGE_CACHED_OTHER,    ///< a part of the input, by other names
    FG_USAGE_CACHE_WRITE,     ///< beside FG_USAGE_INPUT
    FG_USAGE_CACHE_WRITTEN,   ///< a part of the input
    FG_USAGE_REASONING,       ///< a part of the output
    FG_USAGE_REASONING_OTHER,
    FG_USAGE_ANSWER,          ///< output, less FG_USAGE_THOUGHTS
    FG_USAGE_THOUGHTS,
    FG_USAGE_BILLED_INPUT,
    FG_USAGE_BILLED_OUTPUT,
    FG_USAGE_FIELDS,
    FG_LLM_PLACES = FG_LLM_FIELD + FG_USAGE_FIELDS,
};

/// What is wanted of the value in a place.
enum {
    FG_WANT_DESCEND = 1,   ///< go into objects and arrays
    FG_WANT_STRING = 2,    ///< a string's text
    FG_WANT_COUNT = 4,     ///< the size of a string
    FG_WANT_RAW = 8,       ///< the size of an object or array as written
    FG_WANT_NUMBER = 16,
    FG_WANT_LITERAL = 32,  ///< true, false
    FG_WANT_EDGES = 64,    ///< be told where it begins, and where an object ends
};

static inline uint8_t fg_llm_wants(uint8_t place) {
    static const uint8_t wants[FG_LLM_FIELD] = {
        [FG_LLM_ROOT] = FG_WANT_DESCEND,
        [FG_LLM_USAGE] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_SIDE_USAGE] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_INPUT_DETAILS] = FG_WANT_DESCEND,
        [FG_LLM_OUTPUT_DETAILS] = FG_WANT_DESCEND,
        [FG_LLM_GEMINI_USAGE] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_COHERE_USAGE] = FG_WANT_DESCEND,
        [FG_LLM_TOKENS] = FG_WANT_DESCEND,
        [FG_LLM_BILLED] = FG_WANT_DESCEND,
        [FG_LLM_METRICS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_X_GROQ] = FG_WANT_DESCEND,
        [FG_LLM_MESSAGE] = FG_WANT_DESCEND,
        [FG_LLM_RESPONSE] = FG_WANT_DESCEND | FG_WANT_COUNT,
        [FG_LLM_INTERACTION] = FG_WANT_DESCEND,
        [FG_LLM_METADATA] = FG_WANT_DESCEND,
        [FG_LLM_RESULT] = FG_WANT_DESCEND,
        [FG_LLM_CHOICE] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_CHOICE_MESSAGE] = FG_WANT_DESCEND,
        [FG_LLM_CANDIDATE] = FG_WANT_DESCEND,
        [FG_LLM_DELTA] = FG_WANT_DESCEND | FG_WANT_COUNT,
        [FG_LLM_PART] = FG_WANT_DESCEND | FG_WANT_COUNT,
        [FG_LLM_RAW] = FG_WANT_RAW | FG_WANT_COUNT,
        [FG_LLM_ERROR] = FG_WANT_DESCEND | FG_WANT_STRING | FG_WANT_EDGES,
        [FG_LLM_ERROR_DETAIL] = FG_WANT_DESCEND,
        [FG_LLM_MODEL] = FG_WANT_STRING,
        [FG_LLM_TYPE] = FG_WANT_STRING,
        [FG_LLM_FINISH] = FG_WANT_STRING,
        [FG_LLM_ROLE] = FG_WANT_STRING,
        [FG_LLM_STATUS] = FG_WANT_STRING,
        [FG_LLM_DONE] = FG_WANT_LITERAL,
        [FG_LLM_ERROR_CODE] = FG_WANT_STRING | FG_WANT_NUMBER,
        [FG_LLM_ERROR_TYPE] = FG_WANT_STRING,
        [FG_LLM_ERROR_STATUS] = FG_WANT_STRING | FG_WANT_NUMBER,
        [FG_LLM_ERROR_REASON] = FG_WANT_STRING,
        [FG_LLM_REQUEST] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_REQUEST_MODEL] = FG_WANT_STRING,
        [FG_LLM_REQUEST_STREAM] = FG_WANT_LITERAL,
        [FG_LLM_STREAM_OPTIONS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_INCLUDE_USAGE] = FG_WANT_LITERAL,
        [FG_LLM_GENERATION] = FG_WANT_DESCEND,
        [FG_LLM_MAX_TOKENS] = FG_WANT_NUMBER,
        [FG_LLM_MAX_COMPLETION_TOKENS] = FG_WANT_NUMBER,
        [FG_LLM_COUNT] = FG_WANT_NUMBER,
        [FG_LLM_BEST_OF] = FG_WANT_NUMBER,
        [FG_LLM_PROMPT] = FG_WANT_DESCEND,
        [FG_LLM_MEDIA] = FG_WANT_RAW | FG_WANT_COUNT | FG_WANT_EDGES,
    };
    return place < FG_LLM_FIELD ? wants[place] : FG_WANT_NUMBER;
}

/// The longest name below; a longer one is none of them.
#define FG_LLM_LONGEST_NAME 32

// The compiler makes one or two comparisons of words of each of these.
#define FG_LLM_NAME(text, place) \
    if (n == sizeof(text) - 1 && memcmp(p, text, sizeof(text) - 1) == 0) { return (place); }
#define FG_LLM_NUMBER(text, field) FG_LLM_NAME(text, FG_LLM_FIELD + (field))

static inline uint8_t fg_llm_usage_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 6:
        FG_LLM_NAME("tokens", FG_LLM_TOKENS)
        return 0;
    case 10:
        FG_LLM_NUMBER("eval_count", FG_USAGE_COMPLETION)
        return 0;
    case 11:
        FG_LLM_NUMBER("inputTokens", FG_USAGE_INPUT)
        FG_LLM_NUMBER("totalTokens", FG_USAGE_TOTAL)
        return 0;
    case 12:
        FG_LLM_NUMBER("total_tokens", FG_USAGE_TOTAL)
        FG_LLM_NUMBER("input_tokens", FG_USAGE_INPUT)
        FG_LLM_NUMBER("outputTokens", FG_USAGE_OUTPUT)
        FG_LLM_NAME("billed_units", FG_LLM_BILLED)
        return 0;
    case 13:
        FG_LLM_NUMBER("prompt_tokens", FG_USAGE_PROMPT)
        FG_LLM_NUMBER("output_tokens", FG_USAGE_OUTPUT)
        FG_LLM_NUMBER("cached_tokens", FG_USAGE_CACHED_OTHER)
        return 0;
    case 15:
        FG_LLM_NUMBER("inputTokenCount", FG_USAGE_INPUT)
        return 0;
    case 16:
        FG_LLM_NUMBER("reasoning_tokens", FG_USAGE_REASONING_OTHER)
        FG_LLM_NUMBER("outputTokenCount", FG_USAGE_OUTPUT)
        return 0;
    case 17:
        FG_LLM_NUMBER("completion_tokens", FG_USAGE_COMPLETION)
        return 0;
    case 18:
        FG_LLM_NUMBER("prompt_token_count", FG_USAGE_INPUT)
        FG_LLM_NUMBER("total_input_tokens", FG_USAGE_PROMPT)
        return 0;
    case 19:
        FG_LLM_NUMBER("total_cached_tokens", FG_USAGE_CACHED)
        FG_LLM_NUMBER("total_output_tokens", FG_USAGE_ANSWER)
        return 0;
    case 20:
        FG_LLM_NAME("input_tokens_details", FG_LLM_INPUT_DETAILS)
        FG_LLM_NUMBER("total_thought_tokens", FG_USAGE_THOUGHTS)
        FG_LLM_NUMBER("cacheReadInputTokens", FG_USAGE_CACHE_READ)
        FG_LLM_NAME("prompt_token_details", FG_LLM_INPUT_DETAILS)
        return 0;
    case 21:
        FG_LLM_NAME("prompt_tokens_details", FG_LLM_INPUT_DETAILS)
        FG_LLM_NAME("output_tokens_details", FG_LLM_OUTPUT_DETAILS)
        FG_LLM_NUMBER("cacheWriteInputTokens", FG_USAGE_CACHE_WRITE)
        return 0;
    case 22:
        FG_LLM_NUMBER("generation_token_count", FG_USAGE_OUTPUT)
        return 0;
    case 23:
        FG_LLM_NUMBER("cache_read_input_tokens", FG_USAGE_CACHE_READ)
        FG_LLM_NUMBER("prompt_cache_hit_tokens", FG_USAGE_CACHED_OTHER)
        return 0;
    case 24:
        FG_LLM_NUMBER("cacheReadInputTokenCount", FG_USAGE_CACHE_READ)
        FG_LLM_NAME("completion_token_details", FG_LLM_OUTPUT_DETAILS)
        return 0;
    case 25:
        FG_LLM_NAME("completion_tokens_details", FG_LLM_OUTPUT_DETAILS)
        FG_LLM_NUMBER("cacheWriteInputTokenCount", FG_USAGE_CACHE_WRITE)
        return 0;
    case 27:
        FG_LLM_NUMBER("cache_creation_input_tokens", FG_USAGE_CACHE_WRITE)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_part_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 4:
        FG_LLM_NAME("text", FG_LLM_PART)
        FG_LLM_NAME("name", FG_LLM_PART)
        FG_LLM_NAME("role", FG_LLM_ROLE)
        return 0;
    case 5:
        FG_LLM_NAME("parts", FG_LLM_PART)
        FG_LLM_NAME("input", FG_LLM_RAW)
        return 0;
    case 7:
        FG_LLM_NAME("content", FG_LLM_PART)
        FG_LLM_NAME("refusal", FG_LLM_PART)
        FG_LLM_NAME("message", FG_LLM_PART)
        FG_LLM_NAME("summary", FG_LLM_PART)
        FG_LLM_NAME("toolUse", FG_LLM_PART)
        return 0;
    case 8:
        FG_LLM_NAME("thinking", FG_LLM_PART)
        FG_LLM_NAME("function", FG_LLM_PART)
        return 0;
    case 9:
        FG_LLM_NAME("reasoning", FG_LLM_PART)
        FG_LLM_NAME("arguments", FG_LLM_RAW)
        return 0;
    case 10:
        FG_LLM_NAME("tool_calls", FG_LLM_PART)
        FG_LLM_NAME("transcript", FG_LLM_PART)
        return 0;
    case 11:
        FG_LLM_NAME("stop_reason", FG_LLM_FINISH)
        return 0;
    case 12:
        FG_LLM_NAME("partial_json", FG_LLM_PART)
        FG_LLM_NAME("functionCall", FG_LLM_RAW)
        return 0;
    case 13:
        FG_LLM_NAME("function_call", FG_LLM_PART)
        FG_LLM_NAME("reasoningText", FG_LLM_PART)
        return 0;
    case 14:
        FG_LLM_NAME("executableCode", FG_LLM_RAW)
        return 0;
    case 16:
        FG_LLM_NAME("reasoningContent", FG_LLM_PART)
        return 0;
    case 17:
        FG_LLM_NAME("reasoning_content", FG_LLM_PART)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_root_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 4:
        FG_LLM_NAME("type", FG_LLM_TYPE)
        FG_LLM_NAME("done", FG_LLM_DONE)
        FG_LLM_NAME("meta", FG_LLM_COHERE_USAGE)
        FG_LLM_NAME("code", FG_LLM_ERROR_CODE)
        return 0;
    case 5:
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("delta", FG_LLM_DELTA)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        return 0;
    case 6:
        FG_LLM_NAME("output", FG_LLM_PART)
        FG_LLM_NAME("status", FG_LLM_STATUS)
        FG_LLM_NAME("x_groq", FG_LLM_X_GROQ)
        return 0;
    case 7:
        FG_LLM_NAME("choices", FG_LLM_CHOICE)
        FG_LLM_NAME("message", FG_LLM_MESSAGE)
        FG_LLM_NAME("content", FG_LLM_PART)
        FG_LLM_NAME("results", FG_LLM_RESULT)
        return 0;
    case 8:
        FG_LLM_NAME("response", FG_LLM_RESPONSE)
        FG_LLM_NAME("metadata", FG_LLM_METADATA)
        return 0;
    case 10:
        FG_LLM_NAME("candidates", FG_LLM_CANDIDATE)
        FG_LLM_NAME("event_type", FG_LLM_TYPE)
        FG_LLM_NUMBER("eval_count", FG_USAGE_COMPLETION)
        return 0;
    case 11:
        FG_LLM_NAME("interaction", FG_LLM_INTERACTION)
        FG_LLM_NAME("stop_reason", FG_LLM_FINISH)
        return 0;
    case 12:
        FG_LLM_NAME("modelVersion", FG_LLM_MODEL)
        return 0;
    case 13:
        FG_LLM_NAME("usageMetadata", FG_LLM_GEMINI_USAGE)
        FG_LLM_NAME("content_block", FG_LLM_PART)
        return 0;
    case 14:
        FG_LLM_NAME("promptFeedback", FG_LLM_CANDIDATE)
        return 0;
    case 17:
        FG_LLM_NUMBER("prompt_eval_count", FG_USAGE_PROMPT)
        return 0;
    case 18:
        FG_LLM_NUMBER("prompt_token_count", FG_USAGE_INPUT)
        return 0;
    case 19:
        FG_LLM_NUMBER("inputTextTokenCount", FG_USAGE_INPUT)
        return 0;
    case 22:
        FG_LLM_NUMBER("generation_token_count", FG_USAGE_OUTPUT)
        return 0;
    case 32:
        FG_LLM_NAME("amazon-bedrock-invocationMetrics", FG_LLM_METRICS)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_gemini_usage_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 15:
        FG_LLM_NUMBER("totalTokenCount", FG_USAGE_TOTAL)
        return 0;
    case 16:
        FG_LLM_NUMBER("promptTokenCount", FG_USAGE_PROMPT)
        return 0;
    case 18:
        FG_LLM_NUMBER("thoughtsTokenCount", FG_USAGE_THOUGHTS)
        return 0;
    case 20:
        FG_LLM_NUMBER("candidatesTokenCount", FG_USAGE_ANSWER)
        return 0;
    case 23:
        FG_LLM_NUMBER("cachedContentTokenCount", FG_USAGE_CACHED)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_error_member(const uint8_t *p, size_t n) {
    FG_LLM_NAME("code", FG_LLM_ERROR_CODE)
    FG_LLM_NAME("type", FG_LLM_ERROR_TYPE)
    FG_LLM_NAME("status", FG_LLM_ERROR_STATUS)
    FG_LLM_NAME("details", FG_LLM_ERROR_DETAIL)
    return 0;
}

static inline uint8_t fg_llm_request_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 1:
        FG_LLM_NAME("n", FG_LLM_COUNT)
        return 0;
    case 5:
        FG_LLM_NAME("model", FG_LLM_REQUEST_MODEL)
        FG_LLM_NAME("input", FG_LLM_PROMPT)
        return 0;
    case 6:
        FG_LLM_NAME("stream", FG_LLM_REQUEST_STREAM)
        FG_LLM_NAME("system", FG_LLM_PROMPT)
        return 0;
    case 7:
        FG_LLM_NAME("best_of", FG_LLM_BEST_OF)
        return 0;
    case 8:
        FG_LLM_NAME("messages", FG_LLM_PROMPT)
        FG_LLM_NAME("contents", FG_LLM_PROMPT)
        return 0;
    case 10:
        FG_LLM_NAME("max_tokens", FG_LLM_MAX_TOKENS)
        return 0;
    case 14:
        FG_LLM_NAME("stream_options", FG_LLM_STREAM_OPTIONS)
        return 0;
    case 16:
        FG_LLM_NAME("generationConfig", FG_LLM_GENERATION)
        return 0;
    case 17:
        FG_LLM_NAME("max_output_tokens", FG_LLM_MAX_TOKENS)
        FG_LLM_NAME("generation_config", FG_LLM_GENERATION)
        FG_LLM_NAME("systemInstruction", FG_LLM_PROMPT)
        return 0;
    case 21:
        FG_LLM_NAME("max_completion_tokens", FG_LLM_MAX_COMPLETION_TOKENS)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_prompt_member(const uint8_t *p, size_t n) {
    FG_LLM_NAME("content", FG_LLM_PROMPT)
    FG_LLM_NAME("parts", FG_LLM_PROMPT)
    FG_LLM_NAME("image_url", FG_LLM_MEDIA)
    FG_LLM_NAME("input_audio", FG_LLM_MEDIA)
    FG_LLM_NAME("file", FG_LLM_MEDIA)
    FG_LLM_NAME("file_data", FG_LLM_MEDIA)
    FG_LLM_NAME("source", FG_LLM_MEDIA)
    FG_LLM_NAME("inlineData", FG_LLM_MEDIA)
    FG_LLM_NAME("inline_data", FG_LLM_MEDIA)
    FG_LLM_NAME("fileData", FG_LLM_MEDIA)
    FG_LLM_NAME("data", FG_LLM_MEDIA)
    return 0;
}

/// The place of the member called p[0 ..< n] of an object in `place`.
static inline uint8_t fg_llm_member(uint8_t place, const uint8_t *p, size_t n) {
    switch (place) {
    case FG_LLM_ROOT: return fg_llm_root_member(p, n);
    case FG_LLM_CHOICE:
        FG_LLM_NAME("delta", FG_LLM_PART)
        FG_LLM_NAME("message", FG_LLM_CHOICE_MESSAGE)
        FG_LLM_NAME("finish_reason", FG_LLM_FINISH)
        FG_LLM_NAME("text", FG_LLM_PART)
        FG_LLM_NAME("usage", FG_LLM_SIDE_USAGE)
        return 0;
    case FG_LLM_DELTA:
        FG_LLM_NAME("usage", FG_LLM_COHERE_USAGE)
        FG_LLM_NAME("finish_reason", FG_LLM_FINISH)
        return fg_llm_part_member(p, n);
    case FG_LLM_PART:
    case FG_LLM_CHOICE_MESSAGE: return fg_llm_part_member(p, n);
    case FG_LLM_USAGE:
    case FG_LLM_SIDE_USAGE:
    case FG_LLM_METRICS: return fg_llm_usage_member(p, n);
    case FG_LLM_INPUT_DETAILS:
        FG_LLM_NUMBER("cached_tokens", FG_USAGE_CACHED)
        FG_LLM_NUMBER("cache_write_tokens", FG_USAGE_CACHE_WRITTEN)
        return 0;
    case FG_LLM_OUTPUT_DETAILS:
        FG_LLM_NUMBER("reasoning_tokens", FG_USAGE_REASONING)
        FG_LLM_NUMBER("thinking_tokens", FG_USAGE_REASONING)
        return 0;
    case FG_LLM_GEMINI_USAGE: return fg_llm_gemini_usage_member(p, n);
    case FG_LLM_COHERE_USAGE:
        FG_LLM_NAME("tokens", FG_LLM_TOKENS)
        FG_LLM_NAME("billed_units", FG_LLM_BILLED)
        FG_LLM_NUMBER("cached_tokens", FG_USAGE_CACHED_OTHER)
        return 0;
    case FG_LLM_TOKENS:
        FG_LLM_NUMBER("input_tokens", FG_USAGE_PROMPT)
        FG_LLM_NUMBER("output_tokens", FG_USAGE_COMPLETION)
        return 0;
    case FG_LLM_BILLED:
        FG_LLM_NUMBER("input_tokens", FG_USAGE_BILLED_INPUT)
        FG_LLM_NUMBER("output_tokens", FG_USAGE_BILLED_OUTPUT)
        return 0;
    case FG_LLM_X_GROQ:
        FG_LLM_NAME("usage", FG_LLM_SIDE_USAGE)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        return 0;
    case FG_LLM_MESSAGE:
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("model", FG_LLM_MODEL)
        return fg_llm_part_member(p, n);
    case FG_LLM_RESPONSE:
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        FG_LLM_NAME("status", FG_LLM_STATUS)
        FG_LLM_NAME("meta", FG_LLM_COHERE_USAGE)
        return 0;
    case FG_LLM_INTERACTION:
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("status", FG_LLM_STATUS)
        return 0;
    case FG_LLM_METADATA:
        FG_LLM_NAME("total_usage", FG_LLM_USAGE)
        return 0;
    case FG_LLM_RESULT:
        FG_LLM_NUMBER("tokenCount", FG_USAGE_OUTPUT)
        FG_LLM_NAME("outputText", FG_LLM_PART)
        return 0;
    case FG_LLM_CANDIDATE:
        FG_LLM_NAME("content", FG_LLM_PART)
        FG_LLM_NAME("finishReason", FG_LLM_FINISH)
        FG_LLM_NAME("blockReason", FG_LLM_FINISH)
        return 0;
    case FG_LLM_ERROR: return fg_llm_error_member(p, n);
    case FG_LLM_ERROR_DETAIL:
        FG_LLM_NAME("reason", FG_LLM_ERROR_REASON)
        return 0;
    case FG_LLM_REQUEST: return fg_llm_request_member(p, n);
    case FG_LLM_STREAM_OPTIONS:
        FG_LLM_NAME("include_usage", FG_LLM_INCLUDE_USAGE)
        return 0;
    case FG_LLM_GENERATION:
        FG_LLM_NAME("maxOutputTokens", FG_LLM_MAX_TOKENS)
        FG_LLM_NAME("max_output_tokens", FG_LLM_MAX_TOKENS)
        FG_LLM_NAME("candidateCount", FG_LLM_COUNT)
        return 0;
    case FG_LLM_PROMPT: return fg_llm_prompt_member(p, n);
    default: return 0;
    }
}
