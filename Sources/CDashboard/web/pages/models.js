// Which model is served by whom and for what: models with prices, and aliases.
import { api } from "../api.js";
import { confirmDialog, openDialog, toast } from "../dialog.js";
import { debounce, fill, h } from "../dom.js";
import { areaField, checkField, form, jsonField, numberField, selectField, textField } from "../form.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { link, replace } from "../router.js";
import { badge, emptyState, errorState, errorText, loadingState, onOff, table } from "../table.js";

const t = texts({
  en: {
    title: "Models and prices", none: "No models", noneText: "Providers list them, or are asked for them.", noMatch: "No model matches", model: "Model", provider: "Provider", input: "Input", output: "Output", cached: "Cached",
    unit: "Prices are for a million tokens.", price: "Set price", actions: "Actions", unknown: "unknown", any: "of any provider", kind: name => `of ${name}`, find: "Model", show: "Show", all: "All", priced: "With a price", unpriced: "Without a price",
    count: (shown, total) => `${shown} of ${total}`, more: "Show more", importFile: "Import prices", builtIn: "Built-in prices", builtInHelp: "List prices of common models, as a new database has them. Prices set by hand are kept.", imported: done => `${done.added} added, ${done.changed} changed, ${done.kept} set by hand and kept`,
    importHelp: "LiteLLM's model_prices_and_context_window.json", write: "Cache write", reasoning: "Reasoning", currency: "Currency", asInput: "Empty: as input.", asOutput: "Empty: as output.", maxOutput: "Most tokens out", valid: "Price for", here: name => `${name} only`, everyone: "any provider",
    rates: "Other rates", ratesHelp: "Of tiers, long prompts, sound, pictures, searches, characters and pages, as in the admin API: {\"input_audio\": \"40\", \"variants\": [{\"above\": 200000, \"input\": \"5\"}]}",
    save: "Save", saved: "Saved", deleted: "Deleted", remove: "Delete", removePrice: "Delete the price", removePriceText: name => `What ${name} costs will be unknown. What was charged stays.`,
    aliases: "Aliases", newAlias: "New alias", editAlias: "Edit alias", alias: "Alias", targets: "Stands for", targetsHelp: "One a line, tried in this order: provider/model or a model's name.", noAliases: "An alias is another name for a model, or for several that stand in for each other.",
    nameHelp: "The name that callers use.", enabled: "In use", on: "on", off: "off", state: "State", removeAlias: "Delete this alias?", removeAliasText: name => `Requests for ${name} will no longer be redirected.`, edit: "Edit",
  },
  zh: {
    title: "模型与价格", none: "没有模型", noneText: "由提供商列出，或向其查询。", noMatch: "没有匹配的模型", model: "模型", provider: "提供商", input: "输入", output: "输出", cached: "缓存",
    unit: "价格以每百万 token 计。", price: "设置价格", actions: "操作", unknown: "未知", any: "通用价格", kind: name => `${name} 价格`, find: "模型", show: "显示", all: "全部", priced: "有价格", unpriced: "无价格",
    count: (shown, total) => `${shown} / ${total}`, more: "显示更多", importFile: "导入价格", builtIn: "内置价格", builtInHelp: "常用模型的目录价，与新数据库自带的一致。手工设置的价格会保留。", imported: done => `新增 ${done.added}，更新 ${done.changed}，保留手工价格 ${done.kept}`,
    importHelp: "LiteLLM 的 model_prices_and_context_window.json", write: "缓存写入", reasoning: "推理", currency: "货币", asInput: "留空同输入。", asOutput: "留空同输出。", maxOutput: "最大输出 token", valid: "适用于", here: name => `仅 ${name}`, everyone: "任意提供商",
    rates: "其他费率", ratesHelp: "服务层级、长提示、音频、图片、搜索、字符和页的价格，格式同管理 API：{\"input_audio\": \"40\", \"variants\": [{\"above\": 200000, \"input\": \"5\"}]}",
    save: "保存", saved: "已保存", deleted: "已删除", remove: "删除", removePrice: "删除价格", removePriceText: name => `${name} 的价格将变为未知，已计费用不变。`,
    aliases: "别名", newAlias: "新建别名", editAlias: "编辑别名", alias: "别名", targets: "指向", targetsHelp: "每行一个，按顺序尝试：provider/model 或模型名。", noAliases: "别名是一个模型的另一名称，或一组互为后备的模型。",
    nameHelp: "调用方使用的名称。", enabled: "启用", on: "启用", off: "停用", state: "状态", removeAlias: "删除该别名？", removeAliasText: name => `对 ${name} 的请求将不再重定向。`, edit: "编辑",
  },
});

async function show(view) {
  const { content, query, signal } = view;
  const filters = { provider: query.provider ?? "", model: query.model ?? "", priced: query.priced ?? "" };
  let limit = 100;
  const rows = h("div", { class: "rows" }, loadingState());
  const aliases = h("div", { class: "rows" }, loadingState());

  async function load() {
    try {
      const { items, total } = await api.get("/admin/models", { ...filters, limit }, { signal });
      const isFiltered = filters.model || filters.priced || filters.provider;
      fill(rows, items.length === 0
        ? emptyState(isFiltered ? { title: t.noMatch, image: "search" } : { title: t.none, text: t.noneText, image: "price" })
        : [modelTable(items, load), total > items.length && h("nav", { class: "pager" }, h("span", { class: "quiet" }, t.count(items.length, total)),
          limit < 1000 && h("button", { type: "button", class: "button", onclick: () => { limit = 1000; load(); } }, t.more))]);
    } catch (error) {
      if (error.name !== "AbortError") fill(rows, errorState(error, load));
    }
  }

  async function loadAliases() {
    try {
      const { items } = await api.get("/admin/aliases", { limit: 1000 }, { signal });
      fill(aliases, items.length === 0 ? h("p", { class: "quiet" }, t.noAliases) : aliasTable(items, loadAliases));
    } catch (error) {
      if (error.name !== "AbortError") fill(aliases, errorState(error, loadAliases));
    }
  }

  function filter(name, value) {
    filters[name] = value;
    replace("models", [], filters);
    load();
  }

  const model = textField("model", { label: t.find, value: filters.model });
  model.control.type = "search";
  model.control.addEventListener("input", debounce(() => filter("model", model.control.value.trim()), 250));
  const provider = textField("provider", { label: t.provider, value: filters.provider });
  provider.control.type = "search";
  provider.control.addEventListener("input", debounce(() => filter("provider", provider.control.value.trim()), 250));
  const priced = selectField("priced", { label: t.show, value: filters.priced, options: [["", t.all], ["true", t.priced], ["false", t.unpriced]] });
  priced.control.addEventListener("change", () => filter("priced", priced.control.value));

  fill(content, view.head(t.title, importButtons(load)),
    h("section", { class: "card filters" }, model.element, provider.element, priced.element), h("p", { class: "quiet" }, t.unit), rows,
    h("header", { class: "page-head" }, h("h2", {}, t.aliases), h("div", { class: "actions" },
      h("button", { type: "button", class: "button", id: "new-alias", onclick: () => openAliasForm(null, loadAliases) }, icon("plus"), t.newAlias))),
    aliases);
  await Promise.all([load(), loadAliases()]);
}

function importButtons(load) {
  async function take(ask) {
    try {
      toast(t.imported(await ask()));
      await load();
    } catch (error) {
      toast(error instanceof SyntaxError ? error.message : errorText(error), "error");
    }
  }
  const file = h("input", { type: "file", accept: "application/json,.json", hidden: true, "aria-label": t.importFile, onchange: async () => {
    await take(async () => api.post("/admin/prices/import", JSON.parse(await file.files[0].text())));
    file.value = "";
  } });
  return [file,
    h("button", { type: "button", class: "button", id: "built-in-prices", title: t.builtInHelp, onclick: () => take(() => api.post("/admin/prices/import-built-in")) }, icon("price"), t.builtIn),
    h("button", { type: "button", class: "button", id: "import-prices", title: t.importHelp, onclick: () => file.click() }, icon("download"), t.importFile)];
}

function modelTable(items, load) {
  const money = (one, name) => one.price ? `${one.price[name] ?? one.price.input} ${one.price.currency}` : h("span", { class: "quiet" }, t.unknown);
  return table({
    caption: t.title, items, row: one => ({ class: one.enabled ? null : "dimmed", dataset: { id: one.name } }),
    columns: [
      { title: t.model, cell: one => [
        h("div", { class: "clip strong", title: one.model }, one.model),
        one.aliases.length > 0 && h("span", { class: "badges" }, [...new Set(one.aliases)].map(name => badge(name)))] },
      { title: t.provider, class: "clip", cell: one => h("a", { href: link("providers", [one.provider]) }, one.provider) },
      { title: t.input, number: true, cell: one => money(one, "input") },
      { title: t.output, number: true, cell: one => money(one, "output") },
      { title: t.cached, number: true, cell: one => money(one, "cached_input") },
      { title: t.valid, class: "tight", cell: one => one.price_from === "any" ? t.any : one.price_from === "api_type" ? t.kind(one.api_type) : one.price_from === "provider" ? t.here(one.provider) : "–" },
      { title: t.actions, hideTitle: true, class: "row-actions", cell: one => priceActions(one, load) },
    ],
  });
}

const pricePath = (provider, model) => `/admin/prices/${encodeURIComponent(provider)}/${encodeURIComponent(model)}`;

function priceActions(one, load) {
  const button = (label, image, action) => h("button", {
    type: "button", class: "icon-button", "aria-label": `${label}: ${one.name}`, title: label, onclick: () => action().catch(error => toast(errorText(error), "error")),
  }, icon(image));
  return [
    button(t.price, "edit", async () => openPriceForm(one, load)),
    one.price_from === "provider" && button(t.removePrice, "trash", async () => {
      if (!await confirmDialog({ title: t.removePrice, message: t.removePriceText(one.name), action: t.remove })) return;
      await api.delete(pricePath(one.provider, one.model));
      toast(t.deleted);
      await load();
    }),
  ];
}

function openPriceForm(one, load) {
  const price = one.price ?? {};
  const amount = (name, label, rest = {}) => textField(name, { label, value: price[name], placeholder: "2.5", ...rest });
  const dialog = openDialog({ title: `${t.price}: ${one.model}` }, form({
    fields: [{ fields: [
      amount("input", t.input, { required: true }), amount("output", t.output, { required: true }),
      amount("cached_input", t.cached, { help: t.asInput }), amount("cache_write", t.write, { help: t.asInput }), amount("reasoning", t.reasoning, { help: t.asOutput }),
      textField("currency", { label: t.currency, value: price.currency ?? "USD", required: true }),
      numberField("max_output_tokens", { label: t.maxOutput, value: price.max_output_tokens, min: 0, max: 9007199254740991 }),
      selectField("provider", { label: t.valid, value: one.price_from === "any" ? "*" : one.provider, options: [[one.provider, t.here(one.provider)], ["*", t.everyone]] }),
    ] }, { title: t.rates, folded: !price.rates, fields: [
      jsonField("rates", { label: "JSON", help: t.ratesHelp, value: price.rates, kind: "object", rows: 8 }),
    ] }],
    action: t.save, cancel: () => dialog.close(),
    async submit({ provider, ...values }) {
      for (const name of ["cached_input", "cache_write", "reasoning"]) values[name] ||= null;
      await api.put(pricePath(provider, one.model), { ...values, max_input_tokens: price.max_input_tokens ?? null });
      dialog.close();
      toast(t.saved);
      await load();
    },
  }));
}

function aliasTable(items, load) {
  return table({
    caption: t.aliases, items, row: one => ({ class: one.enabled ? null : "dimmed", dataset: { alias: one.name } }),
    columns: [
      { title: t.alias, class: "clip strong", cell: one => one.name },
      { title: t.targets, cell: one => h("span", { class: "badges" }, one.targets.map(name => badge(name))) },
      { title: t.state, class: "tight", cell: one => onOff(one.enabled, t.on, t.off) },
      { title: t.actions, hideTitle: true, class: "row-actions", cell: one => aliasActions(one, load) },
    ],
  });
}

function aliasActions(one, load) {
  const path = `/admin/aliases/${encodeURIComponent(one.name)}`;
  const button = (label, image, action) => h("button", {
    type: "button", class: "icon-button", "aria-label": `${label}: ${one.name}`, title: label, onclick: () => action().catch(error => toast(errorText(error), "error")),
  }, icon(image));
  return [
    button(t.edit, "edit", async () => openAliasForm(await api.get(path), load)),
    button(t.remove, "trash", async () => {
      if (!await confirmDialog({ title: t.removeAlias, message: t.removeAliasText(one.name), action: t.remove })) return;
      await api.delete(path);
      toast(t.deleted);
      await load();
    }),
  ];
}

function openAliasForm(alias, load) {
  const dialog = openDialog({ title: alias ? t.editAlias : t.newAlias }, form({
    fields: [
      ...alias ? [] : [textField("name", { label: t.alias, help: t.nameHelp, required: true, wide: true })],
      areaField("targets", { label: t.targets, help: t.targetsHelp, value: alias?.targets.join("\n") }),
      checkField("enabled", { label: t.enabled, value: alias?.enabled ?? true }),
    ],
    action: t.save, cancel: () => dialog.close(),
    async submit(values) {
      const body = { ...values, targets: values.targets.split(/\n/).map(text => text.trim()).filter(text => text !== "") };
      if (alias) await api.patch(`/admin/aliases/${encodeURIComponent(alias.name)}`, body, { etag: alias.etag });
      else await api.post("/admin/aliases", body);
      dialog.close();
      toast(t.saved);
      await load();
    },
  }));
}

export const page = { name: "models", title: t.title, icon: "price", show };
