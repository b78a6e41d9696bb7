// How the gateway is: version, writer and rings, and the configuration in effect.
import { api } from "../api.js";
import { confirmDialog, toast } from "../dialog.js";
import { fill, h } from "../dom.js";
import * as format from "../format.js";
import { texts } from "../i18n.js";
import { badge, errorText } from "../table.js";

const t = texts({
  en: {
    title: "Settings", health: "Health", version: "Version", uptime: "Up for", status: "Gateway", ok: "takes requests", draining: "draining",
    writer: "Audit writer", well: "healthy", unwell: "cannot write: it tries again", rings: "Waiting in the rings", committed: "Events written", dropped: "Events dropped",
    failures: "Failed flushes", flush: "Last flush", memory: "Memory", cpu: "CPU time", files: "Open files", threads: "Threads",
    config: "Configuration in effect", configText: "Read from config.yaml and the environment; secrets are masked. SIGHUP reads it again.", on: "on", off: "off", empty: "empty",
    api: "Description of the API", metrics: "Prometheus metrics",
    master: "Master key", masterText: "Providers' keys are sealed under it in the database.", masterReady: "ready", masterLocked: "does not fit", from: "Where it is", sealed: "Sealed keys", unreadable: count => `${count} unreadable`,
    rotate: "Rotate", rotateTitle: "Rotate the master key?", rotateText: "All keys of providers are sealed anew under a new random master key, which takes the place of the one in the file. Back the file up anew.", rotated: "The master key is another one now",
    rotateEnvironment: "It comes from the environment: rotate it with \"fastgate master-key rotate --stdin\".",
    giveUp: "Give up for lost", giveUpTitle: "Give up the master key?", giveUpText: count => `${count} keys of providers can never be read again and have to be given anew. If the key may still be found, put it back and reload instead.`,
  },
  zh: {
    title: "设置", health: "运行状况", version: "版本", uptime: "运行时间", status: "网关", ok: "正常接收请求", draining: "正在排空",
    writer: "审计写入", well: "正常", unwell: "写入失败，正在重试", rings: "环形缓冲待写入", committed: "已写入事件", dropped: "已丢弃事件",
    failures: "写入失败次数", flush: "最近一次写入", memory: "内存", cpu: "CPU 时间", files: "打开的文件", threads: "线程",
    config: "生效的配置", configText: "来自 config.yaml 与环境变量，机密已遮盖。SIGHUP 重新读取。", on: "开", off: "关", empty: "空",
    api: "API 描述", metrics: "Prometheus 指标",
    master: "主密钥", masterText: "提供商密钥在数据库中由它加密。", masterReady: "匹配", masterLocked: "不匹配", from: "来源", sealed: "已加密的密钥", unreadable: count => `${count} 个无法读取`,
    rotate: "轮换", rotateTitle: "轮换主密钥？", rotateText: "所有提供商密钥将用新的随机主密钥重新加密，新主密钥会替换文件中的旧密钥。请重新备份该文件。", rotated: "主密钥已更换",
    rotateEnvironment: "主密钥来自环境变量：请用 fastgate master-key rotate --stdin 轮换。",
    giveUp: "确认丢失", giveUpTitle: "放弃该主密钥？", giveUpText: count => `${count} 个提供商密钥将永远无法读取，需要重新录入。若主密钥仍可能找回，请放回原处并重新加载配置。`,
  },
});

async function show(view) {
  const { content, signal } = view;
  const state = h("div", {});
  const master = h("div", {});
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
    h("section", { class: "card", id: "master-key" }, h("h2", {}, t.master), h("p", { class: "quiet" }, t.masterText), master),
    h("section", { class: "card" }, h("h2", {}, t.config), h("p", { class: "quiet" }, t.configText),
      h("div", { class: "config" }, Object.entries(config).map(([name, section]) => configSection(name, section)))));
  await Promise.all([showState(), showMasterKey(master, signal)]);
  view.every(5000, () => showState().catch(() => {}));
}

async function showMasterKey(place, signal) {
  const found = await api.get("/admin/master-key", {}, { signal });
  const isReady = found.state === "ready";
  const change = (label, kind, title, message, path, body) => h("button", {
    type: "button", class: `button ${kind}`, onclick: async () => {
      if (!await confirmDialog({ title, message, action: label })) return;
      try {
        await api.post(path, body);
        toast(t.rotated);
      } catch (error) {
        toast(errorText(error), "error");
      }
      await showMasterKey(place, signal);
    },
  }, label);
  fill(place,
    h("dl", { class: "facts wide" }, [
      [t.status, badge(isReady ? t.masterReady : t.masterLocked, isReady ? "good" : "bad")],
      [t.from, h("code", {}, found.source)],
      [t.sealed, [format.number(found.keys), " ", found.unreadable_keys > 0 && badge(t.unreadable(found.unreadable_keys), "bad")]],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    [found.reason, found.warning, isReady && found.from_environment && t.rotateEnvironment].filter(text => text).map(text => h("p", { class: found.reason ? "problem" : "quiet" }, text)),
    h("p", { class: "actions" }, isReady
      ? !found.from_environment && change(t.rotate, "", t.rotateTitle, t.rotateText, "/admin/master-key/rotate", {})
      : change(t.giveUp, "danger", t.giveUpTitle, t.giveUpText(found.unreadable_keys), "/admin/master-key/replace-lost", { confirm: true })));
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
