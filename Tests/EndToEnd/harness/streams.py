"""Streams of each API in events, to be sent one by one, and a client that reads as they come."""

import json

from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, USAGE, chunk_of, delta, event


class Streaming:
    """A request whose answer is read as it comes."""

    def __init__(self, site, body, path="/v1/chat/completions", headers=()):
        self.connection = Connection(site.gateway.port, timeout=15)
        self.connection.send(request_bytes(
            "POST", path, site.headers(extra=headers), json.dumps(body).encode()))

    @property
    def received(self) -> bytes:
        return bytes(self.connection.received)

    def until(self, wanted: bytes) -> bytes:
        while wanted not in self.connection.received:
            assert self.connection._fill(), f"{wanted} does not come: {self.received}"
        return self.received

    def rest(self) -> bytes:
        try:
            while self.connection._fill():
                pass
        except OSError:
            pass
        self.connection.close()
        return self.received


# The formats: what a stream opens with, what follows, and how its SDK reads it


def anthropic_events(name, text, opens):
    start = {"type": "message_start", "message": {
        "id": f"msg_{name}", "type": "message", "role": "assistant", "model": name, "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1}}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    rest = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"}]
    items = [start, {"type": "ping"}] if opens == "start" else [start, block, {"type": "ping"}]
    return items, ([block] if opens == "start" else []) + rest


def responses_events(name, text, opens):
    response = {"id": f"resp_{name}", "object": "response", "created_at": 1, "model": name, "status": "in_progress",
                "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    item = {"id": f"item_{name}", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    whole = {**item, "status": "completed", "content": [{**part, "text": text}]}
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    opening = [{"type": "response.created", "response": response}, {"type": "response.in_progress", "response": response}]
    begun = [{"type": "response.output_item.added", "output_index": 0, "item": item},
             {"type": "response.content_part.added", **at, "part": part}]
    rest = [
        {"type": "response.output_text.delta", **at, "delta": text, "logprobs": []},
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {"type": "response.completed", "response": {**response, "status": "completed", "output": [whole], "usage": {
            "input_tokens": 9, "output_tokens": 4, "total_tokens": 13, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0}}}}]
    for number, each in enumerate(opening + begun + rest):
        each["sequence_number"] = number
    return (opening, begun + rest) if opens == "start" else (opening + begun, rest)


def chat_events(name, text, opens):
    opening = [delta(name, role="assistant", content="")]
    rest = [delta(name, content=text), chunk_of(name, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
            chunk_of(name, choices=[], usage=USAGE), b"[DONE]"]
    if opens == "joined":  # the role comes with the first content
        rest[0] = delta(name, role="assistant", content=text)
        return [], rest
    return opening, rest


def gemini_events(name, text, opens):
    def part(text, **more):
        return {"candidates": [{"content": {"parts": [{"text": text}] if text else [], "role": "model"}, **more}],
                "modelVersion": name}
    return [part("")], [part(text), {**part("", finishReason="STOP"), "usageMetadata": {
        "promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}}]


FORMATS = {
    "chat": ("openai", "/v1/chat/completions", chat_events, {"error": {"message": "x", "type": "server_error", "code": 503}}),
    "responses": ("openai", "/v1/responses", responses_events,
                  {"type": "error", "code": "server_error", "message": "x", "param": None, "sequence_number": 9}),
    "messages": ("anthropic", "/v1/messages", anthropic_events,
                 {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
    "gemini": ("gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", gemini_events,
               {"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}),
}


def send(exchange, item):
    name = f"event: {item['type']}\n".encode() if isinstance(item, dict) and "type" in item else b""
    exchange.chunk(name + event(item))


def whole(events, opens="start", text="Hello"):
    """A stream as it should be."""
    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        for part in events("good", text, opens):
            for item in part:
                send(exchange, item)
        exchange.last_chunk()
    return script


def request_of(name):
    if name == "gemini":
        return {"contents": []}
    return {"model": "m", "max_tokens": 9, "messages": [], "input": "Hi", "stream": True}
