// How the gateway is: version, writer and rings, and the configuration in effect.
import { api } from "../api.js";
import { fill, h } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { badge } from "../table.js";

const t = texts({
  en: {
    title: "Settings", health: "Health", version: "Version", uptime: "Up for", status: "Gateway", ok: "takes requests", draining: "draining",
    writer: "Audit writer", well: "well", unwell: "cannot write: it tries again", rings: "Waiting in the rings", committed: "Events written", dropped: "Events dropped",
    failures: "Failed flushes", flush: "Last flush", memory: "Memory", cpu: "CPU time", files: "Open files", threads: "Threads",
    config: "Configuration in effect", configText: "Read from config.yaml and the environment; secrets are masked. SIGHUP reads it again.", on: "on", off: "off", empty: "empty",
    api: "Description of the API", metrics: "Prometheus metrics",
  },
  zh: {
    title: "设置", health: "运行状况", version: "版本", uptime: "运行时间", status: "网关", ok: "正常接收请求", draining: "正在排空",
    writer: "审计写入", well: "正常", unwell: "写入失败，正在重试", rings: "环形缓冲待写入", committed: "已写入事件", dropped: "已丢弃事件",
    failures: "写入失败次数", flush: "最近一次写入", memory: "内存", cpu: "CPU 时间", files: "打开的文件", threads: "线程",
    config: "生效的配置", configText: "来自 config.yaml 与环境变量，机密已遮盖。SIGHUP 重新读取。", on: "开", off: "关", empty: "空",
    api: "API 描述", metrics: "Prometheus 指标",
  },
});

async function show(view) {
  const { content, signal } = view;
  const state = h("div", {});
  const config = await api.get("/admin/config", {}, { signal });

  async function showState() {
    const [health, text] = await Promise.all([
      // Draining is 503, and still an answer.
      fetch("/health", { signal }).then(response => response.json()), api.get("/metrics", {}, { signal })]);
    fill(state, facts(health, readMetrics(text)));
  }

  fill(content, view.head(t.title),
    h("section", { class: "card" }, h("h2", {}, t.health), state,
      h("p", { class: "links" }, h("a", { href: "/openapi.json", target: "_blank", rel: "noopener" }, t.api), h("a", { href: "/metrics", target: "_blank", rel: "noopener" }, t.metrics))),
    h("section", { class: "card" }, h("h2", {}, t.config), h("p", { class: "quiet" }, t.configText),
      h("div", { class: "config" }, Object.entries(config).map(([name, section]) => configSection(name, section)))));
  await showState();
  view.every(5000, () => showState().catch(() => {}));
}

/** Prometheus text as name (with labels) to number. */
function readMetrics(text) {
  const lines = text.split("\n").filter(line => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map(line => {
    const end = line.lastIndexOf(" ");
    return [line.slice(0, end), Number(line.slice(end + 1))];
  }));
}

function facts(health, metrics) {
  const events = result => metrics[`fastgate_audit_events_total{result="${result}"}`] ?? 0;
  const isWell = metrics.fastgate_audit_healthy !== 0;
  const lost = events("dropped");
  return h("dl", { class: "facts wide" }, [
    [t.status, badge(health.status === "ok" ? t.ok : t.draining, health.status === "ok" ? "good" : "warn")],
    [t.writer, badge(isWell ? t.well : t.unwell, isWell ? "good" : "bad")],
    [t.version, health.version],
    [t.uptime, format.uptime(health.uptime_seconds)],
    [t.rings, format.bytes(metrics.fastgate_audit_ring_used_bytes)],
    [t.committed, format.number(events("committed"))],
    [t.dropped, lost > 0 ? badge(format.number(lost), "bad") : "0"],
    [t.failures, format.number(metrics.fastgate_audit_flush_failures_total)],
    [t.flush, format.duration(metrics.fastgate_audit_last_flush_seconds * 1000)],
    [t.memory, format.bytes(metrics.process_resident_memory_bytes)],
    [t.cpu, `${format.number(metrics.process_cpu_seconds_total)} s`],
    [t.files, `${format.number(metrics.process_open_fds)} / ${format.number(metrics.process_max_fds)}`],
    [t.threads, format.number(metrics.process_threads)],
  ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function configSection(name, section) {
  return h("section", {}, h("h3", {}, name), h("dl", { class: "facts" }, Object.entries(section).map(([key, value]) => [h("dt", {}, key), h("dd", {}, configValue(value))])));
}

function configValue(value) {
  if (value === true || value === false) return badge(value ? t.on : t.off, value ? "good" : "");
  if (value === "" || (Array.isArray(value) && value.length === 0)) return h("span", { class: "quiet" }, t.empty);
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export const page = { name: "settings", title: t.title, icon: "settings", show };
