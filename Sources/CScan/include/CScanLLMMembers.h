#pragma once
// What the members of requests and answers are called: the one list of these names. Places are those of CScanLLM.h.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// The longest name below; a longer one is none of them.
#define FG_LLM_LONGEST_NAME 32

// The compiler makes one or two comparisons of words of each of these.
#define FG_LLM_NAME(text, place) \
    if (n == sizeof(text) - 1 && memcmp(p, text, sizeof(text) - 1) == 0) { return (place); }
#define FG_LLM_NUMBER(text, field) FG_LLM_NAME(text, FG_LLM_FIELD + (field))

/// Seldom there: not to stand in the way of the others.
static __attribute__((noinline)) uint8_t fg_llm_iteration_member(const uint8_t *p, size_t n) {
    FG_LLM_NAME("type", FG_LLM_ITERATION_TYPE)
    FG_LLM_NUMBER("input_tokens", FG_USAGE_INPUT)
    FG_LLM_NUMBER("output_tokens", FG_USAGE_OUTPUT)
    FG_LLM_NUMBER("cache_read_input_tokens", FG_USAGE_CACHE_READ)
    FG_LLM_NUMBER("cache_creation_input_tokens", FG_USAGE_CACHE_WRITE)
    FG_LLM_NAME("cache_creation", FG_LLM_CACHE_CREATION)
    return 0;
}

static inline uint8_t fg_llm_usage_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 4:
        FG_LLM_NAME("cost", FG_LLM_COST)
        return 0;
    case 5:
        FG_LLM_NAME("speed", FG_LLM_SPEED)
        return 0;
    case 6:
        FG_LLM_NAME("tokens", FG_LLM_TOKENS)
        return 0;
    case 7:
        FG_LLM_NUMBER("seconds", FG_USAGE_SECONDS)
        FG_LLM_NAME("is_byok", FG_LLM_OWN_KEY)
        FG_LLM_NUMBER("cache_n", FG_USAGE_CACHE_READ)
        return 0;
    case 8:
        FG_LLM_NUMBER("prompt_n", FG_USAGE_INPUT)
        return 0;
    case 10:
        FG_LLM_NUMBER("eval_count", FG_USAGE_COMPLETION)
        FG_LLM_NAME("iterations", FG_LLM_ITERATION)
        return 0;
    case 14:
        FG_LLM_NAME("cache_creation", FG_LLM_CACHE_CREATION)
        return 0;
    case 11:
        FG_LLM_NUMBER("inputTokens", FG_USAGE_INPUT)
        FG_LLM_NUMBER("totalTokens", FG_USAGE_TOTAL)
        FG_LLM_NUMBER("predicted_n", FG_USAGE_OUTPUT)
        return 0;
    case 12:
        FG_LLM_NUMBER("total_tokens", FG_USAGE_TOTAL)
        FG_LLM_NUMBER("input_tokens", FG_USAGE_INPUT)
        FG_LLM_NUMBER("outputTokens", FG_USAGE_OUTPUT)
        FG_LLM_NAME("billed_units", FG_LLM_BILLED)
        FG_LLM_NAME("service_tier", FG_LLM_TIER)
        FG_LLM_NAME("cacheDetails", FG_LLM_OTHER_PARTS)
        return 0;
    case 13:
        FG_LLM_NUMBER("prompt_tokens", FG_USAGE_PROMPT)
        FG_LLM_NUMBER("output_tokens", FG_USAGE_OUTPUT)
        FG_LLM_NUMBER("cached_tokens", FG_USAGE_CACHED_OTHER)
        FG_LLM_NAME("inference_geo", FG_LLM_GEO)
        return 0;
    case 15:
        FG_LLM_NUMBER("inputTokenCount", FG_USAGE_INPUT)
        FG_LLM_NUMBER("citation_tokens", FG_USAGE_TOOL_PROMPT)
        FG_LLM_NAME("server_tool_use", FG_LLM_SERVER_TOOLS)
        return 0;
    case 16:
        FG_LLM_NUMBER("reasoning_tokens", FG_USAGE_REASONING_OTHER)
        FG_LLM_NUMBER("outputTokenCount", FG_USAGE_OUTPUT)
        return 0;
    case 17:
        FG_LLM_NUMBER("completion_tokens", FG_USAGE_COMPLETION)
        FG_LLM_NUMBER("num_cached_tokens", FG_USAGE_CACHED_OTHER)
        FG_LLM_NAME("cost_in_usd_ticks", FG_LLM_COST_TICKS)
        return 0;
    case 18:
        FG_LLM_NUMBER("prompt_token_count", FG_USAGE_INPUT)
        FG_LLM_NUMBER("total_input_tokens", FG_USAGE_PROMPT)
        FG_LLM_NUMBER("num_search_queries", FG_USAGE_SEARCHES)
        return 0;
    case 19:
        FG_LLM_NUMBER("total_cached_tokens", FG_USAGE_CACHED)
        FG_LLM_NUMBER("total_output_tokens", FG_USAGE_ANSWER)
        FG_LLM_NAME("input_token_details", FG_LLM_INPUT_DETAILS)
        FG_LLM_NAME("search_context_size", FG_LLM_SEARCH)
        return 0;
    case 20:
        FG_LLM_NAME("input_tokens_details", FG_LLM_INPUT_DETAILS)
        FG_LLM_NUMBER("prompt_audio_seconds", FG_USAGE_SECONDS)
        FG_LLM_NAME("grounding_tool_count", FG_LLM_OTHER_PARTS)
        FG_LLM_NUMBER("total_thought_tokens", FG_USAGE_THOUGHTS)
        FG_LLM_NUMBER("cacheReadInputTokens", FG_USAGE_CACHE_READ)
        FG_LLM_NAME("prompt_token_details", FG_LLM_INPUT_DETAILS)
        FG_LLM_NAME("output_token_details", FG_LLM_OUTPUT_DETAILS)
        return 0;
    case 21:
        FG_LLM_NAME("prompt_tokens_details", FG_LLM_INPUT_DETAILS)
        FG_LLM_NAME("output_tokens_details", FG_LLM_OUTPUT_DETAILS)
        FG_LLM_NUMBER("cacheWriteInputTokens", FG_USAGE_CACHE_WRITE)
        FG_LLM_NUMBER("total_tool_use_tokens", FG_USAGE_TOOL_PROMPT)
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
        FG_LLM_NAME("input_tokens_by_modality", FG_LLM_PROMPT_PARTS)
        return 0;
    case 25:
        FG_LLM_NAME("output_tokens_by_modality", FG_LLM_ANSWER_PARTS)
        FG_LLM_NAME("cached_tokens_by_modality", FG_LLM_CACHED_PARTS)
        FG_LLM_NAME("completion_tokens_details", FG_LLM_OUTPUT_DETAILS)
        FG_LLM_NUMBER("cacheWriteInputTokenCount", FG_USAGE_CACHE_WRITE)
        return 0;
    case 27:
        FG_LLM_NUMBER("cache_creation_input_tokens", FG_USAGE_CACHE_WRITE)
        return 0;
    case 30:
        FG_LLM_NAME("server_side_tool_usage_details", FG_LLM_SERVER_TOOLS)
        return 0;
    default: return 0;
    }
}

/// Members of something generated that say nothing by themselves: an empty one is known by having no others.
static inline int fg_llm_says_nothing(const uint8_t *p, size_t n) {
    switch (n) {
    case 2: return memcmp(p, "id", 2) == 0;
    case 4: return memcmp(p, "type", 4) == 0 || memcmp(p, "role", 4) == 0;
    case 5: return memcmp(p, "index", 5) == 0 || memcmp(p, "phase", 5) == 0 || memcmp(p, "error", 5) == 0;
    case 6: return memcmp(p, "status", 6) == 0 || memcmp(p, "format", 6) == 0 || memcmp(p, "object", 6) == 0;
    case 7: return memcmp(p, "call_id", 7) == 0 || memcmp(p, "item_id", 7) == 0;
    case 8: return memcmp(p, "mimeType", 8) == 0;
    case 9: return memcmp(p, "toolUseId", 9) == 0 || memcmp(p, "mime_type", 9) == 0;
    case 10: return memcmp(p, "expires_at", 10) == 0 || memcmp(p, "created_at", 10) == 0;
    case 11: return memcmp(p, "tool_use_id", 11) == 0 || memcmp(p, "stop_reason", 11) == 0;
    case 12: return memcmp(p, "tool_call_id", 12) == 0;
    case 13: return memcmp(p, "stop_sequence", 13) == 0 || memcmp(p, "finish_reason", 13) == 0;
    default: return 0;
    }
}

/// A member of something generated that has no place of its own.
static inline uint8_t fg_llm_other_member(const uint8_t *p, size_t n) {
    // What was spoken stands beside its sound.
    FG_LLM_NAME("transcript", FG_LLM_PART)
    FG_LLM_NAME("url_citation", FG_LLM_CITATION)
    return fg_llm_says_nothing(p, n) ? FG_LLM_NONE : FG_LLM_OTHER;
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
        FG_LLM_NAME("tool_plan", FG_LLM_PART)
        return 0;
    case 10:
        FG_LLM_NAME("tool_calls", FG_LLM_PART)
        FG_LLM_NAME("transcript", FG_LLM_PART)
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

static inline uint8_t fg_llm_generated_member(const uint8_t *p, size_t n) {
    const uint8_t known = fg_llm_part_member(p, n);
    return known ? known : fg_llm_other_member(p, n);
}

static inline __attribute__((always_inline)) uint8_t fg_llm_root_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 4:
        FG_LLM_NAME("type", FG_LLM_TYPE)
        FG_LLM_NAME("done", FG_LLM_DONE)
        FG_LLM_NAME("meta", FG_LLM_COHERE_USAGE)
        FG_LLM_NAME("code", FG_LLM_ERROR_CODE)
        FG_LLM_NAME("data", FG_LLM_PICTURE)
        FG_LLM_NAME("item", FG_LLM_OTHER)
        FG_LLM_NAME("part", FG_LLM_OTHER)
        FG_LLM_NAME("step", FG_LLM_OTHER)
        return 0;
    case 5:
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("delta", FG_LLM_DELTA)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        FG_LLM_NAME("start", FG_LLM_PART)
        FG_LLM_NAME("audio", FG_LLM_OTHER)
        FG_LLM_NAME("steps", FG_LLM_OUTPUT)
        return 0;
    case 6:
        FG_LLM_NAME("output", FG_LLM_OUTPUT)
        FG_LLM_NAME("status", FG_LLM_STATUS)
        FG_LLM_NAME("x_groq", FG_LLM_X_GROQ)
        return 0;
    case 7:
        FG_LLM_NAME("choices", FG_LLM_CHOICE)
        FG_LLM_NAME("message", FG_LLM_MESSAGE)
        FG_LLM_NAME("content", FG_LLM_PART)
        FG_LLM_NAME("results", FG_LLM_RESULT)
        FG_LLM_NAME("outputs", FG_LLM_OUTPUT)
        FG_LLM_NAME("timings", FG_LLM_SIDE_USAGE)
        return 0;
    case 8:
        FG_LLM_NAME("response", FG_LLM_RESPONSE)
        FG_LLM_NAME("metadata", FG_LLM_METADATA)
        FG_LLM_NAME("thinking", FG_LLM_PART)
        FG_LLM_NAME("b64_json", FG_LLM_OTHER)
        FG_LLM_NUMBER("duration", FG_USAGE_DURATION)
        return 0;
    case 9:
        FG_LLM_NAME("base_resp", FG_LLM_BASE)
        return 0;
    case 10:
        FG_LLM_NAME("usage_info", FG_LLM_PAGE_USAGE)
        FG_LLM_NAME("candidates", FG_LLM_CANDIDATE)
        FG_LLM_NAME("event_type", FG_LLM_TYPE)
        FG_LLM_NAME("tool_usage", FG_LLM_TOOL_USAGE)
        FG_LLM_NUMBER("eval_count", FG_USAGE_COMPLETION)
        return 0;
    case 11:
        FG_LLM_NAME("interaction", FG_LLM_INTERACTION)
        FG_LLM_NAME("serviceTier", FG_LLM_TIER)
        FG_LLM_NAME("stop_reason", FG_LLM_FINISH)
        return 0;
    case 12:
        FG_LLM_NAME("modelVersion", FG_LLM_MODEL)
        FG_LLM_NAME("service_tier", FG_LLM_TIER)
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
        FG_LLM_NAME("partial_image_b64", FG_LLM_OTHER)
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

/// Beside what all answers may have. The others' `text` tells what was told before.
static __attribute__((noinline)) uint8_t fg_llm_native_root_member(const uint8_t *p, size_t n) {
    FG_LLM_NAME("text", FG_LLM_PART)
    FG_LLM_NAME("tool_calls", FG_LLM_PART)
    FG_LLM_NAME("tool_call_delta", FG_LLM_PART)
    FG_LLM_NAME("generation", FG_LLM_PART)
    FG_LLM_NAME("generations", FG_LLM_PART)
    FG_LLM_NAME("completion", FG_LLM_PART)
    FG_LLM_NAME("outputText", FG_LLM_PART)
    FG_LLM_NAME("contentBlockDelta", FG_LLM_CHOICE)
    // What Amazon's services say where they do not know the path.
    FG_LLM_NAME("Output", FG_LLM_ERROR)
    return fg_llm_root_member(p, n);
}

static inline uint8_t fg_llm_gemini_usage_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 11:
        FG_LLM_NAME("serviceTier", FG_LLM_TIER)
        FG_LLM_NAME("trafficType", FG_LLM_TIER)
        return 0;
    case 15:
        FG_LLM_NUMBER("totalTokenCount", FG_USAGE_TOTAL)
        return 0;
    case 16:
        FG_LLM_NUMBER("promptTokenCount", FG_USAGE_PROMPT)
        return 0;
    case 18:
        FG_LLM_NUMBER("thoughtsTokenCount", FG_USAGE_THOUGHTS)
        FG_LLM_NUMBER("responseTokenCount", FG_USAGE_ANSWER)
        FG_LLM_NAME("cacheTokensDetails", FG_LLM_CACHED_PARTS)
        FG_LLM_NAME("promptTokenDetails", FG_LLM_PROMPT_PARTS)
        return 0;
    case 19:
        FG_LLM_NAME("promptTokensDetails", FG_LLM_PROMPT_PARTS)
        return 0;
    case 20:
        FG_LLM_NUMBER("candidatesTokenCount", FG_USAGE_ANSWER)
        return 0;
    case 21:
        FG_LLM_NAME("responseTokensDetails", FG_LLM_ANSWER_PARTS)
        return 0;
    case 23:
        FG_LLM_NUMBER("cachedContentTokenCount", FG_USAGE_CACHED)
        FG_LLM_NUMBER("toolUsePromptTokenCount", FG_USAGE_TOOL_PROMPT)
        FG_LLM_NAME("candidatesTokensDetails", FG_LLM_ANSWER_PARTS)
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
        FG_LLM_NAME("input", FG_LLM_REQUEST_INPUT)
        FG_LLM_NAME("tools", FG_LLM_TOOLS)
        FG_LLM_NAME("speed", FG_LLM_SPEED)
        FG_LLM_NAME("pages", FG_LLM_PAGES)
        return 0;
    case 6:
        FG_LLM_NAME("stream", FG_LLM_REQUEST_STREAM)
        FG_LLM_NAME("system", FG_LLM_PROMPT)
        FG_LLM_NAME("prompt", FG_LLM_TEXTS)
        FG_LLM_NAME("models", FG_LLM_OTHER_MODELS)
        return 0;
    case 7:
        FG_LLM_NAME("best_of", FG_LLM_BEST_OF)
        FG_LLM_NAME("options", FG_LLM_GENERATION)
        return 0;
    case 8:
        FG_LLM_NAME("messages", FG_LLM_PROMPT)
        FG_LLM_NAME("contents", FG_LLM_PROMPT)
        FG_LLM_NAME("document", FG_LLM_DOCUMENT)
        return 0;
    case 9:
        FG_LLM_NAME("fallbacks", FG_LLM_OTHER_MODELS)
        return 0;
    case 10:
        FG_LLM_NAME("max_tokens", FG_LLM_MAX_TOKENS)
        return 0;
    case 11:
        FG_LLM_NAME("max_gen_len", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("serviceTier", FG_LLM_TIER)
        return 0;
    case 12:
        FG_LLM_NAME("service_tier", FG_LLM_TIER)
        FG_LLM_NAME("conversation", FG_LLM_ELSEWHERE)
        return 0;
    case 13:
        FG_LLM_NAME("cachedContent", FG_LLM_ELSEWHERE)
        return 0;
    case 14:
        FG_LLM_NAME("stream_options", FG_LLM_STREAM_OPTIONS)
        FG_LLM_NAME("cached_content", FG_LLM_ELSEWHERE)
        return 0;
    case 15:
        FG_LLM_NAME("inferenceConfig", FG_LLM_GENERATION)
        return 0;
    case 16:
        FG_LLM_NAME("generationConfig", FG_LLM_GENERATION)
        return 0;
    case 17:
        FG_LLM_NAME("max_output_tokens", FG_LLM_MAX_OUTPUT_TOKENS)
        FG_LLM_NAME("generation_config", FG_LLM_GENERATION)
        FG_LLM_NAME("systemInstruction", FG_LLM_PROMPT)
        return 0;
    case 18:
        FG_LLM_NAME("web_search_options", FG_LLM_SEARCH)
        return 0;
    case 20:
        FG_LLM_NAME("previous_response_id", FG_LLM_ELSEWHERE)
        FG_LLM_NAME("max_tokens_to_sample", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("textGenerationConfig", FG_LLM_GENERATION)
        return 0;
    case 21:
        FG_LLM_NAME("max_completion_tokens", FG_LLM_MAX_COMPLETION_TOKENS)
        return 0;
    case 22:
        FG_LLM_NAME("bbox_annotation_format", FG_LLM_ANNOTATION)
        return 0;
    case 23:
        FG_LLM_NAME("previous_interaction_id", FG_LLM_ELSEWHERE)
        return 0;
    case 26:
        FG_LLM_NAME("document_annotation_format", FG_LLM_ANNOTATION)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_prompt_member(const uint8_t *p, size_t n) {
    switch (n) {
    case 3:
        FG_LLM_NAME("uri", FG_LLM_ELSEWHERE)
        return 0;
    case 4:
        FG_LLM_NAME("type", FG_LLM_PROMPT_TYPE)
        FG_LLM_NAME("file", FG_LLM_MEDIA)
        FG_LLM_NAME("data", FG_LLM_MEDIA)
        return 0;
    case 5:
        FG_LLM_NAME("parts", FG_LLM_PROMPT)
        FG_LLM_NAME("image", FG_LLM_IMAGE)
        FG_LLM_NAME("video", FG_LLM_MEDIA)
        return 0;
    case 6:
        FG_LLM_NAME("source", FG_LLM_SOURCE)
        FG_LLM_NAME("images", FG_LLM_IMAGE)
        return 0;
    case 7:
        FG_LLM_NAME("content", FG_LLM_PROMPT)
        FG_LLM_NAME("file_id", FG_LLM_ELSEWHERE)
        return 0;
    case 8:
        FG_LLM_NAME("fileData", FG_LLM_MEDIA)
        FG_LLM_NAME("file_url", FG_LLM_ELSEWHERE)
        FG_LLM_NAME("document", FG_LLM_MEDIA)
        return 0;
    case 9:
        FG_LLM_NAME("image_url", FG_LLM_IMAGE)
        FG_LLM_NAME("file_data", FG_LLM_MEDIA)
        FG_LLM_NAME("video_url", FG_LLM_MEDIA)
        return 0;
    case 10:
        FG_LLM_NAME("inlineData", FG_LLM_SOURCE)
        return 0;
    case 11:
        FG_LLM_NAME("input_audio", FG_LLM_SOUND)
        FG_LLM_NAME("inline_data", FG_LLM_SOURCE)
        return 0;
    default: return 0;
    }
}

static inline uint8_t fg_llm_source_member(const uint8_t *p, size_t n) {
    FG_LLM_NAME("data", FG_LLM_SOURCE_DATA)
    FG_LLM_NAME("url", FG_LLM_SOURCE_DATA)
    FG_LLM_NAME("file_id", FG_LLM_SOURCE_DATA)
    FG_LLM_NAME("content", FG_LLM_PROMPT)
    FG_LLM_NAME("media_type", FG_LLM_SOURCE_TYPE)
    FG_LLM_NAME("mimeType", FG_LLM_SOURCE_TYPE)
    FG_LLM_NAME("mime_type", FG_LLM_SOURCE_TYPE)
    return 0;
}

/// The place of the member called p[0 ..< n] of an object in `place`.
static inline uint8_t fg_llm_member(uint8_t place, const uint8_t *p, size_t n) {
    switch (place) {
    case FG_LLM_ROOT: return fg_llm_root_member(p, n);
    case FG_LLM_NATIVE_ROOT: return fg_llm_native_root_member(p, n);
    case FG_LLM_CHOICE:
        FG_LLM_NAME("delta", FG_LLM_PART)
        FG_LLM_NAME("message", FG_LLM_CHOICE_MESSAGE)
        FG_LLM_NAME("finish_reason", FG_LLM_FINISH)
        FG_LLM_NAME("text", FG_LLM_PART)
        FG_LLM_NAME("usage", FG_LLM_SIDE_USAGE)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        return 0;
    case FG_LLM_DELTA:
        FG_LLM_NAME("usage", FG_LLM_COHERE_USAGE)
        FG_LLM_NAME("finish_reason", FG_LLM_FINISH)
        FG_LLM_NAME("stop_reason", FG_LLM_FINISH)
        return fg_llm_generated_member(p, n);
    case FG_LLM_PART:
    case FG_LLM_CHOICE_MESSAGE: return fg_llm_generated_member(p, n);
    case FG_LLM_OTHER:
    case FG_LLM_CITATION: return fg_llm_other_member(p, n);
    case FG_LLM_USAGE:
    case FG_LLM_SIDE_USAGE:
    case FG_LLM_METRICS: return fg_llm_usage_member(p, n);
    case FG_LLM_INPUT_DETAILS:
        FG_LLM_NUMBER("cached_tokens", FG_USAGE_CACHED)
        FG_LLM_NUMBER("cache_write_tokens", FG_USAGE_CACHE_WRITTEN)
        FG_LLM_NUMBER("audio_tokens", FG_USAGE_INPUT_AUDIO)
        FG_LLM_NUMBER("image_tokens", FG_USAGE_INPUT_IMAGE)
        FG_LLM_NAME("cached_tokens_details", FG_LLM_CACHED_DETAILS)
        FG_LLM_NUMBER("cache_creation_input_tokens", FG_USAGE_CACHE_WRITTEN)
        FG_LLM_NUMBER("cache_creation_tokens", FG_USAGE_CACHE_WRITTEN)
        FG_LLM_NAME("cache_creation", FG_LLM_CACHE_CREATION)
        FG_LLM_NAME("cache_creation_token_details", FG_LLM_CACHE_CREATION)
        FG_LLM_NUMBER("web_search_requests", FG_USAGE_SEARCHES)
        return 0;
    case FG_LLM_CACHED_DETAILS:
        FG_LLM_NUMBER("audio_tokens", FG_USAGE_CACHED_AUDIO)
        return 0;
    case FG_LLM_CACHE_CREATION:
        FG_LLM_NUMBER("ephemeral_1h_input_tokens", FG_USAGE_CACHE_WRITE_LONG)
        return 0;
    case FG_LLM_SERVER_TOOLS:
        FG_LLM_NUMBER("web_search_requests", FG_USAGE_SEARCHES)
        FG_LLM_NUMBER("web_search_calls", FG_USAGE_SEARCHES)
        return 0;
    case FG_LLM_SEARCH:
        FG_LLM_NAME("search_context_size", FG_LLM_SEARCH)
        return 0;
    case FG_LLM_ITERATION: return fg_llm_iteration_member(p, n);
    case FG_LLM_TIER:
        FG_LLM_NAME("type", FG_LLM_TIER)
        return 0;
    case FG_LLM_COST:
        FG_LLM_NUMBER("total_cost", FG_USAGE_COST)
        return 0;
    case FG_LLM_PROMPT_PARTS:
    case FG_LLM_CACHED_PARTS:
    case FG_LLM_ANSWER_PARTS:
        FG_LLM_NAME("modality", FG_LLM_PART_KIND)
        FG_LLM_NAME("tokenCount", FG_LLM_PART_COUNT)
        FG_LLM_NAME("tokens", FG_LLM_PART_COUNT)
        return 0;
    case FG_LLM_OTHER_PARTS:
        FG_LLM_NAME("ttl", FG_LLM_PART_KIND)
        FG_LLM_NAME("inputTokens", FG_LLM_PART_COUNT)
        FG_LLM_NAME("type", FG_LLM_PART_KIND)
        FG_LLM_NAME("count", FG_LLM_PART_COUNT)
        return 0;
    case FG_LLM_OUTPUT_DETAILS:
        FG_LLM_NUMBER("reasoning_tokens", FG_USAGE_REASONING)
        FG_LLM_NUMBER("thinking_tokens", FG_USAGE_REASONING)
        FG_LLM_NUMBER("audio_tokens", FG_USAGE_OUTPUT_AUDIO)
        FG_LLM_NUMBER("image_tokens", FG_USAGE_OUTPUT_IMAGE)
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
        FG_LLM_NUMBER("search_units", FG_USAGE_SEARCHES)
        return 0;
    case FG_LLM_X_GROQ:
        FG_LLM_NAME("usage", FG_LLM_SIDE_USAGE)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        return 0;
    case FG_LLM_MESSAGE:
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("images", FG_LLM_OTHER)
        FG_LLM_NAME("stop_reason", FG_LLM_FINISH)
        return fg_llm_part_member(p, n);
    case FG_LLM_RESPONSE:
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("error", FG_LLM_ERROR)
        FG_LLM_NAME("status", FG_LLM_STATUS)
        FG_LLM_NAME("meta", FG_LLM_COHERE_USAGE)
        FG_LLM_NAME("service_tier", FG_LLM_TIER)
        FG_LLM_NAME("output", FG_LLM_ITEMS)
        FG_LLM_NAME("tool_usage", FG_LLM_TOOL_USAGE)
        return 0;
    case FG_LLM_TOOL_USAGE:
        FG_LLM_NAME("web_search", FG_LLM_TOOL_USAGE)
        FG_LLM_NAME("num_requests", FG_LLM_TOOL_SEARCHES)
        return 0;
    case FG_LLM_OUTPUT:
    case FG_LLM_ITEMS:
        FG_LLM_NAME("type", FG_LLM_ITEM_TYPE)
        FG_LLM_NAME("status", FG_LLM_ITEM_STATUS)
        FG_LLM_NAME("action", FG_LLM_ACTION)
        FG_LLM_NAME("stop_reason", FG_LLM_FINISH)
        return place == FG_LLM_OUTPUT ? fg_llm_generated_member(p, n) : 0;
    case FG_LLM_ACTION:
        FG_LLM_NAME("type", FG_LLM_ACTION_TYPE)
        return 0;
    case FG_LLM_INTERACTION:
        FG_LLM_NAME("usage", FG_LLM_USAGE)
        FG_LLM_NAME("model", FG_LLM_MODEL)
        FG_LLM_NAME("status", FG_LLM_STATUS)
        FG_LLM_NAME("service_tier", FG_LLM_TIER)
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
        FG_LLM_NAME("groundingMetadata", FG_LLM_GROUNDING)
        return 0;
    case FG_LLM_PAGE_USAGE:
        FG_LLM_NUMBER("pages_processed", FG_USAGE_PAGES)
        FG_LLM_NUMBER("pages_processed_annotation", FG_USAGE_ANNOTATED_PAGES)
        return 0;
    case FG_LLM_GROUNDING:
        FG_LLM_NAME("webSearchQueries", FG_LLM_QUERIES)
        return 0;
    case FG_LLM_ERROR: return fg_llm_error_member(p, n);
    case FG_LLM_BASE:
        FG_LLM_NAME("status_code", FG_LLM_BASE_CODE)
        return 0;
    case FG_LLM_ERROR_DETAIL:
        FG_LLM_NAME("reason", FG_LLM_ERROR_REASON)
        return 0;
    case FG_LLM_REQUEST: return fg_llm_request_member(p, n);
    case FG_LLM_TOOLS:
        FG_LLM_NAME("model", FG_LLM_OTHER_MODELS)
        return 0;
    case FG_LLM_STREAM_OPTIONS:
        FG_LLM_NAME("include_usage", FG_LLM_INCLUDE_USAGE)
        return 0;
    case FG_LLM_GENERATION:
        FG_LLM_NAME("maxOutputTokens", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("max_output_tokens", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("maxTokens", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("maxTokenCount", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("num_predict", FG_LLM_MAX_NESTED_TOKENS)
        FG_LLM_NAME("candidateCount", FG_LLM_COUNT)
        return 0;
    case FG_LLM_DOCUMENT:
        FG_LLM_NAME("type", FG_LLM_DOCUMENT_TYPE)
        return 0;
    case FG_LLM_REQUEST_INPUT:
    case FG_LLM_PROMPT: return fg_llm_prompt_member(p, n);
    case FG_LLM_SOURCE: return fg_llm_source_member(p, n);
    default: return 0;
    }
}
