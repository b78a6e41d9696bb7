"""Answers of LLM services, as their clients expect them, and scripts of an upstream that gives them."""

from __future__ import annotations

import json

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
WORDS = ["Hel", "lo ", "wor", "ld \u2713"]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def events(*items, names=False):
    """SSE bytes, as OpenAI (data only) or Anthropic (with event names) send them."""
    return [
        (f"event: {item['type']}\n" if names else "").encode() + b"data: " + json.dumps(item).encode() + b"\n\n"
        for item in items
    ]


def openai_stream(exchange):
    exchange.read_body()
    exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    for word in WORDS:
        delta = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        for event in events({**chunk, "choices": [delta]}):
            exchange.chunk(event)
    exchange.chunk(b"data: [DONE]\n\n")
    exchange.last_chunk()


def anthropic_stream(exchange):
    exchange.read_body()
    exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    started = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS
    ]
    ended = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    for event in events(started, block, *deltas, *ended, names=True):
        exchange.chunk(event)
    exchange.last_chunk()


def answers(body: dict, status: int = 200, headers=()):
    """An upstream's script that answers with JSON."""
    return lambda exchange: exchange.answer(
        status, json.dumps(body).encode(), headers=[("Content-Type", "application/json"), *headers]
    )


def sse(*pieces: bytes):
    """An upstream's script that streams these pieces, each in a chunk of its own."""

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        for piece in pieces:
            exchange.chunk(piece)
        exchange.last_chunk()

    return script


def endless(piece: bytes, gone):
    """An upstream's script that streams one piece and then waits until the gateway gives up; sets `gone` then."""

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(piece)
        if exchange.wait_gone():
            gone.set()

    return script


def silent(gone):
    """An upstream's script that takes the request, never answers, and sets `gone` when the gateway gives up."""

    def script(exchange):
        exchange.read_body()
        if exchange.wait_gone():
            gone.set()

    return script


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"\u5317\u4eac"}'}}
CHAT_WITH_CALL = {
    **CHAT,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "tool_calls"}
    ],
}


def chat_call_stream():
    """The call's arguments in three pieces."""
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    function = CALL["function"]

    def chunk(delta, finish=None):
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": function["name"], "arguments": ""}}
    half = len(function["arguments"]) // 2
    parts = [function["arguments"][:half], function["arguments"][half:]]
    chunks = [chunk({"role": "assistant", "tool_calls": [first]})]
    chunks += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in parts]
    chunks += [chunk({}, "tool_calls")]
    return sse(*events(*chunks), b"data: [DONE]\n\n")
