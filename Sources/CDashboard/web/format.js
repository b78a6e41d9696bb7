// Numbers and times as people read them.
import { language } from "./i18n.js";

const locale = language === "zh" ? "zh-CN" : "en-GB";
const none = "–";

const whole = new Intl.NumberFormat(locale);
const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const relativeTime = new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "short" });

export function number(value) {
  return value === null || value === undefined ? none : whole.format(value);
}

export function compact(value) {
  return Math.abs(value) < 10000 ? number(value) : short.format(value);
}

/** A ratio of 1. Never rounded up to a hundred: among many requests one error must show. */
export function percent(ratio) {
  if (ratio === null || ratio === undefined) return none;
  if (ratio >= 1) return "100 %";
  const digits = ratio > 0.999 ? 3 : ratio > 0.9 ? 2 : 1;
  const scale = 10 ** (digits + 2);
  return `${(Math.floor(ratio * scale) / (scale / 100)).toFixed(digits)} %`;
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return none;
  if (milliseconds === 0) return "0 ms";
  if (milliseconds < 10) return `${milliseconds.toFixed(milliseconds < 1 ? 2 : 1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${Math.floor(milliseconds / 60000)} min ${Math.round(milliseconds / 1000) % 60} s`;
}

/** For an axis: no more digits than the round values there need. */
export function roundDuration(milliseconds) {
  const [value, unit] = milliseconds < 1000 ? [milliseconds, "ms"] : milliseconds < 60000 ? [milliseconds / 1000, "s"] : [milliseconds / 60000, "min"];
  return `${whole.format(Number(value.toFixed(3)))} ${unit}`;
}

export function bytes(count) {
  if (count === null || count === undefined) return none;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? count : count.toFixed(count < 10 ? 1 : 0)} ${units[unit]}`;
}

export function uptime(seconds) {
  const days = Math.floor(seconds / 86400);
  const clock = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map(part =>
    String(Math.floor(part)).padStart(2, "0")).join(":");
  return days > 0 ? `${days} d ${clock}` : clock;
}

// Times come with the gateway's offset and are shown as they come: what is on the screen is what is in the log.

/** "2026-06-06 11:26:55" */
export function time(text) {
  return text ? text.slice(0, 19).replace("T", " ") : none;
}

/** "2026-06-06 11:26:55.123 +08:00" */
export function exactTime(text) {
  return text ? `${text.slice(0, 23).replace("T", " ")} ${text.slice(23)}` : none;
}

/** "11:26:55" today, else with the date. */
export function shortTime(text, now = new Date()) {
  if (!text) return none;
  return text.slice(0, 10) === inZone(now, text.slice(23)).slice(0, 10) ? text.slice(11, 19) : text.slice(5, 16).replace("T", " ");
}

/** "3 hr ago", "in 12 days" */
export function relative(text, now = Date.now()) {
  if (!text) return none;
  const seconds = (Date.parse(text) - now) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return relativeTime.format(Math.trunc(seconds / size), unit);
  }
  return relativeTime.format(Math.trunc(seconds), "second");
}

/** A moment as the clock on the wall of a zone ("+08:00", "Z") shows it: "2026-06-06T11:26:55". */
function inZone(date, offset) {
  const match = /^([+-])(\d\d):(\d\d)$/.exec(offset);
  const minutes = match ? (match[1] + 1) * (match[2] * 60 + Number(match[3])) : 0;
  return new Date(date.getTime() + minutes * 60000).toISOString().slice(0, 19);
}
