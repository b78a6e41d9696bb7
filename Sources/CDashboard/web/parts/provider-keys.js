// The keys of one provider, in a dialog at the side.
import { api } from "../api.js";
import { confirmDialog, openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import { checkField, form, numberField, textField } from "../form.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { badge, emptyState, errorState, errorText, loadingState, statusBadge, table } from "../table.js";

const t = texts({
  en: {
    title: name => `Keys of ${name}`, add: "Add key", none: "No keys", noneText: "A provider without a key is asked without one.", key: "Key", label: "Label", weight: "Weight",
    state: "State", used: "Requests", failures: "Failures", last: "Last used", never: "never", actions: "Actions", ok: "usable", cooling: "cooling", disabled: "refused", off: "off",
    unreadable: "unreadable", unreadableText: "The master key does not open it.", until: time => `until ${time}`,
    toggleOn: "Turn on", toggleOff: "Turn off", again: "Give it another try", test: "Test", remove: "Delete", removeTitle: "Delete this key?",
    removeText: hint => `${hint} will no longer be used. FastGate cannot show it again.`, deleted: "Deleted", added: "Added", enabled: "In use",
    keyHelp: "It is stored sealed and never shown again.", weightHelp: "Share of the load among the keys.",
    testTitle: hint => `Test of ${hint}`, testProvider: "Test the provider", answers: "The provider answers", silent: "The provider does not answer as it should", testing: "Asking the provider for its models…", works: "The provider takes the key", fails: "The key does not work",
    status: "Status", fault: "Fault", models: "Models", connect: "Connected in", first: "First byte after", total: "Took", resolved: "Addresses", error: "Error",
    reasons: { key_invalid: "invalid key", key_forbidden: "not allowed", key_quota: "quota used up" },
  },
  zh: {
    title: name => `${name} 的密钥`, add: "添加密钥", none: "没有密钥", noneText: "没有密钥的提供商将不带密钥访问。", key: "密钥", label: "备注", weight: "权重",
    state: "状态", used: "请求数", failures: "失败数", last: "最近使用", never: "从未", actions: "操作", ok: "可用", cooling: "冷却中", disabled: "被拒绝", off: "停用",
    unreadable: "无法读取", unreadableText: "主密钥无法解开它。", until: time => `至 ${time}`,
    toggleOn: "启用", toggleOff: "停用", again: "重新尝试", test: "测试", remove: "删除", removeTitle: "删除该密钥？",
    removeText: hint => `${hint} 将不再使用，FastGate 无法再次显示它。`, deleted: "已删除", added: "已添加", enabled: "启用",
    keyHelp: "加密保存，之后不再显示。", weightHelp: "密钥之间的分配比例。",
    testTitle: hint => `测试 ${hint}`, testProvider: "测试提供商", answers: "提供商应答正常", silent: "提供商应答异常", testing: "正在向提供商查询模型…", works: "提供商接受该密钥", fails: "该密钥不可用",
    status: "状态码", fault: "故障", models: "模型数", connect: "连接耗时", first: "首字节", total: "总耗时", resolved: "地址", error: "错误",
    reasons: { key_invalid: "密钥无效", key_forbidden: "无权限", key_quota: "额度用尽" },
  },
});

/** Opens the keys of a provider; `onchange` is called when the dialog has closed. */
export async function showProviderKeys(provider, onchange) {
  const path = `/admin/providers/${encodeURIComponent(provider.name)}/keys`;
  const rows = h("div", { class: "rows" }, loadingState());
  openDialog({ title: t.title(provider.name), kind: "side", onclose: onchange },
    h("div", { class: "actions" }, h("button", { type: "button", class: "button primary", id: "new-provider-key", onclick: () => addKey(path, load) }, icon("plus"), t.add),
      h("button", { type: "button", class: "button", id: "test-provider", onclick: () => test(provider.name, path.replace(/keys$/, "test"), t.answers, t.silent) }, icon("play"), t.testProvider)), rows);

  async function load() {
    try {
      const { items } = await api.get(path);
      fill(rows, items.length === 0 ? emptyState({ title: t.none, text: t.noneText, image: "key" }) : keyTable(items, path, load));
    } catch (error) {
      fill(rows, errorState(error, load));
    }
  }
  await load();
}

function keyTable(items, path, load) {
  return table({
    caption: t.key, items, row: key => ({ class: key.enabled ? null : "dimmed", dataset: { id: key.key_id } }),
    columns: [
      { title: t.key, class: "tight", cell: key => h("div", {}, h("code", {}, key.key_hint), key.label && h("div", { class: "quiet clip", title: key.label }, key.label)) },
      { title: t.state, cell: state },
      { title: t.used, number: true, cell: key => `${format.compact(key.requests)} / ${format.compact(key.failures)}` },
      { title: t.last, class: "tight", cell: key => key.last_used_at ? h("time", { datetime: key.last_used_at, title: format.exactTime(key.last_used_at) }, format.relative(key.last_used_at)) : t.never },
      { title: t.actions, hideTitle: true, class: "row-actions", cell: key => actions(key, path, load) },
    ],
  });
}

function state(key) {
  if (!key.readable) return h("span", { title: t.unreadableText }, badge(t.unreadable, "bad"));
  if (!key.enabled) return badge(t.off);
  const reason = key.state === "disabled" ? t.reasons[key.state_reason] ?? key.state_reason : key.cooling_until && t.until(format.shortTime(key.cooling_until));
  return [badge(t[key.state], { ok: "good", cooling: "warn", disabled: "bad" }[key.state]), reason && h("div", { class: "quiet" }, reason)];
}

function actions(key, path, load) {
  const place = `${path}/${encodeURIComponent(key.key_id)}`;
  const button = (label, image, action) => h("button", {
    type: "button", class: "icon-button", "aria-label": `${label}: ${key.key_hint}`, title: label, onclick: () => action().catch(error => toast(errorText(error), "error")),
  }, icon(image));
  return [
    button(t.test, "play", () => test(key.key_hint, `${place}/test`, t.works, t.fails)),
    key.enabled && key.state !== "ok" && button(t.again, "rotate", async () => {
      await api.patch(place, { state: "ok" });
      await load();
    }),
    button(key.enabled ? t.toggleOff : t.toggleOn, "power", async () => {
      // What the button says, whatever somebody else did meanwhile.
      await api.patch(place, { enabled: !key.enabled });
      await load();
    }),
    button(t.remove, "trash", async () => {
      if (!await confirmDialog({ title: t.removeTitle, message: t.removeText(key.key_hint), action: t.remove })) return;
      await api.delete(place);
      toast(t.deleted);
      await load();
    }),
  ];
}

function addKey(path, load) {
  const dialog = openDialog({ title: t.add }, form({
    fields: [
      textField("key", { label: t.key, help: t.keyHelp, required: true, type: "password", wide: true }),
      textField("label", { label: t.label }),
      numberField("weight", { label: t.weight, help: t.weightHelp, value: 1, min: 0, max: 1000000, required: true }),
      checkField("enabled", { label: t.enabled, value: true }),
    ],
    action: t.add, cancel: () => dialog.close(),
    async submit(values) {
      await api.post(path, values);
      dialog.close();
      toast(t.added);
      await load();
    },
  }));
}

async function test(name, path, works, fails) {
  const body = h("div", {}, h("p", { class: "quiet", role: "status" }, h("span", { class: "spinner" }), t.testing));
  openDialog({ title: t.testTitle(name) }, body);
  try {
    const result = await api.post(path);
    const facts = [
      [t.status, result.status && statusBadge(result.status)],
      [t.fault, result.ok ? null : h("code", {}, result.fault)],
      [t.models, result.models],
      [t.resolved, result.resolved.join(", ") || null],
      [t.connect, result.connect_ms === null ? null : format.duration(result.connect_ms)],
      [t.first, result.first_byte_ms === null ? null : format.duration(result.first_byte_ms)],
      [t.total, format.duration(result.total_ms)],
      [t.error, result.error],
    ];
    fill(body, h("p", { class: "verdict-line" }, badge(result.ok ? "✓" : "✕", result.ok ? "good" : "bad"), result.ok ? works : fails),
      h("dl", { class: "facts" }, facts.filter(([, value]) => value !== null).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
  } catch (error) {
    fill(body, errorState(error));
  }
}
