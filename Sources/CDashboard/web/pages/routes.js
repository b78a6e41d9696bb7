// The routes, in the order in which they are tried.
import { api } from "../api.js";
import { confirmDialog, openDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { icon } from "../icons.js";
import { openRouteForm } from "../parts/route-form.js";
import { openRouteMatch } from "../parts/route-match.js";
import { replace } from "../router.js";
import { badge, emptyState, errorState, errorText, loadingState, onOff, statusBadge, table } from "../table.js";

const t = texts({
  en: {
    title: "Routes", create: "New route", match: "Which route takes it?", none: "No routes yet", noneText: "A route says where requests go: the first one that matches takes them.",
    order: "Tried from the top down; equal priorities share the load by weight. Drag a row, or change its number.",
    priority: "Priority", name: "Route", path: "Requests", target: "Target", state: "State", on: "on", off: "off", actions: "Actions", weight: "weight", conditions: "conditions",
    drag: "Drag to reorder", priorityOf: name => `Priority of ${name}`, moved: (name, priority) => `${name} has priority ${priority} now`,
    toggleOn: "Turn on", toggleOff: "Turn off", edit: "Edit", test: "Test the connection", remove: "Delete", deleted: "Deleted",
    removeTitle: "Delete this route?", removeText: name => `Requests that ${name} took go to the next route that matches, or are refused. This cannot be undone.`,
    testing: "Testing…", testTitle: name => `Connection of ${name}`, works: "The target answers", fails: "The target does not answer", resolved: "Addresses", connect: "Connect", tls: "TLS", secure: "handshake and certificate hold", insecure: "does not hold", first: "First byte", status: "Status", error: "Error",
    unused: "not used",
  },
  zh: {
    title: "路由", create: "新建路由", match: "由哪个路由处理？", none: "还没有路由", noneText: "路由决定请求转发到哪里：由第一个匹配的路由处理。",
    order: "自上而下依次尝试；相同优先级按权重分担。可拖动行或修改数字调整顺序。",
    priority: "优先级", name: "路由", path: "匹配请求", target: "目标", state: "状态", on: "启用", off: "停用", actions: "操作", weight: "权重", conditions: "附加条件",
    drag: "拖动排序", priorityOf: name => `${name} 的优先级`, moved: (name, priority) => `${name} 的优先级现为 ${priority}`,
    toggleOn: "启用", toggleOff: "停用", edit: "编辑", test: "测试连接", remove: "删除", deleted: "已删除",
    removeTitle: "删除该路由？", removeText: name => `原由 ${name} 处理的请求将由下一个匹配的路由处理，或被拒绝。此操作无法撤销。`,
    testing: "测试中…", testTitle: name => `${name} 的连接`, works: "目标有响应", fails: "目标无响应", resolved: "地址", connect: "建立连接", tls: "TLS", secure: "握手与证书有效", insecure: "无效", first: "首字节", status: "状态码", error: "错误",
    unused: "未使用",
  },
});

async function show(view) {
  const { content, rest, signal } = view;
  const rows = h("div", { class: "rows" }, loadingState());

  async function load() {
    try {
      const { items } = await api.get("/admin/routes", { limit: 10000 }, { signal });
      fill(rows, items.length === 0 ? emptyState({
        title: t.none, text: t.noneText, image: "route",
        action: h("button", { type: "button", class: "button primary", onclick: create }, t.create),
      }) : [h("p", { class: "quiet" }, t.order), routeTable(items, load)]);
    } catch (error) {
      if (error.name !== "AbortError") fill(rows, errorState(error, load));
    }
  }
  const create = () => openRouteForm(null, load);

  fill(content, view.head(t.title,
    h("button", { type: "button", class: "button", id: "match-route", onclick: openRouteMatch }, icon("compass"), t.match),
    h("button", { type: "button", class: "button primary", id: "new-route", onclick: create }, icon("plus"), t.create)), rows);
  if (rest[0] === "new") {
    replace("routes");
    create();
  }
  await load();
}

function routeTable(items, load) {
  const frame = table({
    caption: t.title, items, class: "routes",
    row: route => ({ class: route.is_active ? null : "dimmed", dataset: { id: route.route_id } }),
    columns: [
      { title: t.priority, class: "tight order", cell: route => [
        h("span", { class: "grip", draggable: "true", title: t.drag, "aria-hidden": "true" }, icon("grip")),
        h("input", {
          type: "number", class: "small-number", value: route.priority, min: -1000000, max: 1000000, step: 1, required: true, "aria-label": t.priorityOf(route.route_name),
          onchange: event => event.target.reportValidity() && setPriorities([[route, event.target.valueAsNumber]], load),
        })] },
      { title: t.name, class: "clip", cell: route => [h("strong", {}, route.route_name), route.description && h("p", { class: "quiet clip" }, route.description)] },
      { title: t.path, cell: route => [
        route.match_method !== "ANY" && [badge(route.match_method), " "], h("code", {}, route.match_path), " ",
        (route.match_headers || route.match_body_schema) && badge(t.conditions, "info")] },
      { title: t.target, cell: route => [
        h("span", { class: "path" }, `${route.target_protocol}://${route.target_host}${route.target_path}`), " ",
        route.weight !== 1 && badge(`${t.weight} ${route.weight}`)] },
      { title: t.state, class: "tight", cell: route => onOff(route.is_active, t.on, t.off) },
      { title: t.actions, hideTitle: true, class: "row-actions", cell: route => actions(route, load) },
    ],
  });
  makeSortable(frame, items, load);
  return frame;
}

function actions(route, load) {
  const path = `/admin/routes/${encodeURIComponent(route.route_id)}`;
  const button = (label, image, action) => h("button", {
    type: "button", class: "icon-button", "aria-label": `${label}: ${route.route_name}`, title: label,
    onclick: () => action().catch(error => toast(errorText(error), "error")),
  }, icon(image));
  return [
    button(t.test, "play", () => testRoute(route, path)),
    button(route.is_active ? t.toggleOff : t.toggleOn, "power", async () => {
      // What the button says, whatever somebody else did meanwhile.
      await api.patch(path, { is_active: !route.is_active });
      await load();
    }),
    button(t.edit, "edit", async () => openRouteForm(await api.get(path), load)),
    button(t.remove, "trash", async () => {
      if (!await confirmDialog({ title: t.removeTitle, message: t.removeText(route.route_name), action: t.remove })) return;
      await api.delete(path);
      toast(t.deleted);
      await load();
    }),
  ];
}

async function testRoute(route, path) {
  const body = h("div", {}, h("p", { class: "quiet", role: "status" }, h("span", { class: "spinner" }), t.testing));
  openDialog({ title: t.testTitle(route.route_name) }, body);
  try {
    const result = await api.post(`${path}/test`);
    const facts = [
      [t.status, statusBadge(result.status)],
      [t.resolved, result.resolved.join(", ") || "–"],
      [t.connect, format.duration(result.connect_ms)],
      [t.tls, result.tls === null ? t.unused : result.tls ? t.secure : t.insecure],
      [t.first, format.duration(result.first_byte_ms)],
      [t.error, result.error],
    ];
    fill(body, h("p", { class: "verdict-line" }, badge(result.ok ? "✓" : "✕", result.ok ? "good" : "bad"), result.ok ? t.works : t.fails),
      h("dl", { class: "facts" }, facts.filter(([, value]) => value !== null).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
  } catch (error) {
    fill(body, errorState(error));
  }
}

/** Gives routes other priorities: pairs of route and number. Each only if it is still what was seen. */
async function setPriorities(changes, load) {
  try {
    // From the end: so the order of the others holds at every moment.
    for (const [route, priority] of changes.toReversed()) {
      const path = `/admin/routes/${encodeURIComponent(route.route_id)}`;
      const { etag, priority: current } = await api.get(path);
      if (current !== priority) await api.patch(path, { priority }, { etag });
    }
    const [route, priority] = changes[0];
    toast(t.moved(route.route_name, priority));
  } catch (error) {
    toast(errorText(error), "error");
  }
  await load();
}

/**
 * Which priorities change when a route is put between two others (either may be missing): first its own, then those of
 * routes that have to make room. Put between two of equal priority it joins them; routes that are equal stay equal.
 */
export function makeRoom(route, others, index) {
  const before = others[index - 1];
  const after = others[index];
  if (before && after && before.priority === after.priority) return [[route, before.priority]];
  if (!before) return [[route, after ? after.priority - 10 : route.priority]];
  const room = after ? after.priority - before.priority : 20;
  let last = before.priority + Math.max(Math.floor(room / 2), 1);
  const changes = [[route, last]];
  let old = last;
  for (const one of others.slice(index)) {
    if (one.priority === old && changes.length > 1) {
      changes.push([one, last]);
      continue;
    }
    if (one.priority > last) break;
    old = one.priority;
    last += 1;
    changes.push([one, last]);
  }
  return changes;
}

function makeSortable(frame, items, load) {
  const rows = [...frame.querySelectorAll("tbody tr")];
  const body = frame.querySelector("tbody");
  let dragged = null;
  for (const row of rows) {
    row.querySelector(".grip").addEventListener("dragstart", event => {
      dragged = row;
      row.classList.add("dragged");
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", row.dataset.id);
      event.dataTransfer.setDragImage(row, 0, 0);
    });
    row.addEventListener("dragover", event => {
      if (!dragged) return;
      event.preventDefault();
      if (row === dragged) return;
      const box = row.getBoundingClientRect();
      body.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? row : row.nextSibling);
    });
    row.addEventListener("drop", event => event.preventDefault());
    row.addEventListener("dragend", () => {
      dragged.classList.remove("dragged");
      dragged = null;
      const order = [...body.children].map(one => one.dataset.id);
      const id = row.dataset.id;
      if (items.every((route, index) => route.route_id === order[index])) return;
      const route = items.find(one => one.route_id === id);
      const others = order.filter(one => one !== id).map(one => items.find(route => route.route_id === one));
      setPriorities(makeRoom(route, others, order.indexOf(id)), load);
    });
  }
}

export const page = { name: "routes", title: t.title, icon: "route", show };
