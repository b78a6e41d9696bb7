"""The audit seen through the admin API: rows by request id, searches that stop in time, changes that do not collide."""

import json
import sqlite3
import threading

import pytest

# Rows by request id


def test_every_error_leads_to_its_row(site):
    """The request_id in an error's body is enough to find the row."""
    refused = [site.call(key=None), site.call(key="fg_wrong"), site.call(target="/nowhere")]
    for response in refused:
        request_id = json.loads(response.body)["request_id"]
        assert request_id == response.request_id
        site.gateway.audit(request_id)
        row = site.gateway.admin("GET", f"/admin/logs/{request_id}")
        assert row["request_id"] == request_id and row["status_code"] == response.status and row["error_message"]


def test_ids_of_clients_lead_to_rows_too(site):
    site.route()
    for given in (site.new_id(), "0123456789abcdef0123456789abcdef", "req_0123456789ab", f"{site.name}:x.y"):
        given = given if site.name in given else given[: -len(site.name)] + site.name.replace("-", "a")
        response = site.call(headers=[("x-request-id", given)])
        assert response.request_id == given
        site.gateway.audit(given)
        assert site.gateway.admin("GET", f"/admin/logs/{given}")["request_id"] == given
    site.gateway.admin("GET", "/admin/logs/nobody-sent-this", expect=404)


def test_own_ids_are_all_different(site):
    site.route()
    found = set()

    def many():
        with site.connect() as connection:
            for _ in range(300):
                found.add(connection.request("GET", "/", site.headers()).request_id)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1200


# Searches

MANY = 45_000


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A gateway over rows that another program wrote."""
    from harness import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("many"), workers=1).start()
    gateway.stop()
    database = sqlite3.connect(gateway.database_file)
    database.executemany(
        """INSERT INTO audit_logs (id, request_id, method, path, source_path, status_code, response_time_ms,
           request_time, response_time, created_at) VALUES (?, ?, 'POST', ?, '/many', ?, 5, ?, ?, ?)""",
        (
            (
                f"{1_780_000_000_000 + n * 100:012x}{n:020x}",
                f"many-{n}",
                f"/v1/{n % 7}",
                500 if n % 20_000 == 11 else 200,
                *["2026-05-29T04:26:40.000+08:00"] * 3,
            )
            for n in range(MANY)
        ),
    )
    database.execute("UPDATE store_counters SET value = value + ?", (MANY,))
    database.commit()
    database.close()
    gateway.start()
    yield gateway
    gateway.stop()


def pages(gateway, **query):
    found, count = [], 0
    while True:
        page = gateway.admin("GET", "/admin/logs", **query)
        count += 1
        found += [item["request_id"] for item in page["items"]]
        assert (page["searched_up_to"] is None) or page["next_cursor"]
        if not page["next_cursor"]:
            return found, count
        query["cursor"] = page["next_cursor"]


def test_a_search_stops_and_says_how_far_it_came(many):
    page = many.admin("GET", "/admin/logs", source_path="/nobody")
    assert page["items"] == [] and page["total"] == 0 and not page["total_is_exact"]
    assert page["next_cursor"] and page["searched_up_to"].startswith("2026-05-")
    assert pages(many, source_path="/nobody") == ([], 5)
    found, count = pages(many, status_code="5xx", order="asc")
    assert found == ["many-11", "many-20011", "many-40011"] and count <= 5


def test_pages_hold_every_row_once(many):
    found, count = pages(many, path="/v1/3", limit=1000)
    assert found == [f"many-{n}" for n in reversed(range(MANY)) if n % 7 == 3]
    page = many.admin("GET", "/admin/logs", limit=1)
    assert page["total"] == MANY and page["total_is_exact"]


def test_offsets_are_bounded(many):
    assert many.admin("GET", "/admin/logs", offset=10_000, limit=1)["items"][0]["request_id"] == f"many-{MANY - 10_001}"
    error = many.admin("GET", "/admin/logs", offset=10_001, expect=400)["error"]
    assert error["param"] == "offset"


def test_exports_go_through_everything(many):
    path = "/admin/logs/export?format=ndjson&fields=request_id&status_code=500"
    _, _, data = many.admin_raw("GET", path)
    assert [json.loads(line)["request_id"] for line in data.splitlines()] == ["many-40011", "many-20011", "many-11"]
    _, _, data = many.admin_raw("GET", "/admin/logs/export?format=ndjson&fields=id")
    assert len(data.splitlines()) == MANY


# Two operators


def conditional(gateway, method, path, body=None, tag=None):
    status, headers, data = gateway.admin_raw(method, path, body, {"If-Match": tag} if tag else None)
    return status, headers["etag"], json.loads(data) if data else None


def test_lost_updates_are_refused(site):
    route = site.route()
    path = f"/admin/routes/{route['route_id']}"
    _, seen, _ = conditional(site.gateway, "GET", path)
    status, changed, answer = conditional(site.gateway, "PATCH", path, {"priority": 7}, seen)
    assert status == 200 and changed != seen and answer["priority"] == 7
    assert conditional(site.gateway, "GET", path)[1] == changed
    for method, body in (("PATCH", {"priority": 9}), ("DELETE", None)):
        status, current, answer = conditional(site.gateway, method, path, body, seen)
        assert status == 412 and current == changed and answer["error"]["param"] == "if-match"
    assert site.gateway.admin("GET", path)["priority"] == 7
    assert conditional(site.gateway, "PATCH", path, {"priority": 8})[0] == 200


def test_of_two_changes_at_once_one_is_refused(site):
    key = site.new_key()
    path = f"/admin/keys/{key['key_id']}"
    _, seen, _ = conditional(site.gateway, "GET", path)
    statuses = []
    threads = [
        threading.Thread(
            target=lambda n=n: statuses.append(conditional(site.gateway, "PATCH", path, {"rate_limit": n}, seen)[0])
        )
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7


def test_use_of_a_key_changes_no_tag(site):
    site.route()
    key = site.new_key()
    path = f"/admin/keys/{key['key_id']}"
    _, seen, _ = conditional(site.gateway, "GET", path)
    site.gateway.audit(site.call(key=key["key_value"]).request_id)
    status, tag, answer = conditional(site.gateway, "PATCH", path, {"rate_limit": 5}, seen)
    assert status == 200 and answer["usage_count"] == 1
