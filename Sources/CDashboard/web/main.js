// Where it begins: is somebody signed in? Then the page that the address names, else the form.
//
// A page is a module in pages/ that exports `page`: its `name` in the address, its `title` and `icon` in the menu, and
// `show(view)`, which fills `view.content`. `view` has the address (`rest`, `query`), `head(title, ...actions)` for the
// heading, and `every(milliseconds, action)` and `signal`, which end when another page comes.
import { api, whenSignedOut } from "./api.js";
import { closeDialogs } from "./dialog.js";
import { fill, h } from "./dom.js";
import { texts } from "./i18n.js";
import { link, parse } from "./router.js";
import { showShell } from "./shell.js";
import { showSignIn } from "./signin.js";
import { emptyState, errorState } from "./table.js";

const t = texts({
  en: { lost: "There is no such page", home: "To the overview" },
  zh: { lost: "页面不存在", home: "返回概览" },
});

const pages = (await Promise.all(
  [...document.querySelectorAll("link[data-page]")].map(module => import(module.href)))).map(module => module.page);

let shell;
let leave = new AbortController();

async function show() {
  if (!shell) return;
  leave.abort();
  leave = new AbortController();
  closeDialogs();
  const { page: name, rest, query } = parse(location.hash);
  const page = pages.find(page => page.name === (name || "overview"));
  shell.mark(page?.name);
  document.title = `${page?.title ?? t.lost} · FastGate`;
  // A frame of its own: what comes late for a page that was left fills nothing that is seen.
  const content = h("div", { class: "page" });
  fill(shell.content, content);
  window.scrollTo(0, 0);
  if (!page) {
    fill(content, emptyState({
      title: t.lost, image: "compass", action: h("a", { class: "button", href: link("overview") }, t.home),
    }));
    return;
  }
  const { signal } = leave;
  const view = {
    content, rest, query, signal,
    head: (title, ...actions) => h("header", { class: "page-head" }, h("h1", {}, title), h("div", { class: "actions" }, actions)),
    every(milliseconds, action) {
      const timer = setInterval(() => document.hidden || action(), milliseconds);
      signal.addEventListener("abort", () => clearInterval(timer));
    },
  };
  try {
    await page.show(view);
  } catch (error) {
    if (error.name !== "AbortError" && !signal.aborted) fill(content, view.head(page.title), errorState(error, show));
  }
}

function enter() {
  shell = showShell(pages, () => door({}));
  show();
}

function door({ ended }) {
  leave.abort();
  closeDialogs();
  shell = undefined;
  document.title = "FastGate";
  showSignIn({ ended, onSignedIn: enter });
}

/** A token that came with the address, behind the hash (never sent to a server) or in the query, signs in. */
function takeToken() {
  const behindHash = /^#token=(.+)$/.exec(location.hash)?.[1];
  const token = behindHash ? decodeURIComponent(behindHash) : new URLSearchParams(location.search).get("token");
  if (token) history.replaceState(null, "", location.pathname + (behindHash ? "" : location.hash));
  return token;
}

whenSignedOut(() => shell && door({ ended: true }));
window.addEventListener("hashchange", show);

const token = takeToken();
if (token) await api.signIn(token).catch(() => {});
const session = await api.session().catch(() => ({ signed_in: false }));
if (session.signed_in) enter();
else door({});
