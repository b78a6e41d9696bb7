"""SPEC: the admin API's view of the audit: rows, filters, exports, counts and series."""

import csv
import io
import json
import re

import pytest

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


# Logs


@pytest.fixture
def logged(site):
    """A site with a known set of rows."""
    site.route(match_path="/logged/*")
    site.upstream.handler = lambda e: e.answer(500 if "fail" in e.request.target else 200, b"12345")
    ids = []
    for i in range(6):
        ids.append(site.call("POST", f"/logged/{i}", b"abc", key=site.key).request_id)
    ids.append(site.call("GET", "/logged/fail").request_id)
    ids.append(site.call("POST", "/logged/stream", b'{"stream":true}').request_id)
    ids.append(site.call("GET", "/nowhere").request_id)
    for request_id in ids:
        site.gateway.audit(request_id)
    site.ids = ids
    return site


def test_log_row(logged):
    row = logged.gateway.audit(logged.ids[0])
    assert re.fullmatch(r"[0-9a-f]{32}", row["id"])
    assert row["api_key"] == logged.key_id and row["source_path"] == f"/{logged.name}"
    assert (row["method"], row["path"], row["status_code"]) == ("POST", "/logged/0", 200)
    assert row["target_url"] == f"http://{logged.upstream.host}/logged/0"
    assert (row["request_size"], row["response_size"]) == (3, 5)
    assert row["ip_address"] == "127.0.0.1"
    for name in ("request_time", "first_response_time", "response_time", "created_at"):
        assert TIME.fullmatch(row[name]), name
        assert row[name].endswith("+08:00")
    assert row["request_time"] <= row["first_response_time"] <= row["response_time"]
    assert row["response_time_ms"] >= 0
    assert row["error_message"] in (None, "")
    one = logged.gateway.admin("GET", f"/admin/logs/{row['id']}")
    assert {k: one[k] for k in ("request_id", "path", "status_code")} == {
        k: row[k] for k in ("request_id", "path", "status_code")
    }


def test_log_filters(logged):
    def find(**query):
        answer = logged.gateway.admin("GET", "/admin/logs", source_path=f"/{logged.name}", limit=100, **query)
        assert answer["total"] == len(answer["items"])
        return {item["request_id"] for item in answer["items"]}

    ids = logged.ids
    assert find() == set(ids)
    assert find(status_code=500) == {ids[6]}
    assert find(status_code=404) == {ids[8]}
    assert find(is_stream="true") == {ids[7]}
    assert find(method="GET") == {ids[6], ids[8]}
    assert find(api_key=logged.key_id) == set(ids)
    assert find(path="/logged/3") == {ids[3]}
    assert find(min_ms=100_000) == set()
    for bad in ("600", "99", "6xx", "400-600", "500,999"):
        for path in ("/admin/logs", "/admin/logs/export"):
            assert logged.gateway.refusal("GET", f"{path}?status_code={bad}", expect=400)["param"] == "status_code"
    assert logged.gateway.refusal("GET", "/admin/logs?min_ms=0x10", expect=400)["param"] == "min_ms"
    for path in ("/admin/logs", "/admin/logs/export"):
        assert logged.gateway.refusal("GET", f"{path}?path=/v1/*%00x", expect=400)["param"] == "path"
        assert logged.gateway.refusal("GET", f"{path}?path=/{'x' * 2048}", expect=400)["param"] == "path"
    first = logged.gateway.audit(ids[0])["request_time"]
    assert find(start_time=first) == set(ids)
    assert find(end_time="2001-01-01") == set()
    assert find(start_time="2001-01-01T00:00:00Z") == set(ids)
    assert ids[8] in find(error="true")


def test_log_items_leave_bodies_out(logged):
    items = logged.gateway.admin("GET", "/admin/logs", source_path=f"/{logged.name}")["items"]
    assert not any("request_body" in item or "response_body" in item for item in items)


def test_log_order_and_cursor(logged):
    def pages(**query):
        found, cursor = [], None
        for _ in range(20):
            answer = logged.gateway.admin(
                "GET", "/admin/logs", source_path=f"/{logged.name}", limit=4, cursor=cursor, **query
            )
            found += [item["request_id"] for item in answer["items"]]
            cursor = answer["next_cursor"]
            if not cursor:
                return found
        raise AssertionError("the cursor never ends")

    newest_first = pages()
    assert sorted(newest_first) == sorted(logged.ids) and len(set(newest_first)) == len(logged.ids)
    assert pages(order="asc") == list(reversed(pages(order="desc")))
    offset = logged.gateway.admin("GET", "/admin/logs", source_path=f"/{logged.name}", limit=2, offset=2)
    assert [item["request_id"] for item in offset["items"]] == newest_first[2:4]


@pytest.mark.parametrize(
    "query, param",
    [
        ({"limit": "x"}, "limit"),
        ({"limit": -1}, "limit"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"status_code": "abc"}, "status_code"),
        ({"order": "sideways"}, "order"),
        ({"cursor": "!!"}, "cursor"),
    ],
)
def test_bad_log_filters_name_the_field(gateway, query, param):
    answer = gateway.admin("GET", "/admin/logs", expect=(400, 422), **query)
    assert answer["error"]["param"] == param


def test_log_export(logged):
    source = f"/{logged.name}"

    def export(kind):
        path = f"/admin/logs/export?format={kind}&fields=request_id,status_code,path&source_path={source}"
        status, headers, data = logged.gateway.admin_raw("GET", path)
        assert status == 200
        return headers["Content-Type"], data.decode()

    kind, text = export("csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert "csv" in kind and list(rows[0]) == ["request_id", "status_code", "path"]
    assert {row["request_id"] for row in rows} == set(logged.ids)
    kind, text = export("json")
    assert "json" in kind
    rows = json.loads(text)
    rows = rows["items"] if isinstance(rows, dict) else rows
    assert {row["request_id"] for row in rows} == set(logged.ids)
    kind, text = export("ndjson")
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["request_id"] for row in rows} == set(logged.ids)
    assert all(set(row) == {"request_id", "status_code", "path"} for row in rows)


def test_csv_export_defuses_formulas(site):
    """A user agent that begins with = + - @ must not become a formula in a spreadsheet."""
    site.route()
    site.gateway.audit(site.call(headers=[("User-Agent", "=1+1")]).request_id)
    path = f"/admin/logs/export?format=csv&fields=user_agent&source_path=/{site.name}"
    _, _, data = site.gateway.admin_raw("GET", path)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert rows and not rows[0]["user_agent"].startswith("=")


# Counts and series


def test_metrics_json(logged):
    answer = logged.gateway.admin("GET", "/admin/metrics")
    names = {"total_requests", "total_errors", "success_rate", "avg_response_time", "avg_first_byte_ms"}
    names |= {"active_api_keys", "active_routes", "last_hour_requests", "top_paths", "status_codes"}
    assert names <= set(answer)
    assert answer["total_requests"] >= len(logged.ids)
    assert answer["active_routes"] >= 1 and answer["active_api_keys"] >= 1


@pytest.mark.parametrize("path, buckets", [("/admin/metrics/hourly?hours=24", 24), ("/admin/metrics/daily?days=7", 7)])
def test_metrics_series(logged, path, buckets):
    answer = logged.gateway.admin("GET", path)
    items = answer["items"] if isinstance(answer, dict) else answer
    assert 1 <= len(items) <= buckets + 1
    counts = [next(v for k, v in item.items() if k in ("requests", "count", "total_requests")) for item in items]
    assert sum(counts) >= len(logged.ids)
