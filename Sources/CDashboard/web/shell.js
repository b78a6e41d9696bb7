// What is around every page: menu, language, theme, sign out.
import { api } from "./api.js";
import { h, fill } from "./dom.js";
import { language, languages, setLanguage, texts } from "./i18n.js";
import { icon } from "./icons.js";
import { link } from "./router.js";

const t = texts({
  en: {
    skip: "Skip to the content", menu: "Menu", pages: "Pages", language: "Language", theme: "Theme", system: "System",
    light: "Light", dark: "Dark", out: "Sign out",
  },
  zh: {
    skip: "跳到正文", menu: "菜单", pages: "页面", language: "语言", theme: "主题", system: "跟随系统",
    light: "浅色", dark: "深色", out: "退出登录",
  },
});

/** Language and theme. */
export function preferences() {
  const theme = document.documentElement.dataset.theme ?? "system";
  return h("div", { class: "preferences" },
    select(t.language, language, Object.entries(languages), setLanguage),
    select(t.theme, theme, [["system", t.system], ["light", t.light], ["dark", t.dark]], setTheme));
}

function select(label, value, options, action) {
  return h("select", { "aria-label": label, title: label, onchange: event => action(event.target.value) },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
}

function setTheme(name) {
  if (name === "system") {
    localStorage.removeItem("fastgate.theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("fastgate.theme", name);
    document.documentElement.dataset.theme = name;
  }
}

/** Builds the frame. Returns where pages go, and `mark(name)` which tells the menu where one is. */
export function showShell(pages, onSignedOut) {
  const content = h("main", { id: "content", tabindex: "-1" });
  const links = pages.map(page => h("a", { href: link(page.name), dataset: { page: page.name } }, icon(page.icon), page.title));
  const menu = h("nav", { id: "menu", "aria-label": t.pages }, links);
  const toggle = h("button", {
    type: "button", class: "icon-button menu-toggle", "aria-label": t.menu, "aria-expanded": "false", "aria-controls": "menu",
    onclick: () => open(toggle.getAttribute("aria-expanded") !== "true"),
  }, icon("menu"));

  function open(isOpen) {
    toggle.setAttribute("aria-expanded", String(isOpen));
    side.classList.toggle("open", isOpen);
  }

  async function signOut() {
    // Whatever the gateway says: here it is over.
    await api.signOut().catch(() => {});
    onSignedOut();
  }

  const side = h("aside", { class: "side", "aria-label": t.menu },
    h("div", { class: "side-head" },
      h("a", { class: "brand", href: link("overview") }, h("span", { class: "logo", "aria-hidden": "true" }), "FastGate"), toggle),
    h("div", { class: "side-body" }, menu,
      h("div", { class: "side-foot" }, preferences(),
        h("button", { type: "button", class: "quiet-button", id: "sign-out", onclick: signOut }, icon("out"), t.out))));

  fill(document.body,
    h("a", { class: "skip", href: "#content", onclick: event => {
      // The hash is the page's address.
      event.preventDefault();
      content.focus();
    } }, t.skip),
    h("div", { class: "shell" }, side, content));

  return {
    content,
    mark(name) {
      open(false);
      for (const one of links) {
        if (one.dataset.page === name) one.setAttribute("aria-current", "page");
        else one.removeAttribute("aria-current");
      }
    },
  };
}
