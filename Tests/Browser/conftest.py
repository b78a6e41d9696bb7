import json
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests" / "EndToEnd"), str(Path(__file__).parent)]

import history  # noqa: E402
from dashboard import Dashboard  # noqa: E402
from harness import Gateway, Upstream, wait_until  # noqa: E402
from harness.client import Connection  # noqa: E402
from harness.gateway import binary  # noqa: E402

WORDS = "A gateway stands between callers and models , and lets nothing through that it was not asked for .".split()

USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
PROVIDER_KEY = "sk-proj-0123456789abcdefghij-wxyz"


def set_up_providers(gateway, host: str):
    """Two providers, prices, an alias, and a caller who has spent some of what he may."""
    for name, models, weight in [("acme", ["gpt-4o", "gpt-4o-mini"], 3), ("spare", ["gpt-4o"], 1)]:
        gateway.admin("POST", "/admin/providers", {"name": name, "base_url": f"http://{host}/v1", "models": models, "weight": weight})
        gateway.admin("POST", f"/admin/providers/{name}/keys", {"key": PROVIDER_KEY, "label": "team"})
    gateway.admin("PUT", "/admin/prices/acme/gpt-4o", {"input": "2.5", "output": "10", "cached_input": "1.25"})
    gateway.admin("POST", "/admin/aliases", {"name": "smart", "targets": ["acme/gpt-4o", "spare/gpt-4o"]})
    key = gateway.make_key("research/budget", max_amount="25", budget_period="monthly", allowed_models=["gpt-*", "smart"])
    for number in range(3):
        body = json.dumps({"model": "smart", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}).encode()
        headers = [("Host", "gateway.test"), ("Authorization", f"Bearer {key['key_value']}"), ("Content-Type", "application/json")]
        with Connection(gateway.port) as connection:
            assert connection.request("POST", "/openai/v1/chat/completions", headers, body).status == 200
    wait_until(lambda: gateway.admin("GET", "/admin/usage")["totals"]["requests"] == 3, "what it cost is known")


def answer(exchange):
    """An LLM without a model: a stream if one is asked for."""
    body = json.loads(exchange.read_body() or b"{}")
    if exchange.request.target.endswith("/models"):
        right = exchange.request.header("authorization") == f"Bearer {PROVIDER_KEY}"
        return exchange.answer(200 if right else 401, json.dumps({"data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}).encode())
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": " ".join(WORDS)}, "finish_reason": "stop"}
        return exchange.answer(body=json.dumps({"object": "chat.completion", "model": body.get("model"), "choices": [choice], "usage": USAGE}).encode())
    exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    for word in WORDS:
        exchange.chunk(b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": word + " "}}]}).encode() + b"\n\n")
    exchange.chunk(b"data: [DONE]\n\n")
    exchange.last_chunk()


@pytest.fixture(scope="session", autouse=True)
def _ready():
    if not binary().is_file():
        pytest.exit(f"no gateway at {binary()}: build it or set FASTGATE_BIN", returncode=1)
    for tool in ("chromium", "chromedriver"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="session")
def upstream():
    upstream = Upstream(answer)
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, upstream):
    folder = tmp_path_factory.mktemp("gateway")
    history.write(folder / "data" / "fastgate.db", upstream.host)
    config = {"proxy": {"audit_include_body": True}}
    gateway = Gateway(folder, config, env={"OPENAI_API_KEY": "secret-of-the-upstream"}).start()
    gateway.make_route(
        route_id="chat", route_name="Chat", match_path="/v1/chat/completions", match_method="POST", target_host=upstream.host,
        priority=10, description="Conversations, streamed or whole")
    gateway.make_route(
        route_id="claude", route_name="Messages", match_path="/v1/messages", match_method="POST", target_host=upstream.host,
        match_headers={"anthropic-version": "*"}, priority=20)
    gateway.make_route(
        route_id="rest", route_name="Everything else", match_path="/v1/*", target_host=upstream.host, priority=100,
        add_headers={"Authorization": "Bearer ${OPENAI_API_KEY}"})
    set_up_providers(gateway, upstream.host)
    yield gateway
    try:
        gateway.stop()
    finally:
        gateway.kill()
    assert "Fatal error" not in gateway.log, gateway.log[-4000:]


@pytest.fixture(scope="session")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en-GB", "--force-color-profile=srgb",
        "--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync",
        # One at a time on a busy machine: no process for each site.
        "--disable-features=site-per-process,Translate,MediaRouter,OptimizationHints",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Both named: selenium looks for nothing and loads nothing.
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def dashboard(browser, gateway):
    """The dashboard, signed out, in English and light, at 1280 pixels. Nothing may have been said in the console."""
    dashboard = Dashboard(browser, gateway)
    dashboard.reset()
    yield dashboard
    dashboard.check_console()


# Those that the docs show.
DOCS = {"overview-en-light-1280": "overview", "reports-zh-dark-1280": "reports", "keys-en-light-390": "phone", "request": "request"}


@pytest.fixture
def picture(browser):
    """Takes pictures if SCREENSHOTS asks for them: 1 takes those of the docs, a folder gets all."""
    wanted = os.environ.get("SCREENSHOTS")

    def take(name: str):
        if wanted == "1" and name in DOCS:
            file = ROOT / "docs" / "images" / f"{DOCS[name]}.png"
        elif wanted and wanted != "1":
            file = Path(wanted) / f"{name}.png"
        else:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(file))

    return take
