// Tables that become cards on a narrow screen, and what stands where a table would be empty, late or wrong.
import { h } from "./dom.js";
import { texts } from "./i18n.js";
import { icon } from "./icons.js";

const t = texts({
  en: {
    unreachable: "The gateway cannot be reached.", again: "Try again", loading: "Loading…", failed: "This did not work",
    changed: "It was changed by somebody else meanwhile. Reload and try again.",
  },
  zh: {
    unreachable: "无法连接网关。", again: "重试", loading: "加载中…", failed: "操作失败",
    changed: "该内容已被他人修改，请刷新后重试。",
  },
});

/**
 * A table. A column has `title`, `cell` (an item to a node or text), and may have `number` (aligned right), `class`,
 * `hideTitle` (the cell speaks for itself). `row` may give properties for an item's row.
 */
export function table({ columns, items, caption, row = () => ({}), class: name = "" }) {
  return h("div", { class: "table-frame" },
    h("table", { class: name },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map(column =>
        h("th", { scope: "col", class: classes(column) },
          column.hideTitle ? h("span", { class: "unseen" }, column.title) : column.title)))),
      h("tbody", {}, items.map(item =>
        h("tr", row(item), columns.map(column =>
          h("td", { class: classes(column), "data-title": column.hideTitle ? null : column.title },
            column.cell(item))))))));
}

function classes(column) {
  return [column.number && "number", column.class].filter(Boolean).join(" ") || null;
}

/** What stands where there is nothing to show. */
export function emptyState({ title, text, action, image = "empty" }) {
  return h("div", { class: "state" }, icon(image, 40), h("h3", {}, title), text && h("p", {}, text), action);
}

/** What stands where something failed. */
export function errorState(error, again) {
  return h("div", { class: "state error", role: "alert" }, icon("warning", 40), h("h3", {}, t.failed),
    h("p", {}, errorText(error)),
    again && h("button", { type: "button", class: "button", onclick: again }, icon("rotate"), t.again));
}

/** The words for an error. */
export function errorText(error) {
  if (error.code === "unreachable") return t.unreachable;
  if (error.status === 412) return t.changed;
  return error.message;
}

/** What stands where something is on its way. It shows only after a moment. */
export function loadingState() {
  return h("div", { class: "state loading", role: "status" }, h("span", { class: "spinner" }), t.loading);
}

/** A short word with a colour: "good", "warn", "bad" or "". */
export function badge(text, kind = "") {
  return h("span", { class: `badge ${kind}` }, text);
}

/** A status code, coloured by its class. */
export function statusBadge(code) {
  if (code === null || code === undefined || code === 0 || code === "none") return badge("–", "warn");
  return badge(String(code), code < 300 ? "good" : code < 400 ? "" : code < 500 ? "warn" : "bad");
}

export function onOff(isOn, yes, no) {
  return badge(isOn ? yes : no, isOn ? "good" : "");
}
