// What is going on: figures, the last 24 hours, the latest requests.
import { api } from "../api.js";
import { timeChart } from "../chart.js";
import { h, fill } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { link } from "../router.js";
import { errorState, loadingState } from "../table.js";
import { logTable, nothing } from "./logs.js";

const t = texts({
  en: {
    title: "Overview", requests: "Requests", lastHour: count => `${count} in the last hour`, success: "Success", errors: count => `${count} errors`,
    latency: "Response time", median: "p50", tail: "p99", first: "First byte", firstText: "average", streams: "Active streams",
    connections: count => `${count} open to clients`, keys: "Active keys", routes: "Active routes", manage: "Manage",
    day: "Last 24 hours", fine: "ok", failed: "errors", latest: "Latest requests", all: "All logs", none: "No requests yet",
    noneText: "Make a key, and a provider or a route, then send a request to the gateway. It shows up here at once.", makeKey: "Make a key", makeProvider: "Add a provider", makeRoute: "Make a route",
  },
  zh: {
    title: "概览", requests: "请求数", lastHour: count => `最近一小时 ${count}`, success: "成功率", errors: count => `${count} 个错误`,
    latency: "响应时间", median: "p50", tail: "p99", first: "首字节", firstText: "平均", streams: "活动流",
    connections: count => `${count} 个客户端连接`, keys: "有效密钥", routes: "有效路由", manage: "管理",
    day: "最近 24 小时", fine: "成功", failed: "错误", latest: "最新请求", all: "全部日志", none: "还没有请求",
    noneText: "创建密钥，再添加提供商或创建路由，然后向网关发送请求，这里会立即显示。", makeKey: "创建密钥", makeProvider: "添加提供商", makeRoute: "创建路由",
  },
});

async function show(view) {
  const { content, signal } = view;
  const cards = h("div", { class: "cards" });
  const chart = h("div", {});
  const latest = h("div", {}, loadingState());
  fill(content, view.head(t.title), cards,
    h("section", { class: "card" }, h("h2", {}, t.day), chart),
    h("section", {},
      h("header", { class: "section-head" }, h("h2", {}, t.latest), h("a", { href: link("logs") }, t.all)), latest));

  async function showFigures() {
    fill(cards, figures(await api.get("/admin/metrics", {}, { signal })));
  }
  let shown = "";
  async function showChart() {
    const { items } = await api.get("/admin/metrics/hourly", { hours: 24 }, { signal });
    // Drawn anew only if it changed: else a value that is being looked at would go away.
    const state = JSON.stringify(items);
    if (state !== shown) fill(chart, requestChart(items, t.day));
    shown = state;
  }
  let newest = "";
  async function showLatest() {
    const { items } = await api.get("/admin/logs", { limit: 12 }, { signal });
    const state = JSON.stringify(items.map(row => [row.id, row.status_code, row.response_time_ms]));
    if (state === newest) return;
    newest = state;
    fill(latest, items.length > 0 ? logTable(items, id => { location.hash = link("logs", [id]); }) : await nothing({
      title: t.none, text: t.noneText, action: h("div", { class: "actions" },
        h("a", { class: "button", href: link("keys", ["new"]) }, t.makeKey), h("a", { class: "button", href: link("providers") }, t.makeProvider),
        h("a", { class: "button", href: link("routes", ["new"]) }, t.makeRoute)),
    }, signal));
  }

  // While the gateway is away the last figures stay; a page that never had any says why.
  const refresh = action => action().catch(error => {
    if (error.name !== "AbortError" && newest === "" && !signal.aborted) fill(latest, errorState(error, () => refresh(showLatest)));
  });
  view.every(3000, () => refresh(showLatest));
  view.every(5000, () => refresh(showFigures));
  view.every(60000, () => refresh(showChart));
  await Promise.all([showFigures(), showChart(), showLatest()]);
}

function figures(metrics) {
  return [
    card(t.requests, format.compact(metrics.total_requests), t.lastHour(format.compact(metrics.last_hour_requests))),
    card(t.success, format.percent(metrics.success_rate), t.errors(format.compact(metrics.total_errors)), link("logs", [], { error: "true" })),
    card(`${t.latency} ${t.median}`, format.duration(metrics.p50_ms), `p90 ${format.duration(metrics.p90_ms)}`),
    card(`${t.latency} ${t.tail}`, format.duration(metrics.p99_ms), `p95 ${format.duration(metrics.p95_ms)}`),
    card(t.first, format.duration(metrics.avg_first_byte_ms), t.firstText),
    card(t.streams, format.number(metrics.active_streams), t.connections(format.number(metrics.open_client_connections))),
    card(t.keys, format.number(metrics.active_api_keys), t.manage, link("keys")),
    card(t.routes, format.number(metrics.active_routes), t.manage, link("routes")),
  ];
}

function card(name, value, text, href) {
  return h("div", { class: "card figure" }, h("p", { class: "name" }, name), h("p", { class: "value" }, value),
    h("p", { class: "quiet" }, href ? h("a", { href }, text) : text));
}

/** Requests as bars, errors in another colour. Also on the reports. */
export function requestChart(points, label, isDaily = false) {
  return timeChart({
    label, type: "bars", times: points.map(point => format.time(point.time).slice(0, isDaily ? 10 : 16)),
    axisTimes: points.map(point => isDaily ? point.time.slice(5, 10) : point.time.slice(11, 16)), format: format.compact,
    series: [
      { name: t.fine, kind: "primary", values: points.map(point => point.requests - point.errors) },
      { name: t.failed, kind: "bad", values: points.map(point => point.errors) },
    ],
  });
}

export const page = { name: "overview", title: t.title, icon: "overview", show };
