// Which route would take a request, and why not the others.
import { api } from "../api.js";
import { openDialog } from "../dialog.js";
import { h, fill } from "../dom.js";
import { areaField, form, jsonField, textField } from "../form.js";
import { texts } from "../i18n.js";
import { badge } from "../table.js";

const t = texts({
  en: {
    title: "Which route takes it?", method: "Method", path: "Path", headers: "Headers", headersHelp: "Name to value.", body: "Body", bodyHelp: "JSON, or any text.",
    action: "Find the route", takes: (name, target) => `${name} takes it: ${target}`, none: "No route takes it.", refused: "It would be refused: ",
    takesIt: "takes it", matches: "matches", no: "no",
  },
  zh: {
    title: "由哪个路由处理？", method: "方法", path: "路径", headers: "请求头", headersHelp: "名称到值。", body: "请求体", bodyHelp: "JSON 或任意文本。",
    action: "查找路由", takes: (name, target) => `由 ${name} 处理：${target}`, none: "没有路由处理该请求。", refused: "请求会被拒绝：",
    takesIt: "处理", matches: "匹配", no: "否",
  },
});

export function openRouteMatch() {
  const result = h("div", { class: "match-result", "aria-live": "polite" });
  openDialog({ title: t.title, kind: "side" },
    form({
      action: t.action,
      fields: [
        textField("method", { label: t.method, value: "POST", required: true }),
        textField("path", { label: t.path, value: "/v1/chat/completions", required: true }),
        jsonField("headers", { label: t.headers, help: t.headersHelp, kind: "object", rows: 2 }),
        areaField("body", { label: t.body, help: t.bodyHelp, value: '{"model": "gpt-4o"}' }),
      ],
      async submit({ method, path, headers, body }) {
        const request = { method, path };
        if (headers) request.headers = headers;
        // As text: what is sent byte for byte is what is matched.
        if (body !== "") request.body = body;
        fill(result);
        fill(result, explanation(await api.post("/admin/routes/match", request)));
      },
    }), result);
}

function explanation(answer) {
  const verdict = answer.error ? [badge("✕", "bad"), t.refused + answer.error]
    : answer.matched ? [badge("✓", "good"), t.takes(answer.route_name, answer.target_url)]
      : [badge("✕", "warn"), t.none];
  return [
    h("p", { class: "verdict-line" }, verdict),
    h("ol", { class: "candidates" }, answer.candidates.map(one => {
      const takesIt = one.matched && one.route_id === answer.route_id;
      return h("li", { class: takesIt ? "matched" : null }, h("strong", {}, one.route_name),
        badge(takesIt ? t.takesIt : one.matched ? t.matches : t.no, takesIt ? "good" : one.matched ? "info" : ""),
        h("p", { class: "quiet" }, one.reason));
    })),
  ];
}
