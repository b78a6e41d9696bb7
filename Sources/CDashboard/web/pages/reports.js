// Looking back: by hour or by day.
import { api } from "../api.js";
import { barList, timeChart } from "../chart.js";
import { fill, h } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { link, replace } from "../router.js";
import { errorState, loadingState, table } from "../table.js";
import { requestChart } from "./overview.js";

const t = texts({
  en: {
    title: "Reports", range: "Time", hours: count => `${count} hours, by hour`, days: count => `${count} days, by day`, requests: "Requests", latency: "Response time", first: "First byte, average",
    statuses: "Status codes, since the audit began", paths: "Top paths, last 24 hours", sources: "Top sources, last 24 hours", series: "In figures",
    time: "Beginning", errors: "Errors", success: "Success", streams: "Streams", sent: "Sent", received: "Received", nothing: "Nothing yet", noStatus: "no answer",
  },
  zh: {
    title: "报表", range: "时间", hours: count => `${count} 小时（按小时）`, days: count => `${count} 天（按天）`, requests: "请求数", latency: "响应时间", first: "首字节平均",
    statuses: "状态码（审计以来）", paths: "热门路径（24 小时）", sources: "热门来源（24 小时）", series: "数据明细",
    time: "起始", errors: "错误", success: "成功率", streams: "流", sent: "响应字节", received: "请求字节", nothing: "暂无数据", noStatus: "无响应",
  },
});

const ranges = { "24h": ["hourly", { hours: 24 }], "72h": ["hourly", { hours: 72 }], "7d": ["daily", { days: 7 }], "30d": ["daily", { days: 30 }], "90d": ["daily", { days: 90 }] };

async function show(view) {
  const { content, query, signal } = view;
  let range = query.range in ranges ? query.range : "24h";
  const body = h("div", { class: "stack" }, loadingState());

  const choice = h("select", { "aria-label": t.range, onchange: () => {
    range = choice.value;
    replace("reports", [], { range });
    load();
  } }, Object.entries(ranges).map(([name, [, { hours, days }]]) =>
    h("option", { value: name, selected: name === range }, hours ? t.hours(hours) : t.days(days))));

  async function load() {
    const [step, parameters] = ranges[range];
    try {
      const [series, metrics] = await Promise.all([
        api.get(`/admin/metrics/${step}`, parameters, { signal }), api.get("/admin/metrics", {}, { signal })]);
      fill(body, report(series.items, metrics, step === "daily"));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, errorState(error, load));
    }
  }

  fill(content, view.head(t.title, choice), body);
  await load();
}

function report(points, metrics, isDaily) {
  const ofBusy = name => points.map(point => point.requests > 0 ? point[name] : null);
  const time = point => format.time(point.time).slice(0, isDaily ? 10 : 16);
  const codes = Object.entries(metrics.status_codes).sort((one, other) => other[1] - one[1]);
  const all = codes.reduce((sum, [, count]) => sum + count, 0);
  return [
    h("section", { class: "card" }, h("h2", {}, t.requests), requestChart(points, t.requests, isDaily)),
    h("section", { class: "card" }, h("h2", {}, t.latency), timeChart({
      label: t.latency, type: "lines", times: points.map(time), axisTimes: points.map(point => isDaily ? point.time.slice(5, 10) : point.time.slice(11, 16)),
      format: format.duration, axisFormat: format.roundDuration,
      series: [
        { name: "p50", kind: "primary", values: ofBusy("p50_ms") },
        { name: "p95", kind: "second", values: ofBusy("p95_ms") },
        { name: "p99", kind: "third", values: ofBusy("p99_ms") },
        { name: t.first, kind: "fourth", values: ofBusy("avg_first_byte_ms") },
      ],
    })),
    h("div", { class: "columns" },
      list(t.statuses, codes.map(([code, count]) => ({
        label: code === "none" ? t.noStatus : code, value: count, text: `${format.number(count)} · ${format.percent(count / all)}`,
        kind: code >= "500" ? "bad" : code >= "400" ? "warn" : "good", href: link("logs", [], { status_code: code }),
      }))),
      list(t.paths, metrics.top_paths.map(({ path, count }) => ({
        label: path, value: count, text: format.number(count), href: link("logs", [], { path, range: "day" }),
      }))),
      list(t.sources, metrics.top_sources.map(({ source_path: source, count }) => ({
        label: source, value: count, text: format.number(count), href: link("logs", [], { source_path: source, range: "day" }),
      })))),
    h("details", { class: "fold" }, h("summary", {}, t.series), table({
      caption: t.series, items: points.filter(point => point.requests > 0).reverse(),
      columns: [
        { title: t.time, class: "tight", cell: time },
        { title: t.requests, number: true, cell: point => format.number(point.requests) },
        { title: t.errors, number: true, cell: point => format.number(point.errors) },
        { title: t.success, number: true, cell: point => format.percent(point.success_rate) },
        { title: t.streams, number: true, cell: point => format.number(point.streams) },
        ...["p50_ms", "p90_ms", "p95_ms", "p99_ms"].map(name => ({ title: name.slice(0, 3), number: true, cell: point => format.duration(point[name]) })),
        { title: t.received, number: true, cell: point => format.bytes(point.request_bytes) },
        { title: t.sent, number: true, cell: point => format.bytes(point.response_bytes) },
      ],
    })),
  ];
}

function list(title, items) {
  return h("section", { class: "card" }, h("h2", {}, title), items.length > 0 ? barList(items) : h("p", { class: "quiet" }, t.nothing));
}

export const page = { name: "reports", title: t.title, icon: "report", show };
