// Who answers LLM requests: providers, how they fare, and their keys.
import { api } from "../api.js";
import { confirmDialog, openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import { areaField, checkField, form, jsonField, numberField, selectField, textField } from "../form.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { link } from "../router.js";
import { badge, emptyState, errorState, errorText, loadingState, table } from "../table.js";
import { showProviderKeys } from "../parts/provider-keys.js";

const t = texts({
  en: {
    title: "Providers", create: "New provider", edit: "Edit provider", none: "No providers yet", noneText: "A request that no route takes goes to a provider of the model it names.",
    name: "Name", nameHelp: "As in provider/model. Cannot be changed.", type: "Format", typeHelp: "Whatever speaks OpenAI's is openai.", url: "Address", urlHelp: "With or without /v1.",
    models: "Models", modelsHelp: "One a line. Empty: the provider is asked.", order: "Order", priority: "Priority", priorityHelp: "Smaller goes first.", weight: "Weight", weightHelp: "Share among equal priorities.",
    strategy: "Choice of keys", timeout: "Timeout (s)", timeoutHelp: "For the next byte. Empty: as configured.", headers: "Headers to set", headersHelp: "${NAME} is filled in from FastGate's environment.", more: "Order and failures",
    enabled: "Takes requests", health: "Health", keys: "Keys", keyless: "without", speed: "First byte", actions: "Actions", manage: "Keys of", toggleOn: "Turn on", toggleOff: "Turn off",
    remove: "Delete", removeTitle: "Delete this provider?", removeText: name => `${name} and its keys are deleted; what was used of it stays. This cannot be undone.`,
    save: "Save", saved: "Saved", deleted: "Deleted", up: "up", down: "down", off: "off", breaker: { open: "circuit open", half_open: "circuit half open" },
    fit: (usable, total) => `${usable} of ${total} usable`, discovered: count => `${count} found`, listed: count => String(count), succeeded: "succeeded",
  },
  zh: {
    title: "提供商", create: "新建提供商", edit: "编辑提供商", none: "还没有提供商", noneText: "没有路由匹配的请求会按模型名转发给提供商。",
    name: "名称", nameHelp: "用于 provider/model，不可修改。", type: "格式", typeHelp: "兼容 OpenAI 的都选 openai。", url: "地址", urlHelp: "可带或不带 /v1。",
    models: "模型", modelsHelp: "每行一个。留空则向提供商查询。", order: "顺序", priority: "优先级", priorityHelp: "数值小的优先。", weight: "权重", weightHelp: "同优先级之间的分配比例。",
    strategy: "密钥选择", timeout: "超时（秒）", timeoutHelp: "等待下一个字节。留空按配置。", headers: "设置请求头", headersHelp: "${NAME} 由 FastGate 的环境变量填充。", more: "顺序与失败处理",
    enabled: "接收请求", health: "健康", keys: "密钥", keyless: "无", speed: "首字节", actions: "操作", manage: "管理密钥", toggleOn: "启用", toggleOff: "停用",
    remove: "删除", removeTitle: "删除该提供商？", removeText: name => `${name} 及其密钥将被删除，用量记录会保留。此操作无法撤销。`,
    save: "保存", saved: "已保存", deleted: "已删除", up: "正常", down: "不可用", off: "停用", breaker: { open: "熔断", half_open: "半开" },
    fit: (usable, total) => `${usable} / ${total} 可用`, discovered: count => `查询到 ${count} 个`, listed: count => `${count}`, succeeded: "成功率",
  },
});

const types = ["openai", "anthropic", "gemini", "azure"];
const strategies = ["first_available", "round_robin", "random", "weighted", "least_busy", "fastest", "healthiest"];

async function show(view) {
  const { content, rest, signal } = view;
  const rows = h("div", { class: "rows" }, loadingState());
  let shown = "";

  async function load() {
    try {
      const { items } = await api.get("/admin/providers", { limit: 1000 }, { signal });
      // Drawn anew only if something changed: a button that has the focus keeps it.
      const state = JSON.stringify(items);
      if (state !== shown || rows.querySelector(".state")) fill(rows, items.length === 0 ? nothing() : providerTable(items, load));
      shown = state;
    } catch (error) {
      if (error.name !== "AbortError" && shown === "") fill(rows, errorState(error, load));
    }
  }

  const nothing = () => emptyState({
    title: t.none, text: t.noneText, image: "cloud",
    action: h("button", { type: "button", class: "button primary", onclick: () => openProviderForm(null, load) }, t.create),
  });

  fill(content,
    view.head(t.title, h("button", { type: "button", class: "button primary", id: "new-provider", onclick: () => openProviderForm(null, load) }, icon("plus"), t.create)),
    rows);
  view.every(5000, load);
  await load();
  if (rest[0]) showProviderKeys({ name: rest[0] }, load);
}

function providerTable(items, load) {
  return table({
    caption: t.title, items, row: one => ({ class: one.enabled ? null : "dimmed", dataset: { id: one.name } }),
    columns: [
      { title: t.name, class: "clip strong", cell: one => h("div", {}, h("div", { class: "clip", title: one.name }, one.name), h("div", { class: "quiet" }, one.api_type)) },
      { title: t.url, class: "clip", cell: one => h("code", {}, one.base_url) },
      { title: t.health, class: "tight", cell: health },
      { title: t.keys, class: "tight", cell: keys },
      { title: t.models, number: true, cell: one => h("a", { href: link("models", [], { provider: one.name }) },
        one.models.length > 0 ? t.listed(one.models.length) : t.discovered(one.discovered_models.length)) },
      { title: t.speed, number: true, cell: one => format.duration(one.health?.first_byte_ms) },
      { title: t.order, number: true, cell: one => `${one.priority} · ${one.weight}` },
      { title: t.actions, hideTitle: true, class: "row-actions", cell: one => actions(one, load) },
    ],
  });
}

function health(one) {
  if (!one.enabled) return badge(t.off);
  const { is_up: isUp, breaker, success_share: share } = one.health ?? {};
  return h("span", { class: "badges", title: share === undefined ? null : `${t.succeeded}: ${format.percent(share)}` },
    badge(isUp ? t.up : t.down, isUp ? "good" : "bad"), breaker && breaker !== "closed" && badge(t.breaker[breaker], "warn"));
}

function keys(one) {
  const { total, usable, off } = one.keys;
  if (total === 0) return h("span", { class: "quiet" }, t.keyless);
  return badge(t.fit(usable, total), usable === 0 ? "bad" : usable < total - off ? "warn" : "good");
}

function actions(one, load) {
  const path = `/admin/providers/${encodeURIComponent(one.name)}`;
  const button = (label, image, action) => h("button", {
    type: "button", class: "icon-button", "aria-label": `${label}: ${one.name}`, title: label, onclick: () => action().catch(error => toast(errorText(error), "error")),
  }, icon(image));
  return [
    button(t.manage, "key", () => showProviderKeys(one, load)),
    button(one.enabled ? t.toggleOff : t.toggleOn, "power", async () => {
      // What the button says, whatever somebody else did meanwhile.
      await api.patch(path, { enabled: !one.enabled });
      await load();
    }),
    button(t.edit, "edit", async () => openProviderForm(await api.get(path), load)),
    button(t.remove, "trash", async () => {
      if (!await confirmDialog({ title: t.removeTitle, message: t.removeText(one.name), action: t.remove })) return;
      await api.delete(path);
      toast(t.deleted);
      await load();
    }),
  ];
}

function openProviderForm(provider, load) {
  const one = provider ?? {};
  const words = list => list.map(word => [word, word]);
  const dialog = openDialog({ title: provider ? t.edit : t.create, kind: "side" }, form({
    fields: [
      { fields: [
        ...provider ? [] : [textField("name", { label: t.name, help: t.nameHelp, placeholder: "openai", required: true })],
        selectField("api_type", { label: t.type, help: t.typeHelp, value: one.api_type ?? "openai", options: words(types) }),
        textField("base_url", { label: t.url, help: t.urlHelp, value: one.base_url, placeholder: "https://api.openai.com", required: true, wide: true }),
        areaField("models", { label: t.models, help: t.modelsHelp, value: one.models?.join("\n") }),
        checkField("enabled", { label: t.enabled, value: one.enabled ?? true }),
      ] },
      { title: t.more, folded: false, fields: [
        numberField("priority", { label: t.priority, help: t.priorityHelp, value: one.priority ?? 100, min: -1000000, max: 1000000, required: true }),
        numberField("weight", { label: t.weight, help: t.weightHelp, value: one.weight ?? 1, min: 0, max: 1000000, required: true }),
        selectField("key_strategy", { label: t.strategy, value: one.key_strategy ?? "first_available", options: words(strategies) }),
        numberField("timeout", { label: t.timeout, help: t.timeoutHelp, value: one.timeout, min: 1, max: 86400 }),
        jsonField("headers", { label: t.headers, help: t.headersHelp, value: one.headers, kind: "object", rows: 3 }),
      ] },
    ],
    action: t.save, cancel: () => dialog.close(),
    async submit(values) {
      const body = { ...values, models: values.models.split(/[\n,]/).map(text => text.trim()).filter(text => text !== "") };
      if (provider) await api.patch(`/admin/providers/${encodeURIComponent(provider.name)}`, body, { etag: provider.etag });
      else await api.post("/admin/providers", body);
      dialog.close();
      toast(t.saved);
      await load();
    },
  }));
}

export const page = { name: "providers", title: t.title, icon: "cloud", show };
