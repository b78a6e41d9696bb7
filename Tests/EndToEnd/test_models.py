"""Lists of models: of any length, in each SDK's shape, only what the key may use."""

import json

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from harness.providers import Providers

MANY = [f"made-up/model-{i:05d}-with-a-name-of-some-length:free" for i in range(4000)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("models"), workers=1)
    site.provider("one", models="gpt-a,org/gpt-b:free")
    site.provider("claude", type="anthropic", models="claude-a,claude-b", path="")
    site.provider("gem", type="gemini", models="gemini-a,gemini-b", path="")
    site.alias("smart", "claude/claude-a", "one/gpt-a")
    site.start()
    yield site
    site.close()


def keys(site, **limits) -> str:
    return site.gateway.make_key(**limits)["key_value"]


def openai_names(site, key=None) -> list[str]:
    client = openai.OpenAI(api_key=key or site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    return [model.id for model in client.models.list()]


def anthropic_client(site, key=None):
    return anthropic.Anthropic(api_key=key or site.key, base_url=f"http://127.0.0.1:{site.gateway.port}", max_retries=0)


def google_client(site, key=None):
    return genai.Client(
        api_key=key or site.key, http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{site.gateway.port}"))


def test_openai_lists_all_of_them(site):
    assert openai_names(site) == [
        "smart", "claude-a", "claude-b", "gemini-a", "gemini-b", "gpt-a", "org/gpt-b:free",
        "claude/claude-a", "claude/claude-b", "gem/gemini-a", "gem/gemini-b", "one/gpt-a", "one/org/gpt-b:free",
    ]
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    found = client.models.retrieve("one/org/gpt-b:free")
    assert (found.id, found.owned_by, found.object) == ("one/org/gpt-b:free", "one", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("one/nothing")


def test_anthropic_lists_what_its_messages_can_use(site):
    client = anthropic_client(site)
    expected = ["smart", "claude-a", "claude-b", "claude/claude-a", "claude/claude-b"]
    page = client.models.list()
    assert [model.id for model in page.data] == expected and not page.has_more
    assert (page.first_id, page.last_id) == (expected[0], expected[-1])
    assert page.data[0].type == "model" and page.data[0].display_name == "smart" and page.data[0].created_at
    # In pages, forwards and backwards.
    page = client.models.list(limit=2)
    assert [model.id for model in page.data] == expected[:2] and page.has_more
    assert [model.id for model in client.models.list(limit=2)] == expected
    before = client.models.list(limit=2, before_id="claude/claude-a")
    assert [model.id for model in before.data] == ["claude-a", "claude-b"] and before.has_more
    assert [model.id for model in client.models.list(before_id="claude-a").data] == ["smart"]
    assert client.models.list(after_id="claude/claude-b").data == []
    assert client.models.retrieve("claude/claude-b").id == "claude/claude-b"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("gpt-a")


def test_google_lists_what_its_format_can_use(site):
    client = google_client(site)
    expected = ["models/gemini-a", "models/gemini-b", "models/gem/gemini-a", "models/gem/gemini-b"]
    assert [model.name for model in client.models.list()] == expected
    assert [model.name for model in client.models.list(config={"page_size": 3})] == expected
    assert client.models.get(model="gemini-b").name == "models/gemini-b"
    assert "generateContent" in client.models.get(model="gem/gemini-b").supported_actions
    with pytest.raises(genai.errors.ClientError):
        client.models.get(model="claude-a")


def test_a_key_sees_what_it_may_use(site):
    key = keys(site, allowed_models=["claude/*", "gpt-*"])
    assert openai_names(site, key) == ["smart", "claude-a", "claude-b", "gpt-a", "claude/claude-a", "claude/claude-b", "one/gpt-a"]
    assert [model.id for model in anthropic_client(site, key).models.list()] == [
        "smart", "claude-a", "claude-b", "claude/claude-a", "claude/claude-b"]
    assert list(google_client(site, key).models.list()) == []
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client(site, keys(site, allowed_models=["gpt-*"])).models.retrieve("claude-a")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999999", "after_id=%zz", "after_id=nothing", "limit=&after_id="])
def test_a_page_that_makes_no_sense_is_the_whole_list(site, query):
    answer = site.call(None, f"/v1/models?{query}", method="GET", headers=[("anthropic-version", "2023-06-01")])
    assert answer.status == 200 and len(answer.json()["data"]) == 5


def test_head_says_how_long_the_list_is(site):
    whole = site.call(None, "/v1/models", method="GET")
    head = site.call(None, "/v1/models", method="HEAD")
    assert head.status == 200 and head.body == b""
    assert int(head.header("content-length")) == len(whole.body)


def test_a_list_longer_than_any_buffer(tmp_path):
    site = Providers(tmp_path, workers=1)
    site.start()
    try:
        for name in ("big", "bigger", "biggest"):
            site.gateway.admin("POST", "/admin/providers", {"name": name, "base_url": "http://127.0.0.1:9/v1", "models": MANY}, expect=201)
        answer = site.call(None, "/v1/models", method="GET", timeout=60)
        names = [model["id"] for model in answer.json()["data"]]
        assert len(answer.body) > 1_500_000 and len(names) == len(MANY) * 4
        assert sorted(names[: len(MANY)]) == MANY and f"biggest/{MANY[-1]}" in names
        assert openai_names(site) == names
        # One connection, one after the other, by a reader who takes his time: nothing is lost, nothing is mixed up.
        from harness.client import Connection

        connection = Connection(site.gateway.port, timeout=60)
        for _ in range(3):
            assert connection.request("GET", "/v1/models", site.headers()).body == answer.body
        connection.close()
        assert json.loads(answer.body)["object"] == "list"
    finally:
        site.close()
