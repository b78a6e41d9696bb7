// Making and changing a route.
import { api } from "../api.js";
import { openDialog, toast } from "../dialog.js";
import { checkField, form, jsonField, numberField, selectField, textField } from "../form.js";
import { texts } from "../i18n.js";

const t = texts({
  en: {
    create: "New route", edit: "Edit route", save: "Save", saved: "Saved", match: "Which requests", target: "Where to", rewrite: "What changes on the way", more: "Order and failures",
    name: "Name", description: "Description", path: "Path", pathHelp: "* and ** match any characters, {name} one segment.", method: "Method", methodHelp: "ANY, one, or several with commas.",
    headers: "Headers", headersHelp: "Name to value; * matches anything, true asks for presence, false for absence.",
    body: "Body", bodyHelp: "Members to compare, {\"model\": \"gpt-4o\"}, or JSON Schema draft 2020-12.",
    host: "Host", hostHelp: "host:port", protocol: "Protocol", targetPath: "Path at the target", targetPathHelp: "Empty keeps the path; {name} and * are filled from the match.",
    strip: "Take off the fixed start of the path", add: "Headers to set", addHelp: "${NAME} is filled in from FastGate's environment: secrets stay out of the database.",
    fields: "Body members to set", remove: "Headers to remove", removeHelp: "With commas.",
    priority: "Priority", priorityHelp: "Smaller goes first.", weight: "Weight", weightHelp: "Share among equal priorities.", timeout: "Timeout (s)", timeoutHelp: "For the next byte. Empty: as configured.",
    retries: "Retries", active: "Active",
  },
  zh: {
    create: "新建路由", edit: "编辑路由", save: "保存", saved: "已保存", match: "匹配哪些请求", target: "转发到哪里", rewrite: "转发时的改写", more: "顺序与失败处理",
    name: "名称", description: "说明", path: "路径", pathHelp: "* 和 ** 匹配任意字符，{name} 匹配一段。", method: "方法", methodHelp: "ANY、单个方法，或用逗号分隔多个。",
    headers: "请求头", headersHelp: "名称到值；* 匹配任意内容，true 要求存在，false 要求不存在。",
    body: "请求体", bodyHelp: "要比较的成员，如 {\"model\": \"gpt-4o\"}，或 JSON Schema draft 2020-12。",
    host: "主机", hostHelp: "主机:端口", protocol: "协议", targetPath: "目标路径", targetPathHelp: "留空保持原路径；{name} 和 * 由匹配内容填充。",
    strip: "去掉路径的固定前缀", add: "设置请求头", addHelp: "${NAME} 由 FastGate 的环境变量填充，密钥不进数据库。",
    fields: "设置请求体成员", remove: "删除请求头", removeHelp: "用逗号分隔。",
    priority: "优先级", priorityHelp: "数值小的先匹配。", weight: "权重", weightHelp: "同优先级之间的分配比例。", timeout: "超时（秒）", timeoutHelp: "等待下一个字节。留空按配置。",
    retries: "重试次数", active: "启用",
  },
});

const methods = ["ANY", "GET", "POST", "GET,POST", "PUT", "PATCH", "DELETE"];

function groups(route) {
  return [
    { fields: [
      textField("route_name", { label: t.name, value: route.route_name }),
      textField("description", { label: t.description, value: route.description }),
    ] },
    { title: t.match, fields: [
      textField("match_path", { label: t.path, help: t.pathHelp, value: route.match_path ?? "/v1/*", required: true }),
      textField("match_method", { label: t.method, help: t.methodHelp, value: route.match_method ?? "ANY", options: methods, required: true }),
      jsonField("match_headers", { label: t.headers, help: t.headersHelp, value: route.match_headers, kind: "object", rows: 3 }),
      jsonField("match_body_schema", { label: t.body, help: t.bodyHelp, value: route.match_body_schema, kind: "object" }),
    ] },
    { title: t.target, fields: [
      selectField("target_protocol", { label: t.protocol, value: route.target_protocol ?? "https", options: [["https", "https"], ["http", "http"]] }),
      textField("target_host", { label: t.host, help: t.hostHelp, value: route.target_host, placeholder: "api.openai.com:443", required: true }),
      textField("target_path", { label: t.targetPath, help: t.targetPathHelp, value: route.target_path }),
      checkField("strip_path_prefix", { label: t.strip, value: route.strip_path_prefix }),
    ] },
    { title: t.rewrite, folded: !(route.add_headers || route.add_body_fields || route.remove_headers?.length), fields: [
      jsonField("add_headers", { label: t.add, help: t.addHelp, value: route.add_headers, kind: "object" }),
      jsonField("add_body_fields", { label: t.fields, value: route.add_body_fields, kind: "object", rows: 3 }),
      textField("remove_headers", { label: t.remove, help: t.removeHelp, value: route.remove_headers?.join(", "), wide: true }),
    ] },
    { title: t.more, folded: false, fields: [
      numberField("priority", { label: t.priority, help: t.priorityHelp, value: route.priority ?? 100, min: -1000000, max: 1000000, required: true }),
      numberField("weight", { label: t.weight, help: t.weightHelp, value: route.weight ?? 1, min: 0, max: 1000000, required: true }),
      numberField("timeout", { label: t.timeout, help: t.timeoutHelp, value: route.timeout, min: 1, max: 86400 }),
      numberField("retry_count", { label: t.retries, value: route.retry_count ?? 0, min: 0, max: 100, required: true }),
      checkField("is_active", { label: t.active, value: route.is_active ?? true }),
    ] },
  ];
}

/** Opens the form: for a new route, or for one that the API gave. */
export function openRouteForm(route, onsaved) {
  const dialog = openDialog({ title: route ? t.edit : t.create, kind: "side" }, form({
    fields: groups(route ?? {}), action: t.save, cancel: () => dialog.close(),
    async submit(values) {
      const body = { ...values, remove_headers: values.remove_headers.split(",").map(name => name.trim()).filter(name => name !== "") };
      if (body.description === "") body.description = null;
      if (route) await api.patch(`/admin/routes/${encodeURIComponent(route.route_id)}`, body, { etag: route.etag });
      else await api.post("/admin/routes", body);
      dialog.close();
      toast(t.saved);
      await onsaved();
    },
  }));
}
