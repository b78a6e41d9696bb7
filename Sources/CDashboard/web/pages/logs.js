// The audit: filters, rows a page at a time, one row whole.
import { api } from "../api.js";
import { h, fill } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { apiQuery, filterNames, logFilters } from "../parts/log-filters.js";
import { showLog } from "../parts/log-detail.js";
import { link, replace } from "../router.js";
import { badge, emptyState, errorState, loadingState, statusBadge, table } from "../table.js";

const t = texts({
  en: {
    title: "Logs", none: "No request matches", noneText: "Take filters away, or send a request through the gateway.",
    time: "Time", status: "Status", method: "Method", path: "Path", source: "Source", took: "Took", size: "Size",
    stream: "stream", newer: "Newest", older: "Older", count: (shown, total) => `${shown} of ${total}`, atLeast: "at least ",
    refresh: "Refresh", off: "The audit is switched off", offText: "No request is recorded: audit.enabled is false in the configuration.",
    searched: time => `Searched back to ${time}`, searchedText: "Nothing matches so far. A range of time makes the search shorter.", further: "Search on",
  },
  zh: {
    title: "日志", none: "没有匹配的请求", noneText: "请减少筛选条件，或通过网关发送请求。",
    time: "时间", status: "状态", method: "方法", path: "路径", source: "来源", took: "耗时", size: "大小",
    stream: "流", newer: "最新", older: "更早", count: (shown, total) => `${shown} / ${total}`, atLeast: "至少 ",
    refresh: "刷新", off: "审计已关闭", offText: "请求不会被记录：配置中 audit.enabled 为 false。",
    searched: time => `已搜索到 ${time}`, searchedText: "目前没有匹配的请求。缩小时间范围可加快搜索。", further: "继续搜索",
  },
});

const pageSize = 50;

async function show(view) {
  const { content, rest, query, signal } = view;
  let filters = Object.fromEntries(filterNames.map(name => [name, query[name] ?? ""]));
  // The cursors of the pages before this one; the first page has none.
  let cursors = [""];
  const rows = h("div", { class: "rows" });

  function openRow(id) {
    replace("logs", [id], filters);
    showLog(id, { signal, onclose: () => signal.aborted || replace("logs", [], filters) });
  }

  async function load() {
    if (rows.childElementCount === 0) fill(rows, loadingState());
    try {
      const page = await api.get("/admin/logs", { ...apiQuery(filters), limit: pageSize, cursor: cursors.at(-1) }, { signal });
      fill(rows, page.items.length === 0 ? await noRows(page) : [
        logTable(page.items, openRow, filters), pager(page),
      ]);
    } catch (error) {
      if (error.name !== "AbortError") fill(rows, errorState(error, load));
    }
  }

  /** Nothing at all, or nothing yet: a page looks at so many rows and no more. */
  async function noRows(page) {
    if (!page.next_cursor) return nothing({ title: t.none, text: t.noneText }, signal);
    return emptyState({
      title: t.searched(format.time(page.searched_up_to)), text: t.searchedText, image: "search",
      action: h("button", { type: "button", class: "button", onclick: () => {
        cursors.push(page.next_cursor);
        load();
      } }, t.further),
    });
  }

  function pager(page) {
    const total = (page.total_is_exact ? "" : t.atLeast) + format.number(page.total);
    const move = change => {
      change();
      load().then(() => rows.scrollIntoView({ block: "nearest" }));
    };
    return h("nav", { class: "pager", "aria-label": t.title },
      h("span", { class: "quiet" }, t.count(page.items.length, total), page.searched_up_to && ` · ${t.searched(format.time(page.searched_up_to))}`),
      h("button", { type: "button", class: "button", disabled: cursors.length === 1, onclick: () => move(() => { cursors = [""]; }) }, t.newer),
      h("button", { type: "button", class: "button", disabled: !page.next_cursor, onclick: () => move(() => cursors.push(page.next_cursor)) },
        t.older, icon("forward")));
  }

  fill(content,
    view.head(t.title, h("button", { type: "button", class: "button", onclick: load }, icon("rotate"), t.refresh)),
    logFilters(filters, {
      signal,
      onchange(changed) {
        filters = changed;
        cursors = [""];
        replace("logs", [], filters);
        load();
      },
      onopen: openRow,
    }),
    rows);
  if (rest[0]) openRow(rest[0]);
  await load();
}

/** What stands where no rows are: `state`, unless none are written at all. Also on the overview. */
export async function nothing(state, signal) {
  const { audit } = await api.get("/admin/config", {}, { signal });
  return emptyState(audit.enabled === false ? { title: t.off, text: t.offText } : state);
}

/** Rows of the audit; `onopen` shows one whole. Also on the overview. */
export function logTable(items, onopen, filters = {}) {
  return table({
    caption: t.title, items, class: "logs",
    // By their own ids: clients may send one request id many times.
    row: row => ({ class: "pressable", onclick: event => event.target.closest("a") || onopen(row.id) }),
    columns: [
      { title: t.time, class: "tight", cell: row => h("time", { datetime: row.request_time, title: format.exactTime(row.request_time) }, format.shortTime(row.request_time)) },
      { title: t.status, class: "tight", cell: row => statusBadge(row.status_code) },
      { title: t.method, class: "tight", cell: row => row.method },
      {
        title: t.path, class: "path", cell: row => h("a", {
          href: link("logs", [row.id], filters), title: row.path, onclick: event => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            onopen(row.id);
          },
        }, row.path),
      },
      { title: t.source, class: "clip", cell: row => row.source_path ?? "–" },
      { title: t.took, number: true, cell: row => [row.is_stream && badge(t.stream), " ", format.duration(row.response_time_ms)] },
      { title: t.size, number: true, cell: row => format.bytes(row.response_size) },
    ],
  });
}

export const page = { name: "logs", title: t.title, icon: "log", show };
