// Which route or provider would take a request, and why not the others.
import { api } from "../api.js";
import { openDialog } from "../dialog.js";
import { h, fill } from "../dom.js";
import * as format from "../format.js";
import { areaField, form, jsonField, textField } from "../form.js";
import { texts } from "../i18n.js";
import { badge } from "../table.js";

const t = texts({
  en: {
    title: "Which route takes it?", method: "Method", path: "Path", headers: "Headers", headersHelp: "Name to value.", body: "Body", bodyHelp: "JSON, or any text.",
    action: "Find the route", takes: (name, target) => `${name} takes it: ${target}`, none: "No route takes it.", refused: "It would be refused: ",
    takesIt: "takes it", matches: "matches", no: "no", key: "Caller's key", keyHelp: "Its id, if its models, budget and open requests are to count.",
    providers: "Providers", asked: (model, rule) => `No route takes it; a provider of ${model} does: ${rule}.`, share: share => `takes ${share}`, fallback: "fallback", others: count => `${count} others, and why not`, back: time => `back at ${time}`,
  },
  zh: {
    title: "由哪个路由处理？", method: "方法", path: "路径", headers: "请求头", headersHelp: "名称到值。", body: "请求体", bodyHelp: "JSON 或任意文本。",
    action: "查找路由", takes: (name, target) => `由 ${name} 处理：${target}`, none: "没有路由处理该请求。", refused: "请求会被拒绝：",
    takesIt: "处理", matches: "匹配", no: "否", key: "调用方密钥", keyHelp: "填写密钥 ID，则一并考虑其模型、预算与并发限制。",
    providers: "提供商", asked: (model, rule) => `没有路由处理，由 ${model} 的提供商处理：${rule}。`, share: share => `承担 ${share}`, fallback: "后备", others: count => `其余 ${count} 个及原因`, back: time => `${time} 恢复`,
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
        textField("key_id", { label: t.key, help: t.keyHelp }),
      ],
      async submit({ method, path, headers, body, key_id: key }) {
        const request = { method, path };
        if (headers) request.headers = headers;
        // As text: what is sent byte for byte is what is matched.
        if (body !== "") request.body = body;
        if (key) request.key_id = key;
        fill(result);
        fill(result, explanation(await api.post("/admin/routes/match", request)));
      },
    }), result);
}

function explanation(answer) {
  const { provider } = answer;
  const error = answer.error ?? provider?.error;
  const verdict = error ? [badge("✕", "bad"), t.refused + error]
    : answer.matched ? [badge("✓", "good"), t.takes(answer.route_name, answer.target_url)]
      : provider ? [badge("✓", "good"), t.asked(provider.model, provider.rule)]
        : [badge("✕", "warn"), t.none];
  return [
    h("p", { class: "verdict-line" }, verdict),
    list(answer.candidates, one => one.matched, one => {
      const takesIt = one.matched && one.route_id === answer.route_id;
      return h("li", { class: takesIt ? "matched" : null }, h("strong", {}, one.route_name),
        badge(takesIt ? t.takesIt : one.matched ? t.matches : t.no, takesIt ? "good" : one.matched ? "info" : ""),
        h("p", { class: "quiet" }, one.reason));
    }),
    provider && h("h3", {}, t.providers),
    provider && list(provider.candidates, one => one.usable, candidate),
  ];
}

/** Candidates in their order; of many, those that are none are folded away, so that the others can be found. */
function list(candidates, isOne, item) {
  const others = candidates.filter(one => !isOne(one));
  if (others.length <= 10) return h("ol", { class: "candidates" }, candidates.map(item));
  return [
    h("ol", { class: "candidates" }, candidates.filter(isOne).map(item)),
    h("details", { class: "fold" }, h("summary", {}, t.others(others.length)), h("ol", { class: "candidates" }, others.map(item))),
  ];
}

function candidate(one) {
  const part = one.share === 1 ? t.takesIt : one.share > 0 ? t.share(format.percent(one.share)) : one.usable ? t.fallback : t.no;
  return h("li", { class: one.share > 0 ? "matched" : null }, h("strong", {}, one.model ? `${one.provider}/${one.model}` : one.provider),
    badge(part, one.share > 0 ? "good" : one.usable ? "info" : ""),
    h("p", { class: "quiet" }, one.reason, one.back_at && ` · ${t.back(format.exactTime(one.back_at))}`));
}
