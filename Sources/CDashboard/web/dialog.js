// Dialogs, questions and short messages.
import { h, fill, uniqueID } from "./dom.js";
import { texts } from "./i18n.js";
import { icon } from "./icons.js";

const t = texts({
  en: { close: "Close", cancel: "Cancel", copy: "Copy", copied: "Copied", notCopied: "Select the text and copy it by hand" },
  zh: { close: "关闭", cancel: "取消", copy: "复制", copied: "已复制", notCopied: "请选中文字手动复制" },
});

/**
 * Opens a dialog over the page. Escape and the cross close it; the focus then returns to where it was.
 * `kind` is "side" for one that takes the right side of the window.
 */
export function openDialog({ title, kind = "", onclose }, ...children) {
  const heading = uniqueID("dialog-title");
  const before = document.activeElement;
  const dialog = h("dialog", { class: `dialog ${kind}`, "aria-labelledby": heading },
    h("header", {},
      h("h2", { id: heading }, title),
      h("button", { type: "button", class: "icon-button", "aria-label": t.close, onclick: () => dialog.close() }, icon("close"))),
    h("div", { class: "dialog-body" }, children));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
    onclose?.();
  });
  // A press beside it closes it, unless it began inside (marking text out of a field).
  dialog.addEventListener("mousedown", event => {
    if (event.target === dialog && kind === "side") dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  // Into the form, if there is one; not on a phone, where a keyboard would cover half of it.
  if (matchMedia("(min-width: 761px)").matches) dialog.querySelector("form input, form textarea")?.focus();
  return dialog;
}

/** Closes what is open; for when the page changes below it. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

/** Asks before something that cannot be taken back. Resolves to true or false. */
export function confirmDialog({ title, message, action }) {
  return new Promise(resolve => {
    let answer = false;
    const dialog = openDialog({ title, kind: "small", onclose: () => resolve(answer) },
      h("p", {}, message),
      h("div", { class: "actions" },
        h("button", { type: "button", class: "button", autofocus: true, onclick: () => dialog.close() }, t.cancel),
        h("button", {
          type: "button", class: "button danger", onclick: () => {
            answer = true;
            dialog.close();
          },
        }, action)));
  });
}

const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });

/** Says something for a few seconds. `kind` is "" or "error". */
export function toast(message, kind = "") {
  // Above an open dialog, which else hides it.
  (document.querySelector("dialog[open]:last-of-type") ?? document.body).append(toasts);
  const item = h("p", { class: `toast ${kind}` }, icon(kind === "error" ? "warning" : "check"), message);
  toasts.append(item);
  setTimeout(() => {
    item.remove();
    if (!toasts.isConnected) document.body.append(toasts);
  }, kind === "error" ? 8000 : 4000);
}

/** A button that copies a text. */
export function copyButton(text, label = t.copy) {
  const button = h("button", { type: "button", class: "button", onclick: copy }, icon("copy"), label);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      fill(button, icon("check"), t.copied);
      setTimeout(() => fill(button, icon("copy"), label), 2000);
    } catch {
      // Browsers allow it only on https and on localhost.
      toast(t.notCopied, "error");
    }
  }
  return button;
}
