"""SPEC section 10: /admin/routes/match says what the data plane does."""

import json
import random

import pytest

METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
SEGMENTS = ["v1", "v2", "chat", "models", "a.json", "x-y", "%41", "ü"]
MODELS = ["gpt-4o", "gpt-4", "claude", "m/n:free", 'qu"ote', ""]


def some_path(random):
    path = "/" + "/".join(random.choice(SEGMENTS[:-1]) for _ in range(random.randint(1, 4)))
    return path + random.choice(["", "", "", "/", "?a=1", "?key=1&b=2"])


def some_pattern(random):
    return random.choice(
        ["*", "/v1/*", "/v1/**", "/{one}", "/{one}/{two}", "*.json", "/v2*", "/v1/chat", "/v1/{name}/chat", "/*/models"]
    )


def some_schema(random):
    return random.choice(
        [
            {"model": random.choice(MODELS)},
            {"model": random.choice(MODELS), "n": random.choice([1, 1.0, "1", True, None])},
            {"stream": True},
            {"options": {"a": [1, 2]}},
            {"type": "object", "required": ["model"]},
            {"properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]},
            {"not": {"required": ["stream"]}},
        ]
    )


def some_route(random, number, site):
    fields = {
        "route_id": f"{site.name}-{number}",
        "match_path": some_pattern(random),
        # Now and then two of one priority share the load.
        "priority": number - random.choice([0, 0, 0, 1]),
        "weight": random.choice([1, 1, 2, 0]),
        "add_headers": {"x-route": f"{site.name}-{number}"},
    }
    if random.random() < 0.5:
        fields["match_method"] = ",".join(random.sample(METHODS, random.randint(1, 3)))
    if random.random() < 0.4:
        fields["match_headers"] = {
            random.choice(["x-a", "accept", "content-type"]): random.choice(["1", "*/json", "a*c", True, False])
        }
    if random.random() < 0.5:
        fields["match_body_schema"] = some_schema(random)
    return fields


def some_body(random):
    """Text of a body: mostly JSON, with what routes ask about, in forms that say the same, or twice."""
    kind = random.random()
    if kind < 0.25:
        return None
    if kind < 0.35:
        return random.choice(["", "no json", "[1]", '"text"', "{", '{"model":}', "null"])
    model = json.dumps(random.choice(MODELS))
    members = [random.choice(['"model"', '"mod\\u0065l"']) + ":" + model]
    if random.random() < 0.3:
        members.append('"model":' + random.choice([model, json.dumps(random.choice(MODELS))]))
    if random.random() < 0.5:
        members.append('"n":' + random.choice(["1", "1.0", "10e-1", '"1"', "true", "null", "0"]))
    if random.random() < 0.3:
        members.append('"stream":' + random.choice(["true", "false"]))
    if random.random() < 0.2:
        members.append('"options":' + random.choice(['{"a":[1,2]}', '{"a" : [1.0, 2]}', '{"a":[2,1]}']))
    random.shuffle(members)
    return "{" + random.choice([",", " , "]).join(members) + "}"


@pytest.mark.parametrize("seed", range(6))
def test_explain_agrees_with_the_data_plane(site, seed):
    dice = random.Random(seed)
    gateway = site.gateway
    for number in range(1, 13):
        site.route(**some_route(dice, number, site))
    seen = set()
    for _ in range(60):
        method, path, body = dice.choice(METHODS), some_path(dice), some_body(dice)
        headers = []
        if dice.random() < 0.6:
            headers.append(("x-a", dice.choice(["1", "abc", "ac", "2"])))
        if dice.random() < 0.5:
            headers.append((dice.choice(["Accept", "content-type"]), dice.choice(["text/json", "1", "abc"])))
        sent = headers + [("x-test", site.name)]
        question = {"method": method, "path": path, "headers": dict(sent), "body": body}
        answer = gateway.admin("POST", "/admin/routes/match", question)
        site.upstream.clear()
        encoded = None if body is None else body.encode()
        response = site.call(method, path, encoded, headers)
        said = json.dumps([question, answer], indent=1)
        if answer["error"]:
            assert response.status == 400 and not site.upstream.requests, said
            seen.add("error")
        elif not answer["matched"]:
            assert response.status == 404 and not site.upstream.requests, said
            assert not any(c["matched"] for c in answer["candidates"]), said
            seen.add("none")
        else:
            assert response.status == 200, (response.status, response.body, said)
            taken = site.upstream.requests[0].header("x-route")
            by_id = {c["route_id"]: c for c in answer["candidates"]}
            assert by_id[taken]["matched"] and by_id[taken]["reason"].startswith("takes"), (taken, said)
            # Where one route takes all, it is the one that was named.
            if by_id[taken]["reason"] == "takes the request":
                assert taken == answer["route_id"], (taken, said)
                url = f"http://{site.upstream.host}" + site.upstream.requests[0].target
                assert url == answer["target_url"], said
            seen.add("route")
    assert "route" in seen


def test_reasons_name_the_value_that_failed(site):
    site.route(route_id=f"{site.name}-m", match_method="PUT", priority=1)
    site.route(route_id=f"{site.name}-h", match_headers={"x-team": "red"}, priority=2)
    site.route(route_id=f"{site.name}-b", match_body_schema={"model": "gpt-4o"}, priority=3)
    schema = {"properties": {"n": {"maximum": 5}}, "required": ["n"]}
    site.route(route_id=f"{site.name}-s", match_body_schema=schema, priority=4)
    question = {
        "method": "POST",
        "path": "/x",
        "headers": {"x-test": site.name, "X-Team": "blue"},
        "body": {"model": "gpt-4", "n": 9},
    }
    answer = site.gateway.admin("POST", "/admin/routes/match", question)
    reasons = {c["route_id"].rsplit("-", 1)[1]: c["reason"] for c in answer["candidates"] if site.name in c["route_id"]}
    assert reasons == {
        "m": "the method is POST, not PUT",
        "h": 'the header x-team is "blue", not "red"',
        "b": 'the body\'s member model is "gpt-4", not "gpt-4o"',
        "s": "the body does not meet match_body_schema at /n (maximum): it is 9",
    }
