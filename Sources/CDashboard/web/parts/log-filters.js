// The filters of the log: a form whose state is the address, so that a view can be linked.
import { api, withQuery } from "../api.js";
import { h, fill, uniqueID } from "../dom.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";

const t = texts({
  en: {
    range: "Time", any: "All", hour: "Last hour", day: "Last 24 hours", week: "Last 7 days", between: "From – to",
    from: "From", to: "To", status: "Status", statusHint: "4xx, 500-503, none", method: "Method", path: "Path", pathHint: "/v1/chat or *.json",
    key: "Key", source: "Source", slow: "At least ms", kind: "Kind", streams: "Streams", plain: "No streams",
    error: "Outcome", errors: "Errors only", fine: "No errors", more: "More filters", reset: "Reset", export: "Export",
    find: "Request id", open: "Open",
  },
  zh: {
    range: "时间", any: "全部", hour: "最近 1 小时", day: "最近 24 小时", week: "最近 7 天", between: "自定义范围",
    from: "从", to: "到", status: "状态码", statusHint: "4xx, 500-503, none", method: "方法", path: "路径", pathHint: "/v1/chat 或 *.json",
    key: "密钥", source: "来源", slow: "最少毫秒", kind: "类型", streams: "流式", plain: "非流式",
    error: "结果", errors: "仅错误", fine: "仅成功", more: "更多筛选", reset: "重置", export: "导出",
    find: "请求 ID", open: "打开",
  },
});

const hours = { hour: 1, day: 24, week: 168 };

/** The names that stand in the address; all but `range` are the API's own. */
export const filterNames = [
  "range", "start_time", "end_time", "status_code", "method", "path", "api_key", "source_path", "min_ms", "is_stream", "error",
];

/** What the API is asked for the filters of an address. */
export function apiQuery(filters) {
  const { range, ...query } = filters;
  for (const name of ["start_time", "end_time"]) {
    // Browsers leave out seconds that are zero.
    if (query[name]?.length === 16) query[name] += ":00";
  }
  if (range in hours) {
    query.start_time = new Date(Date.now() - hours[range] * 3600000).toISOString();
    delete query.end_time;
  }
  return query;
}

/** The form. `onchange` gets the filters when one has changed; `onopen` the request id to show. */
export function logFilters(filters, { onchange, onopen, signal }) {
  const controls = {};

  function labelled(label, control, name) {
    control.id = uniqueID("filter");
    if (name) {
      control.name = name;
      controls[name] = control;
    }
    return h("div", { class: "filter" }, h("label", { for: control.id }, label), control);
  }
  const input = (name, label, properties = {}) =>
    labelled(label, h("input", { type: "text", value: filters[name] ?? "", autocomplete: "off", spellcheck: "false", ...properties }), name);
  const select = (name, label, options) =>
    labelled(label, h("select", {}, options.map(([key, text]) => h("option", { value: key, selected: key === (filters[name] ?? "") }, text))), name);

  const from = input("start_time", t.from, { type: "datetime-local", step: "1" });
  const to = input("end_time", t.to, { type: "datetime-local", step: "1" });
  const keys = h("select", {}, h("option", { value: "" }, t.any));
  if (filters.api_key) keys.append(h("option", { value: filters.api_key, selected: true }, filters.api_key));

  const hidden = ["api_key", "source_path", "min_ms", "is_stream", "error"].some(name => filters[name]);
  const more = h("div", { class: "filters", id: "more-filters", hidden: !hidden },
    labelled(t.key, keys, "api_key"), input("source_path", t.source), input("min_ms", t.slow, { type: "number", min: "0" }),
    select("is_stream", t.kind, [["", t.any], ["true", t.streams], ["false", t.plain]]),
    select("error", t.error, [["", t.any], ["true", t.errors], ["false", t.fine]]));
  const toggle = h("button", {
    type: "button", class: "button quiet-button", "aria-expanded": String(hidden), "aria-controls": "more-filters", onclick: () => {
      more.hidden = !more.hidden;
      toggle.setAttribute("aria-expanded", String(!more.hidden));
    },
  }, t.more);
  const exports = ["csv", "json", "ndjson"].map(kind =>
    h("a", { class: "button", dataset: { export: kind }, download: `fastgate-logs.${kind}` }, kind.toUpperCase()));

  function state() {
    const values = {};
    for (const [name, control] of Object.entries(controls)) values[name] = control.value.trim();
    if (values.range !== "between") values.start_time = values.end_time = "";
    return values;
  }

  function update() {
    const isBetween = controls.range.value === "between";
    from.hidden = to.hidden = !isBetween;
    for (const one of exports) {
      // Made anew when it is pressed: "the last hour" moves on.
      const place = () => withQuery("/admin/logs/export", { ...apiQuery(state()), format: one.dataset.export });
      one.href = place();
      one.onclick = () => { one.href = place(); };
    }
  }

  function changed() {
    update();
    onchange(state());
  }

  const id = h("input", { type: "search", placeholder: "req_…", autocomplete: "off", spellcheck: "false", required: true });
  const search = h("form", { class: "find", role: "search", onsubmit: event => {
    event.preventDefault();
    onopen(id.value.trim());
  } }, labelled(t.find, id), h("button", { class: "button" }, icon("search"), t.open));

  const element = h("section", { class: "card log-filters" },
    h("form", { onsubmit: event => event.preventDefault(), onchange: changed },
      h("div", { class: "filters" },
        select("range", t.range, [["", t.any], ["hour", t.hour], ["day", t.day], ["week", t.week], ["between", t.between]]),
        from, to,
        input("status_code", t.status, { placeholder: t.statusHint }),
        select("method", t.method, ["", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map(name => [name, name || t.any])),
        input("path", t.path, { placeholder: t.pathHint })),
      more),
    h("div", { class: "filter-line" }, search,
      h("div", { class: "actions" }, toggle,
        h("button", { type: "button", class: "button quiet-button", onclick: () => {
          for (const control of Object.values(controls)) control.value = "";
          changed();
        } }, t.reset),
        h("span", { class: "export", role: "group", "aria-label": t.export }, icon("download"), exports))));
  update();

  // The names of the keys come after the form: it works without.
  api.get("/admin/keys", { limit: 1000 }, { signal }).then(({ items }) => {
    const chosen = keys.value;
    fill(keys, h("option", { value: "" }, t.any), items.map(key => h("option", { value: key.key_id }, `${key.source_path} ${key.key_hint}`)));
    if (chosen && !items.some(key => key.key_id === chosen)) keys.append(h("option", { value: chosen }, chosen));
    keys.value = chosen;
  }).catch(() => {});
  return element;
}
