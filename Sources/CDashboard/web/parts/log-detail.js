// One row of the audit, whole: in a dialog at the side.
import { api } from "../api.js";
import { timingBar } from "../chart.js";
import { copyButton, openDialog } from "../dialog.js";
import { h, fill } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { link } from "../router.js";
import { badge, emptyState, errorState, loadingState, statusBadge } from "../table.js";

const t = texts({
  en: {
    title: "Request", missing: "No such request", missingText: id => `The audit has no request ${id}. A request shows up a moment after it came.`,
    summary: "Summary", timing: "Timing", wait: "gateway and upstream, until the first byte", rest: "until the last byte", stream: "stream",
    requestHeaders: "Request headers", responseHeaders: "Response headers", requestBody: "Request body", responseBody: "Response body",
    noHeaders: "Not recorded (proxy.audit_include_headers)", noBody: "Not recorded (proxy.audit_include_body)",
    running: "under way", copyID: "Copy id", key: "Key", source: "Source", target: "Target", began: "Began", size: "Request / response",
    client: "Client", agent: "User agent", error: "Error", chunks: count => `${count} events`, took: "Took", id: "Request id",
    usage: "Model and usage", provider: "Provider", model: "Model", asked: name => `asked for as ${name}`, tokens: "Tokens", tokenText: (input, output) => `${input} in, ${output} out`, estimated: "estimated", cost: "Cost", noPrice: "no price is set",
    beside: "Besides", characters: count => `${count} characters`, pages: count => `${count} pages`, searches: count => `${count} searches`, images: count => `${count} pictures`,
    outcome: "Outcome", attempts: "Failed before", attempt: (provider, reason, took) => `${provider}: ${reason}, after ${took}`, providerKey: "Its key",
  },
  zh: {
    title: "请求", missing: "未找到请求", missingText: id => `审计中没有请求 ${id}。请求到达片刻后才会出现。`,
    summary: "摘要", timing: "耗时", wait: "网关与上游，到首字节", rest: "到末字节", stream: "流",
    requestHeaders: "请求头", responseHeaders: "响应头", requestBody: "请求体", responseBody: "响应体",
    noHeaders: "未记录（proxy.audit_include_headers）", noBody: "未记录（proxy.audit_include_body）",
    running: "进行中", copyID: "复制 ID", key: "密钥", source: "来源", target: "目标", began: "开始时间", size: "请求 / 响应大小",
    client: "客户端", agent: "User-Agent", error: "错误", chunks: count => `${count} 个事件`, took: "总耗时", id: "请求 ID",
    usage: "模型与用量", provider: "提供商", model: "模型", asked: name => `请求名 ${name}`, tokens: "Token", tokenText: (input, output) => `输入 ${input}，输出 ${output}`, estimated: "估算", cost: "费用", noPrice: "未设置价格",
    beside: "其他用量", characters: count => `${count} 个字符`, pages: count => `${count} 页`, searches: count => `${count} 次搜索`, images: count => `${count} 张图片`,
    outcome: "结果", attempts: "此前失败", attempt: (provider, reason, took) => `${provider}：${reason}，耗时 ${took}`, providerKey: "所用密钥",
  },
});

/** Opens the row that a request id, or the id of the row itself, names. */
export async function showLog(name, { signal, onclose }) {
  const body = h("div", {}, loadingState());
  openDialog({ title: t.title, kind: "side", onclose }, body);
  async function load() {
    try {
      const row = await find(name, signal);
      const usage = row?.usage_url ? await api.get(row.usage_url, {}, { signal }) : null;
      fill(body, row ? detail(row, usage) : emptyState({ title: t.missing, text: t.missingText(name), image: "search" }));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, errorState(error, load));
    }
  }
  await load();
}

async function find(name, signal) {
  try {
    return await api.get(`/admin/logs/${encodeURIComponent(name)}`, {}, { signal });
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function detail(row, usage) {
  const facts = [
    [t.id, row.request_id && h("code", {}, row.request_id)],
    [t.began, format.exactTime(row.request_time)],
    [t.source, row.source_path],
    [t.key, row.api_key && h("a", { href: link("logs", [], { api_key: row.api_key }) }, row.api_key)],
    [t.target, row.target_url],
    [t.size, `${format.bytes(row.request_size)} / ${format.bytes(row.response_size)}`],
    [t.client, row.ip_address],
    [t.agent, row.user_agent],
    [t.error, row.error_message && h("span", { class: "problem" }, row.error_message)],
  ];
  return [
    h("p", { class: "request-line" }, statusBadge(row.status_code), h("strong", {}, row.method), h("span", { class: "path" }, row.path)),
    h("p", { class: "request-tags" }, row.is_stream && badge(`${t.stream} · ${t.chunks(format.number(row.stream_chunks))}`),
      row.response_time === null && badge(t.running, "warn"), row.request_id && copyButton(row.request_id, t.copyID)),
    section(t.timing, timing(row)),
    section(t.summary, h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    usage && section(t.usage, usageFacts(usage, row.usage_url)),
    section(t.requestHeaders, headers(row.request_headers)),
    section(t.requestBody, content(row.request_body)),
    section(t.responseHeaders, headers(row.response_headers)),
    section(t.responseBody, content(row.response_body)),
  ];
}

function section(title, ...children) {
  return h("section", { class: "detail" }, h("h3", {}, title), children);
}

/** What the exchange has used of a provider, and what failed before. */
function usageFacts(usage, url) {
  const facts = [
    [t.provider, usage.provider], [t.providerKey, usage.provider_key_id && h("code", {}, usage.provider_key_id)],
    [t.model, [usage.model_served ?? usage.model_requested, usage.model_served && usage.model_served !== usage.model_requested && h("span", { class: "quiet" }, ` (${t.asked(usage.model_requested)})`)]],
    [t.outcome, usage.outcome],
    [t.tokens, [t.tokenText(format.number(usage.prompt_tokens), format.number(usage.completion_tokens)), " ", usage.estimated && badge(t.estimated, "warn")]],
    [t.beside, ["characters", "pages", "searches", "images"].filter(name => usage[name] > 0).map(name => t[name](format.number(usage[name]))).join(", ")],
    [t.cost, usage.cost === null ? t.noPrice : `${usage.cost} ${usage.currency}`],
    [t.attempts, usage.attempts.length > 0 && h("ol", {}, usage.attempts.map(one => h("li", {}, t.attempt(one.provider, [one.reason, one.status_code].filter(part => part).join(" "), format.duration(one.duration_ms)))))],
  ];
  return [
    h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("p", { class: "links" }, h("a", { href: url, target: "_blank", rel: "noopener" }, url)),
  ];
}

/** Where the time went: waiting for the upstream's first byte, then for its last. */
function timing(row) {
  if (row.response_time_ms === null) return h("p", { class: "quiet" }, t.running);
  const whole = row.response_time_ms;
  const first = row.first_response_time === null
    ? whole : Math.min(Math.max(Date.parse(row.first_response_time) - Date.parse(row.request_time), 0), whole);
  return [
    timingBar([
      { name: t.wait, kind: "wait", milliseconds: first, text: format.duration(first) },
      { name: row.is_stream ? t.stream : t.rest, kind: "transfer", milliseconds: whole - first, text: format.duration(whole - first) },
    ]),
    h("p", { class: "quiet" }, `${t.took}: ${format.duration(whole)}`),
  ];
}

function headers(value) {
  if (value === null) return h("p", { class: "quiet" }, t.noHeaders);
  if (typeof value === "string") return h("pre", {}, value);
  return h("dl", { class: "facts headers" }, Object.entries(value).map(([name, one]) =>
    [h("dt", {}, name), h("dd", {}, Array.isArray(one) ? one.join("\n") : String(one))]));
}

function content(text) {
  if (text === null || text === "") return h("p", { class: "quiet" }, t.noBody);
  return h("pre", { tabindex: "0" }, pretty(text));
}

/** JSON with line breaks. Numbers stay as they were sent, however long, and members that are there twice stay twice. */
function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  let result = "";
  let before = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const token of text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const opened = before === "{" || before === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      if (!opened) result += line();
    } else if (opened || before === ",") {
      result += line();
    } else if (before === ":") {
      result += " ";
    }
    if (token === "{" || token === "[") depth += 1;
    result += token.startsWith("\"") ? JSON.stringify(JSON.parse(token)) : token;
    before = token;
  }
  return result;
}
