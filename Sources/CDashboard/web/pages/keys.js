// The callers' keys.
import { api } from "../api.js";
import { confirmDialog, copyButton, openDialog, toast } from "../dialog.js";
import { debounce, fill, h } from "../dom.js";
import { areaField, checkField, form, numberField, selectField, textField } from "../form.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { link, replace } from "../router.js";
import { badge, emptyState, errorState, errorText, loadingState, onOff, table } from "../table.js";

const t = texts({
  en: {
    title: "Keys", create: "New key", none: "No keys yet", noneText: "Whoever calls the gateway needs a key.", noMatch: "No key matches",
    key: "Key", source: "Source", permissions: "Permissions", everything: "everything", limit: "Limit", perMinute: count => `${count}/min`,
    unlimited: "none", standard: "default", used: "Requests", last: "Last used", expires: "Expires", never: "never", state: "State", on: "on", off: "off",
    expired: "expired", actions: "Actions", toggleOn: "Turn on", toggleOff: "Turn off", rotate: "New value", edit: "Edit", remove: "Delete", logs: "Requests in the log",
    find: "Find", findHint: "Source, id, last four", show: "Show", all: "All", active: "Active", inactive: "Inactive",
    removeTitle: "Delete this key?", removeText: name => `Requests with the key of ${name} will be refused at once. The audit keeps its rows. This cannot be undone.`,
    rotateTitle: "Give this key a new value?", rotateText: name => `The old value of ${name} will be refused at once.`,
    shownOnce: "This is the only time the key is shown. Copy it now; FastGate keeps its hash only.", copy: "Copy the key", done: "Done",
    made: "The new key", save: "Save", editTitle: "Edit key", saved: "Saved", deleted: "Deleted",
    sourceHelp: "Whose key it is: a team, an application, a person.",
    permissionsHelp: "One a line. Families: chat, completions, embeddings, models, responses, messages, images, audio, files, moderations; or path patterns such as /v1/*. Empty: everything.",
    limitHelp: "Requests per minute. Empty: the gateway's default; 0: no limit.", expiry: "Expires after", keep: "As it is", days: count => `${count} days`, standardExpiry: "As configured",
    count: (shown, total) => `${shown} of ${total}`, moreKeys: "Show more", activeField: "Active",
    budget: "Budget", spent: "Spent", noBudget: "no limit", tokens: count => `${count} tokens`, ofLimit: (part, whole) => `${part} of ${whole}`, reset: "Count the budget anew",
    resetTitle: "Count from nothing?", resetText: name => `What ${name} has spent in this period counts no more. Reports keep it.`, maxTokens: "Tokens", maxAmount: "Money", currency: "Currency", period: "Counted",
    periods: { total: "without end", daily: "by day", monthly: "by month" }, concurrent: "At a time", concurrentHelp: "Requests that may be open. Empty: no limit.", noLimit: "Empty: no limit.",
    models: "Models", modelsHelp: "One a line, with *. Empty: every model.", amountHelp: "As in 12.50. Empty: no limit.",
  },
  zh: {
    title: "密钥", create: "新建密钥", none: "还没有密钥", noneText: "调用网关需要密钥。", noMatch: "没有匹配的密钥",
    key: "密钥", source: "来源", permissions: "权限", everything: "全部", limit: "限速", perMinute: count => `${count}/分钟`,
    unlimited: "不限", standard: "默认", used: "请求数", last: "最近使用", expires: "到期", never: "永不", state: "状态", on: "启用", off: "停用",
    expired: "已过期", actions: "操作", toggleOn: "启用", toggleOff: "停用", rotate: "更换密钥值", edit: "编辑", remove: "删除", logs: "查看日志",
    find: "查找", findHint: "来源、ID 或末四位", show: "显示", all: "全部", active: "启用", inactive: "停用",
    removeTitle: "删除该密钥？", removeText: name => `${name} 的密钥将立即失效，审计记录会保留。此操作无法撤销。`,
    rotateTitle: "更换密钥值？", rotateText: name => `${name} 的旧密钥值将立即失效。`,
    shownOnce: "密钥仅显示这一次，请立即复制；FastGate 只保存其哈希。", copy: "复制密钥", done: "完成",
    made: "新密钥", save: "保存", editTitle: "编辑密钥", saved: "已保存", deleted: "已删除",
    sourceHelp: "密钥的归属：团队、应用或个人。",
    permissionsHelp: "每行一个。类别：chat、completions、embeddings、models、responses、messages、images、audio、files、moderations；或路径模式，如 /v1/*。留空表示全部。",
    limitHelp: "每分钟请求数。留空为网关默认值，0 为不限。", expiry: "有效期", keep: "保持不变", days: count => `${count} 天`, standardExpiry: "按配置",
    count: (shown, total) => `${shown} / ${total}`, moreKeys: "显示更多", activeField: "启用",
    budget: "预算", spent: "已用", noBudget: "不限", tokens: count => `${count} token`, ofLimit: (part, whole) => `${part} / ${whole}`, reset: "重新计算预算",
    resetTitle: "从零重新计算？", resetText: name => `${name} 本周期已用的额度将清零，报表保留。`, maxTokens: "Token 上限", maxAmount: "金额上限", currency: "货币", period: "计算周期",
    periods: { total: "不重置", daily: "每天", monthly: "每月" }, concurrent: "并发上限", concurrentHelp: "可同时进行的请求数。留空不限。", noLimit: "留空不限。",
    models: "模型", modelsHelp: "每行一个，可用 *。留空表示全部。", amountHelp: "如 12.50。留空不限。",
  },
});

async function show(view) {
  const { content, rest, query, signal } = view;
  const filters = { search: query.search ?? query.source_path ?? "", is_active: query.is_active ?? "" };
  let limit = 100;
  const rows = h("div", { class: "rows" }, loadingState());

  async function load() {
    try {
      const { items, total } = await api.get("/admin/keys", { ...filters, limit }, { signal });
      fill(rows, items.length === 0 ? nothing() : [
        keyTable(items, load),
        total > items.length && h("nav", { class: "pager" }, h("span", { class: "quiet" }, t.count(items.length, total)),
          limit < 1000 && h("button", { type: "button", class: "button", onclick: () => { limit = 1000; load(); } }, t.moreKeys)),
      ]);
    } catch (error) {
      if (error.name !== "AbortError") fill(rows, errorState(error, load));
    }
  }

  function nothing() {
    const isFiltered = filters.search || filters.is_active;
    return emptyState(isFiltered ? { title: t.noMatch, image: "search" } : {
      title: t.none, text: t.noneText, image: "key",
      action: h("button", { type: "button", class: "button primary", onclick: () => createKey(load) }, t.create),
    });
  }

  function filter(name, value) {
    filters[name] = value;
    replace("keys", [], filters);
    load();
  }

  const search = textField("search", { label: t.find, value: filters.search, placeholder: t.findHint });
  search.control.type = "search";
  search.control.addEventListener("input", debounce(() => filter("search", search.control.value.trim()), 250));
  const state = selectField("is_active", { label: t.show, value: filters.is_active, options: [["", t.all], ["true", t.active], ["false", t.inactive]] });
  state.control.addEventListener("change", () => filter("is_active", state.control.value));

  fill(content,
    view.head(t.title, h("button", { type: "button", class: "button primary", id: "new-key", onclick: () => createKey(load) }, icon("plus"), t.create)),
    h("section", { class: "card filters" }, search.element, state.element), rows);
  if (rest[0] === "new") {
    replace("keys");
    createKey(load);
  }
  await load();
}

function keyTable(items, load) {
  return table({
    caption: t.title, items, row: key => ({ class: key.is_active ? null : "dimmed", dataset: { id: key.key_id } }),
    columns: [
      { title: t.source, class: "clip strong", cell: key => key.source_path },
      { title: t.key, class: "tight", cell: key => h("code", {}, key.key_hint) },
      { title: t.state, class: "tight", cell: key => isExpired(key) ? badge(t.expired, "bad") : onOff(key.is_active, t.on, t.off) },
      { title: t.permissions, cell: key => key.permissions.length === 0 ? h("span", { class: "quiet" }, t.everything) : h("span", { class: "badges", title: key.permissions.join(", ") }, key.permissions.map(one => badge(one))) },
      { title: t.limit, class: "tight", cell: key => key.rate_limit === null ? h("span", { class: "quiet" }, t.standard) : key.rate_limit === 0 ? t.unlimited : t.perMinute(format.number(key.rate_limit)) },
      { title: t.used, number: true, cell: key => h("a", { href: link("logs", [], { api_key: key.key_id }), title: t.logs }, format.compact(key.usage_count)) },
      { title: t.spent, class: "tight", cell: budget },
      { title: t.last, class: "tight", cell: key => key.last_used_at ? h("time", { datetime: key.last_used_at, title: format.exactTime(key.last_used_at) }, format.relative(key.last_used_at)) : t.never },
      { title: t.expires, class: "tight", cell: key => key.expires_at ? h("time", { datetime: key.expires_at, title: format.exactTime(key.expires_at) }, format.relative(key.expires_at)) : t.never },
      { title: t.actions, hideTitle: true, class: "row-actions", cell: key => actions(key, load) },
    ],
  });
}

/** What was spent, of how much; at the limit in red. */
function budget(key) {
  const lines = [];
  const line = (text, isOver) => lines.push(h("div", { class: isOver ? "problem" : null }, text));
  if (key.max_amount !== null) {
    line(t.ofLimit(shortAmount(key.amount_spent), `${key.max_amount} ${key.currency}`), Number(key.amount_spent) >= Number(key.max_amount));
  } else if (key.amount_spent !== "0") {
    line(`${shortAmount(key.amount_spent)} ${key.currency}`);
  }
  if (key.max_tokens !== null) {
    line(t.tokens(t.ofLimit(format.compact(key.tokens_spent), format.compact(key.max_tokens))), key.tokens_spent >= key.max_tokens);
  } else if (key.tokens_spent > 0) {
    line(t.tokens(format.compact(key.tokens_spent)));
  }
  if (lines.length === 0) return h("span", { class: "quiet" }, "–");
  return h("div", { title: [t.periods[key.budget_period], format.time(key.budget_resets_at)].join(" · ") }, lines);
}

function shortAmount(amount) {
  const value = Number(amount);
  return value === 0 || value >= 1 ? value.toFixed(2) : String(Number(value.toPrecision(3)));
}

function isExpired(key) {
  return key.expires_at !== null && Date.parse(key.expires_at) <= Date.now();
}

function actions(key, load) {
  const name = `${key.source_path} ${key.key_hint}`;
  const path = `/admin/keys/${encodeURIComponent(key.key_id)}`;
  const button = (label, image, action) => h("button", {
    type: "button", class: "icon-button", "aria-label": `${label}: ${name}`, title: label, onclick: () => action().catch(error => toast(errorText(error), "error")),
  }, icon(image));
  return [
    button(key.is_active ? t.toggleOff : t.toggleOn, "power", async () => {
      // What the button says, whatever somebody else did meanwhile.
      await api.patch(path, { is_active: !key.is_active });
      await load();
    }),
    button(t.edit, "edit", async () => editKey(await api.get(path), load)),
    button(t.rotate, "rotate", async () => {
      if (!await confirmDialog({ title: t.rotateTitle, message: t.rotateText(name), action: t.rotate })) return;
      showValue(await api.post(`${path}/rotate`));
      await load();
    }),
    (key.max_tokens !== null || key.max_amount !== null) && button(t.reset, "coins", async () => {
      if (!await confirmDialog({ title: t.resetTitle, message: t.resetText(name), action: t.reset })) return;
      await api.post(`${path}/reset-budget`);
      await load();
    }),
    button(t.remove, "trash", async () => {
      if (!await confirmDialog({ title: t.removeTitle, message: t.removeText(name), action: t.remove })) return;
      await api.delete(path);
      toast(t.deleted);
      await load();
    }),
  ];
}

const expiryDays = [7, 30, 90, 365];

function fields(key) {
  return [{ fields: general(key) }, { title: t.budget, folded: !key || (key.max_tokens === null && key.max_amount === null && key.max_concurrent === null && key.allowed_models.length === 0), fields: [
    textField("max_amount", { label: t.maxAmount, help: t.amountHelp, value: key?.max_amount }),
    textField("currency", { label: t.currency, value: key?.currency ?? "USD", required: true }),
    numberField("max_tokens", { label: t.maxTokens, help: t.noLimit, value: key?.max_tokens, min: 0, max: 9007199254740991 }),
    selectField("budget_period", { label: t.period, value: key?.budget_period ?? "total", options: Object.entries(t.periods) }),
    numberField("max_concurrent", { label: t.concurrent, help: t.concurrentHelp, value: key?.max_concurrent, min: 1, max: 1000000 }),
    areaField("allowed_models", { label: t.models, help: t.modelsHelp, value: key?.allowed_models.join("\n") }),
  ] }];
}

function general(key) {
  return [
    textField("source_path", { label: t.source, help: t.sourceHelp, value: key?.source_path, required: true, wide: true }),
    numberField("rate_limit", { label: t.limit, help: t.limitHelp, value: key?.rate_limit, min: 0, max: 1000000000 }),
    selectField("expires_days", {
      label: t.expiry, value: "", options: [["", key ? t.keep : t.standardExpiry], ...expiryDays.map(days => [String(days), t.days(days)]), ["0", t.never]],
    }),
    areaField("permissions", { label: t.permissions, help: t.permissionsHelp, value: key?.permissions.join("\n"), placeholder: "chat" }),
    checkField("is_active", { label: t.activeField, value: key?.is_active ?? true }),
  ];
}

/** What the API wants for what the form says. */
function body(values) {
  const { expires_days: days, permissions, allowed_models: models, ...rest } = values;
  const words = text => text.split(/[\n,]/).map(word => word.trim()).filter(word => word !== "");
  const result = { ...rest, permissions: words(permissions), allowed_models: words(models), max_amount: rest.max_amount || null };
  if (days !== "") result.expires_days = Number(days);
  return result;
}

function createKey(load) {
  const dialog = openDialog({ title: t.create }, form({
    fields: fields(), action: t.create, cancel: () => dialog.close(),
    async submit(values) {
      const key = await api.post("/admin/keys", body(values));
      dialog.close();
      showValue(key);
      await load();
    },
  }));
}

function editKey(key, load) {
  const dialog = openDialog({ title: t.editTitle }, form({
    fields: fields(key), action: t.save, cancel: () => dialog.close(),
    async submit(values) {
      await api.patch(`/admin/keys/${encodeURIComponent(key.key_id)}`, body(values), { etag: key.etag });
      dialog.close();
      toast(t.saved);
      await load();
    },
  }));
}

function showValue(key) {
  const dialog = openDialog({ title: t.made },
    h("p", {}, t.shownOnce),
    h("p", { class: "secret" }, h("code", { id: "key-value", tabindex: "0" }, key.key_value)),
    h("div", { class: "actions" }, copyButton(key.key_value, t.copy),
      h("button", { type: "button", class: "button primary", onclick: () => dialog.close() }, t.done)));
}

export const page = { name: "keys", title: t.title, icon: "key", show };
