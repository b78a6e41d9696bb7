// Tokens and money: by day, and by key, model, provider and source.
import { api, withQuery } from "../api.js";
import { barList, timeChart } from "../chart.js";
import { fill, h } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { link, replace } from "../router.js";
import { errorState, loadingState, table } from "../table.js";

const t = texts({
  en: {
    title: "Spend", range: "Time", days: count => `Last ${count} days`, today: "Today", month: "This month", everything: "Ever", chart: currency => `Cost by day, ${currency}`, tokenChart: "Tokens by day",
    input: "Input", output: "Output", cost: "Cost", requests: count => `${count} requests`, tokens: count => `${count} tokens`, none: "no costs", unknown: "cost unknown", unpriced: count => `${count} requests without a price`, findPrices: "Models without a price",
    by: { key: "By key", model: "By model", provider: "By provider", source: "By source", day: "By day" }, nobody: "without a key", nothing: "Nothing yet", detail: "In figures", what: "Day",
    count: "Requests", failed: "Failed", cached: "Cached", total: "Tokens", estimated: "Estimated",
  },
  zh: {
    title: "费用", range: "时间", days: count => `最近 ${count} 天`, today: "今天", month: "本月", everything: "累计", chart: currency => `每日费用（${currency}）`, tokenChart: "每日 token",
    input: "输入", output: "输出", cost: "费用", requests: count => `${count} 次请求`, tokens: count => `${count} token`, none: "没有费用", unknown: "费用未知", unpriced: count => `${count} 次请求无价格`, findPrices: "无价格的模型",
    by: { key: "按密钥", model: "按模型", provider: "按提供商", source: "按来源", day: "按天" }, nobody: "无密钥", nothing: "暂无数据", detail: "数据明细", what: "日期",
    count: "请求数", failed: "失败", cached: "缓存", total: "Token", estimated: "估算",
  },
});

const ranges = [7, 30, 90];
const groups = ["model", "key", "provider", "source"];
/** Of each group; its file has all. They come by tokens, and what costs most may have few of those. */
const shownItems = 10;

async function show(view) {
  const { content, query, signal } = view;
  let range = ranges.includes(Number(query.range)) ? Number(query.range) : 30;
  const body = h("div", { class: "stack" }, loadingState());

  const choice = h("select", { "aria-label": t.range, onchange: () => {
    range = Number(choice.value);
    replace("spend", [], { range });
    load();
  } }, ranges.map(days => h("option", { value: days, selected: days === range }, t.days(days))));

  async function load() {
    try {
      // The gateway's own days, today the last of them.
      const { items: calendar } = await api.get("/admin/metrics/daily", { days: range }, { signal });
      const start = calendar[0].time;
      const ask = group => api.get("/admin/usage", { group_by: group, start_time: start, limit: 1000 }, { signal });
      const [summary, days, ...parts] = await Promise.all([api.get("/admin/metrics/summary", {}, { signal }), ask("day"), ...groups.map(ask)]);
      fill(body, report(calendar.map(point => point.time.slice(0, 10)), start, summary, days, parts));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, errorState(error, load));
    }
  }

  fill(content, view.head(t.title, choice), body);
  await load();
}

/** Costs as text; those of different currencies beside each other. What has no price is not free. */
function costs(totals) {
  if (totals.costs.length === 0) return totals.unpriced > 0 ? t.unknown : t.none;
  return totals.costs.map(money).join(" + ");
}

/** An amount is a decimal of any length; two digits of a whole, three that count of a fraction. */
function money({ amount, currency }) {
  const value = Number(amount);
  return `${value === 0 || value >= 1 ? value.toFixed(2) : value.toPrecision(3).replace(/0+$/, "").replace(/\.$/, "")} ${currency}`;
}

function report(dates, start, summary, days, parts) {
  const byDate = new Map(days.items.map(item => [item.name, item]));
  const values = name => dates.map(date => byDate.get(date)?.[name] ?? 0);
  const chart = (label, series, show, axis) => h("section", { class: "card" }, h("h2", {}, label), timeChart({
    label, type: "bars", times: dates, axisTimes: dates.map(date => date.slice(5)), format: show, axisFormat: axis ?? show, series,
  }));
  const { unpriced } = days.totals;
  return [
    h("div", { class: "cards" }, card(t.today, summary.today), card(t.month, summary.month), card(t.everything, summary.all_time)),
    unpriced > 0 && h("p", { class: "quiet" }, `${t.unpriced(format.number(unpriced))} · `, h("a", { href: link("models", [], { priced: "false" }) }, t.findPrices)),
    days.totals.costs.map(({ currency }) => chart(t.chart(currency), [{
      name: t.cost, kind: "primary",
      values: dates.map(date => Number(byDate.get(date)?.costs.find(cost => cost.currency === currency)?.amount ?? 0)),
    }], value => money({ amount: value, currency }), value => String(Number(value.toPrecision(3))))),
    chart(t.tokenChart, [
      { name: t.input, kind: "primary", values: values("prompt_tokens") }, { name: t.output, kind: "second", values: values("completion_tokens") },
    ], format.compact),
    h("div", { class: "columns two" }, groups.map((group, index) => part(group, parts[index], start))),
    h("details", { class: "fold" }, h("summary", {}, t.detail), csv("day", start), table({
      caption: t.detail, items: [...days.items].reverse(),
      columns: [
        { title: t.what, class: "tight", cell: item => item.name },
        { title: t.count, number: true, cell: item => format.number(item.requests) },
        { title: t.failed, number: true, cell: item => format.number(item.failures) },
        { title: t.input, number: true, cell: item => format.number(item.prompt_tokens) },
        { title: t.cached, number: true, cell: item => format.number(item.cached_tokens) },
        { title: t.output, number: true, cell: item => format.number(item.completion_tokens) },
        { title: t.estimated, number: true, cell: item => format.number(item.estimated) },
        { title: t.cost, number: true, cell: costs },
      ],
    })),
  ];
}

function card(name, totals) {
  return h("div", { class: "card figure" }, h("p", { class: "name" }, name), h("p", { class: "value" }, costs(totals)),
    h("p", { class: "quiet" }, `${t.requests(format.compact(totals.requests))} · ${t.tokens(format.compact(totals.total_tokens))}`));
}

function part(group, { items }, start) {
  // Amounts of one currency are compared by amount, any others only by their tokens.
  const currencies = new Set(items.flatMap(item => item.costs.map(cost => cost.currency)));
  const weight = item => currencies.size === 1 ? Number(item.costs[0]?.amount ?? 0) : item.total_tokens;
  const name = item => item.label ? `${item.label} · ${item.name}` : item.name || t.nobody;
  return h("section", { class: "card", dataset: { group } }, h("h2", {}, t.by[group]),
    items.length === 0 ? h("p", { class: "quiet" }, t.nothing) : barList([...items].sort((one, other) => weight(other) - weight(one)).slice(0, shownItems).map(item => ({
      label: name(item), value: weight(item), text: `${costs(item)} · ${t.tokens(format.compact(item.total_tokens))}`,
      href: group === "key" && item.name ? link("logs", [], { api_key: item.name }) : group === "source" && item.name ? link("logs", [], { source_path: item.name }) : undefined,
    }))),
    csv(group, start));
}

function csv(group, start) {
  return h("p", {}, h("a", {
    class: "button", download: "", dataset: { export: group }, "aria-label": `CSV: ${t.by[group]}`,
    href: withQuery("/admin/usage", { group_by: group, start_time: start, limit: 10000, format: "csv" }),
  }, icon("download"), "CSV"));
}

export const page = { name: "spend", title: t.title, icon: "coins", show };
