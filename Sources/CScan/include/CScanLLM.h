#pragma once
// The members of the providers' requests and answers that somebody asks about, as places in a tree: what a member is
// called below the place that holds it, and what is wanted of it. CScanLLMMembers.h lists the names.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// Places. An array is the place its elements are.
enum {
    FG_LLM_NONE = 0,  ///< nobody asks; skipped whatever it holds

    // Answers.
    FG_LLM_ROOT,          ///< the answer, or one event of a stream
    FG_LLM_NATIVE_ROOT,   ///< the same of APIs that put what was generated there: Cohere's first, Bedrock's models' own
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
    FG_LLM_OTHER,         ///< generated, and neither text nor known: pictures, sound, what somebody adds next year
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
    FG_LLM_BASE,          ///< MiniMax's `base_resp`
    FG_LLM_BASE_CODE,
    FG_LLM_PROMPT_PARTS,  ///< what of the input was sound, pictures, …
    FG_LLM_CACHED_PARTS,
    FG_LLM_ANSWER_PARTS,
    FG_LLM_OTHER_PARTS,   ///< what was written to a cache, by how long it stays there; how often Google searched
    FG_LLM_PART_KIND,
    FG_LLM_PART_COUNT,
    FG_LLM_CACHED_DETAILS,
    FG_LLM_CACHE_CREATION,
    FG_LLM_SERVER_TOOLS,
    FG_LLM_ITERATION,     ///< Anthropic's `iterations`
    FG_LLM_ITERATION_TYPE,
    FG_LLM_TIER,          ///< `service_tier` and its like; of requests, too
    FG_LLM_SPEED,         ///< of requests, too
    FG_LLM_GEO,
    FG_LLM_COST,          ///< what the provider itself says that it costs
    FG_LLM_COST_TICKS,
    FG_LLM_OWN_KEY,       ///< OpenRouter's `is_byok`
    FG_LLM_PICTURE,       ///< one of OpenAI's images
    FG_LLM_OUTPUT,        ///< `output` of a plain answer: content, and OpenAI's items
    FG_LLM_ITEMS,         ///< the same at a stream's end: what is in it was counted when it came
    FG_LLM_ITEM_TYPE,
    FG_LLM_ITEM_STATUS,
    FG_LLM_ACTION,        ///< what a call of a tool has done
    FG_LLM_ACTION_TYPE,
    FG_LLM_GROUNDING,     ///< Gemini's `groundingMetadata`
    FG_LLM_QUERIES,       ///< what it searched for
    FG_LLM_PAGE_USAGE,    ///< `usage_info`
    FG_LLM_TOOL_USAGE,    ///< what OpenAI's own tools did: `tool_usage`, and its `web_search`
    FG_LLM_TOOL_SEARCHES,
    FG_LLM_CITATION,      ///< generated, and says that the web was searched: a chat completion's `url_citation`
    FG_LLM_SEARCH,        ///< how much a search is to find or has found: `search_context_size`, and what holds it in a request

    // Requests.
    FG_LLM_REQUEST,
    FG_LLM_REQUEST_MODEL,
    FG_LLM_REQUEST_INPUT,  ///< `input`: what the model will read, or speak
    FG_LLM_REQUEST_STREAM,
    FG_LLM_STREAM_OPTIONS,
    FG_LLM_INCLUDE_USAGE,
    FG_LLM_GENERATION,    ///< Gemini's `generationConfig`
    FG_LLM_MAX_TOKENS,
    FG_LLM_MAX_COMPLETION_TOKENS,
    FG_LLM_COUNT,         ///< `n`, `candidateCount`
    FG_LLM_BEST_OF,
    FG_LLM_PROMPT,        ///< what the model will read
    FG_LLM_MEDIA,         ///< files within it
    FG_LLM_IMAGE,         ///< pictures within it
    FG_LLM_SOUND,
    FG_LLM_SOURCE,        ///< one of these with its type beside it
    FG_LLM_SOURCE_DATA,
    FG_LLM_SOURCE_TYPE,
    FG_LLM_PROMPT_TYPE,   ///< the type of a part of it
    FG_LLM_ELSEWHERE,     ///< names something that the model reads and that is not here
    FG_LLM_TEXTS,         ///< `prompt`: one text or several
    FG_LLM_TOOLS,
    FG_LLM_OTHER_MODELS,  ///< models beside the one that is named: to be asked if that fails, or by a tool
    FG_LLM_MAX_OUTPUT_TOKENS,
    FG_LLM_MAX_NESTED_TOKENS,
    FG_LLM_DOCUMENT,       ///< to be read page by page
    FG_LLM_DOCUMENT_TYPE,
    FG_LLM_PAGES,          ///< which of its pages
    FG_LLM_ANNOTATION,     ///< how they are to be annotated

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
    FG_USAGE_CACHE_WRITE_LONG, ///< the part of what was written to a cache that stays for an hour
    FG_USAGE_INPUT_AUDIO,
    FG_USAGE_INPUT_IMAGE,
    FG_USAGE_CACHED_AUDIO,
    FG_USAGE_OUTPUT_AUDIO,
    FG_USAGE_OUTPUT_IMAGE,
    FG_USAGE_TOOL_PROMPT,     ///< input beside the prompt, that tools put in
    FG_USAGE_SEARCHES,
    FG_USAGE_PAGES,           ///< that were read
    FG_USAGE_ANNOTATED_PAGES, ///< of these, in a way that costs more
    FG_USAGE_SECONDS,         ///< milliseconds of sound, as the usage has it
    FG_USAGE_DURATION,        ///< the same, as the answer has it
    FG_USAGE_COST,            ///< micro-units
    FG_USAGE_FIELDS,
    FG_LLM_PLACES = FG_LLM_FIELD + FG_USAGE_FIELDS,
};
_Static_assert(FG_LLM_PLACES <= 128, "a place is seven bits in a walk's stack");

/// What is wanted of the value in a place.
enum {
    FG_WANT_DESCEND = 1,   ///< go into objects and arrays
    FG_WANT_STRING = 2,    ///< a string's text
    FG_WANT_COUNT = 4,     ///< the size of a string
    FG_WANT_RAW = 8,       ///< the size of an object or array as written
    FG_WANT_NUMBER = 16,
    FG_WANT_LITERAL = 32,  ///< true, false
    FG_WANT_EDGES = 64,    ///< be told where it begins, and where an object ends
    FG_WANT_SIZE = 128,    ///< as FG_WANT_COUNT, in a count of its own
};

static inline uint8_t fg_llm_wants(uint8_t place) {
    static const uint8_t wants[FG_LLM_FIELD] = {
        [FG_LLM_ROOT] = FG_WANT_DESCEND,
        [FG_LLM_NATIVE_ROOT] = FG_WANT_DESCEND,
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
        [FG_LLM_OTHER] = FG_WANT_DESCEND | FG_WANT_SIZE,
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
        [FG_LLM_BASE] = FG_WANT_DESCEND,
        [FG_LLM_BASE_CODE] = FG_WANT_NUMBER,
        [FG_LLM_PROMPT_PARTS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_CACHED_PARTS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_ANSWER_PARTS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_OTHER_PARTS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_PART_KIND] = FG_WANT_STRING,
        [FG_LLM_PART_COUNT] = FG_WANT_NUMBER,
        [FG_LLM_CACHED_DETAILS] = FG_WANT_DESCEND,
        [FG_LLM_CACHE_CREATION] = FG_WANT_DESCEND,
        [FG_LLM_SERVER_TOOLS] = FG_WANT_DESCEND,
        [FG_LLM_ITERATION] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_ITERATION_TYPE] = FG_WANT_STRING,
        [FG_LLM_TIER] = FG_WANT_DESCEND | FG_WANT_STRING,
        [FG_LLM_SPEED] = FG_WANT_STRING,
        [FG_LLM_GEO] = FG_WANT_STRING,
        [FG_LLM_COST] = FG_WANT_DESCEND | FG_WANT_NUMBER,
        [FG_LLM_COST_TICKS] = FG_WANT_NUMBER,
        [FG_LLM_OWN_KEY] = FG_WANT_LITERAL,
        [FG_LLM_PICTURE] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_OUTPUT] = FG_WANT_DESCEND | FG_WANT_COUNT | FG_WANT_EDGES,
        [FG_LLM_ITEMS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_ITEM_TYPE] = FG_WANT_STRING,
        [FG_LLM_ITEM_STATUS] = FG_WANT_STRING,
        [FG_LLM_ACTION] = FG_WANT_DESCEND,
        [FG_LLM_ACTION_TYPE] = FG_WANT_STRING,
        [FG_LLM_GROUNDING] = FG_WANT_DESCEND,
        [FG_LLM_QUERIES] = FG_WANT_DESCEND | FG_WANT_STRING,
        [FG_LLM_PAGE_USAGE] = FG_WANT_DESCEND,
        [FG_LLM_TOOL_USAGE] = FG_WANT_DESCEND,
        [FG_LLM_TOOL_SEARCHES] = FG_WANT_NUMBER,
        [FG_LLM_CITATION] = FG_WANT_DESCEND | FG_WANT_SIZE | FG_WANT_EDGES,
        [FG_LLM_SEARCH] = FG_WANT_DESCEND | FG_WANT_STRING | FG_WANT_EDGES,
        [FG_LLM_REQUEST] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_REQUEST_MODEL] = FG_WANT_STRING,
        [FG_LLM_REQUEST_INPUT] = FG_WANT_DESCEND | FG_WANT_EDGES,
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
        [FG_LLM_IMAGE] = FG_WANT_RAW | FG_WANT_COUNT | FG_WANT_EDGES,
        [FG_LLM_SOUND] = FG_WANT_RAW | FG_WANT_COUNT | FG_WANT_EDGES,
        [FG_LLM_SOURCE] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_SOURCE_DATA] = FG_WANT_COUNT,
        [FG_LLM_SOURCE_TYPE] = FG_WANT_STRING,
        [FG_LLM_PROMPT_TYPE] = FG_WANT_STRING,
        [FG_LLM_ELSEWHERE] = FG_WANT_STRING | FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_TEXTS] = FG_WANT_STRING | FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_TOOLS] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_OTHER_MODELS] = FG_WANT_DESCEND | FG_WANT_STRING | FG_WANT_EDGES,
        [FG_LLM_MAX_OUTPUT_TOKENS] = FG_WANT_NUMBER,
        [FG_LLM_MAX_NESTED_TOKENS] = FG_WANT_NUMBER,
        [FG_LLM_DOCUMENT] = FG_WANT_DESCEND | FG_WANT_EDGES,
        [FG_LLM_DOCUMENT_TYPE] = FG_WANT_STRING,
        [FG_LLM_PAGES] = FG_WANT_DESCEND | FG_WANT_NUMBER | FG_WANT_EDGES,
        [FG_LLM_ANNOTATION] = FG_WANT_DESCEND | FG_WANT_EDGES,
    };
    return place < FG_LLM_FIELD ? wants[place] : FG_WANT_NUMBER;
}

/// Where text[0 ..< length] first stands in p[0 ..< n]; null if it does not.
const void *fg_find_bytes(const void *p, size_t n, const void *text, size_t length);

#include "CScanLLMMembers.h"
