"""docs/security.md's tables are what is tested: each row's inputs, as one write and split at every byte."""

import re

import hostile_cases
import pytest
from harness import Truncated
from harness.client import Malformed
from harness.gateway import ROOT

# Rows about time or state have no bytes of their own: the tests that show them.
ELSEWHERE = {
    "body-long": "test_bodies.py::test_max_body_size",
    "json-conflict": "test_edges.py::test_a_later_member_that_another_route_asks_for",
    "head-slow": "test_timeouts.py::test_slow_head_is_408",
    "body-slow": "test_timeouts.py::test_slow_body_is_408",
    "body-trickle": "test_limits.py::test_a_body_that_trickles_is_408",
    "idle": "test_timeouts.py::test_idle_kept_alive_connection_is_closed_silently",
    "reader-stuck": "test_timeouts.py::test_stuck_reader_is_given_up",
    "reader-slow": "test_limits.py::test_a_reader_below_the_rate_is_cut_off",
    "memory": "test_limits.py::test_full_buffers_turn_new_requests_away",
    "address": "test_limits.py::test_connections_of_one_address",
    "connections": "test_limits.py::test_more_connections_than_may_be",
    "unsolicited": "test_limits.py::test_bytes_on_an_idle_connection_are_no_answer",
    "early": "test_http.py::test_early_final_answer_to_an_upload",
    "silence": "test_timeouts.py::test_upstream_that_never_answers_is_504",
    "stall": "test_timeouts.py::test_stalled_stream_is_cut_short",
}


def rows(section: str) -> dict[str, list[str]]:
    """A section's table: id -> its other cells."""
    text = (ROOT / "docs" / "security.md").read_text()
    text = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if match := re.fullmatch(r"`([a-z0-9-]+)`", cells[0]) if line.startswith("| `") else None:
            assert match[1] not in found, f"{match[1]} twice"
            found[match[1]] = cells[1:]
    return found


REQUEST_ROWS = rows("Hostile requests")
RESPONSE_ROWS = rows("Hostile answers")


def test_every_row_has_its_test_and_every_test_its_row():
    tested = set(hostile_cases.REQUESTS) | set(hostile_cases.RESPONSES) | set(ELSEWHERE)
    assert tested == set(REQUEST_ROWS) | set(RESPONSE_ROWS)
    for place in ELSEWHERE.values():
        file, name = place.split("::")
        assert f"def {name}(" in (ROOT / "Tests" / "EndToEnd" / file).read_text(), place


def pieces(data: bytes, split: bool) -> list[bytes]:
    """The bytes as one, or each on its own; of long inputs only those at both ends are."""
    if not split:
        return [data]
    edge = 600
    if len(data) <= 2 * edge:
        return [data[i : i + 1] for i in range(len(data))]
    return pieces(data[:edge], True) + [data[edge:-edge]] + pieces(data[-edge:], True)


WAYS = pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])


@WAYS
@pytest.mark.parametrize("row", hostile_cases.REQUESTS)
def test_requests(site, row, split):
    _, status, ending = REQUEST_ROWS[row]
    if row == "ambiguous-path":
        site.route(match_path="/open/admin", priority=1)
    site.route(priority=2)
    own = b"x-test: %b\r\nAuthorization: Bearer %b\r\n" % (site.name.encode(), site.key.encode())
    for number, case in enumerate(hostile_cases.REQUESTS[row]):
        site.upstream.clear()
        data = case.replace(b"@@", own)
        with site.connect() as connection:
            for piece in pieces(data, split):
                if not connection.send_if_open(piece):
                    break
            response = connection.read_response()
            if status == "forwarded":
                assert response.status == 200, (number, case, response)
                assert site.upstream.wait_requests() is not None
                assert b"stolen" not in site.upstream.raw.lower(), (number, case)
                assert (b"Cookie: kept" in case) == (b"Cookie: kept" in site.upstream.raw), (number, case)
                continue
            assert response.status == int(status), (number, case[:200], response)
            assert response.json()["error"]["code"], case
            if ending == "closed":
                assert connection.wait_closed(), f"{case!r}: more behind the refusal: {bytes(connection.buffer[:200])!r}"
            else:
                assert connection.request("GET", "/", site.headers()).status == 200
        assert not any(request.complete and request.target != "/" for request in site.upstream.requests), (number, case)
    assert site.call().status == 200, "the gateway is as it was"


@WAYS
@pytest.mark.parametrize("row", hostile_cases.RESPONSES)
def test_answers(site, row, split):
    _, seen, ending = RESPONSE_ROWS[row]
    site.route()
    for number, data in enumerate(hostile_cases.RESPONSES[row]):
        used = []

        def script(exchange):
            used.append(exchange.connection)
            exchange.read_body()
            for piece in pieces(data, split):
                exchange.send(piece)
            if row in ("nothing", "cut"):
                exchange.close()
            else:
                assert exchange.wait_gone(), f"{data[:200]!r}: the connection is still open"
                exchange.keep = False

        site.upstream.then(script)
        request_id = site.new_id()
        with site.connect() as connection:
            connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
            if seen == "cut":
                response = connection.read_head()
                with pytest.raises((Truncated, Malformed)):
                    while connection.read_piece(response):
                        pass
                assert not response.complete, (number, data[:200])
            else:
                response = connection.read_response()
                wanted = 502 if seen == "502" else int(data.split(b" ", 2)[1])
                assert response.status == wanted, (number, data[:200], response)
                assert b"evil" not in response.body, data
        if seen != "whole":
            row_in_audit = site.gateway.audit(request_id)
            assert row_in_audit["error_message"], (number, data[:200])
        assert ending == "closed"
        site.upstream.wait(lambda _: used[-1].ended)
        assert site.call().body == b'{"ok":true}', (number, data[:200])
