// Charts in SVG: bars or lines over time, a split of a whole, and the timing of one exchange.
import { h, fill } from "./dom.js";
import { texts } from "./i18n.js";

const t = texts({ en: { nothing: "Nothing in this time" }, zh: { nothing: "该时段没有数据" } });

const margin = { top: 10, right: 8, bottom: 24, left: 52 };

/**
 * A chart over time. `times` are the texts of the steps, `series` are `{ name, kind, values }` where `kind` names the
 * colour in the style sheet. Bars are stacked. The pointer, or the arrow keys, show a step's values.
 */
export function timeChart({ label, type, times, axisTimes = times, series, format, axisFormat = format, height = 220 }) {
  const plot = h("div", { class: "plot" });
  const tip = h("div", { class: "tip", hidden: true });
  const legend = h("ul", { class: "legend" }, series.map(one => h("li", {}, h("span", { class: `swatch ${one.kind}` }), one.name)));
  const figure = h("figure", { class: "chart" }, legend, h("div", { class: "plot-frame" }, plot, tip));
  const totals = times.map((_, index) => type === "bars"
    ? series.reduce((sum, one) => sum + one.values[index], 0)
    : Math.max(...series.map(one => one.values[index] ?? 0)));
  const { top, ticks } = scale(Math.max(...totals, 0));
  let selected;

  function draw(width) {
    const inner = { width: Math.max(width - margin.left - margin.right, 10), height: height - margin.top - margin.bottom };
    const step = inner.width / times.length;
    const x = index => margin.left + step * index;
    const y = value => margin.top + inner.height * (1 - value / top);
    const guide = h("rect", { class: "guide", width: step, height: inner.height, y: margin.top, visibility: "hidden" });
    const every = Math.ceil(times.length / Math.max(Math.floor(inner.width / 64), 1));
    const svg = h("svg", {
      width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, tabindex: "0",
      onpointermove: event => select(Math.floor((event.clientX - svg.getBoundingClientRect().left - margin.left) / step)),
      onpointerleave: () => select(), onblur: () => select(),
      onkeydown: event => {
        const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!move) return;
        event.preventDefault();
        select(Math.min(Math.max((selected ?? (move > 0 ? -1 : times.length)) + move, 0), times.length - 1));
      },
    },
    ticks.map(value => h("g", { class: "tick" },
      h("line", { x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
      h("text", { x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, axisFormat(value)))),
    guide,
    type === "bars" ? bars(x, y, step) : lines(x, y, step),
    // Counted from the end: the last step is now.
    axisTimes.map((text, index) => (times.length - 1 - index) % every === 0
      && h("text", { class: "time", x: x(index) + step / 2, y: height - 6, "text-anchor": "middle" }, text)));

    function select(index) {
      selected = index === undefined || index < 0 || index >= times.length ? undefined : index;
      guide.setAttribute("visibility", selected === undefined ? "hidden" : "visible");
      tip.hidden = selected === undefined;
      if (selected === undefined) return;
      guide.setAttribute("x", x(selected));
      fill(tip, h("strong", {}, times[selected]), series.map(one =>
        h("div", {}, h("span", { class: `swatch ${one.kind}` }), one.name, h("b", {}, format(one.values[selected])))));
      const middle = x(selected) + step / 2;
      tip.style.left = `${Math.min(Math.max(middle - tip.offsetWidth / 2, 0), width - tip.offsetWidth)}px`;
    }
    fill(plot, svg);
  }

  function bars(x, y, step) {
    const gap = Math.min(step * 0.25, 6);
    return times.map((_, index) => {
      let below = 0;
      return h("g", {}, series.map(one => {
        const value = one.values[index];
        if (!value) return null;
        const bottom = y(below);
        below += value;
        return h("rect", {
          class: one.kind, x: x(index) + gap / 2, width: Math.max(step - gap, 1), y: Math.min(y(below), bottom - 1.5),
          height: Math.max(bottom - y(below), 1.5), rx: 1.5,
        });
      }));
    });
  }

  function lines(x, y, step) {
    return series.map(one => {
      let isDrawing = false;
      let path = "";
      const dots = [];
      one.values.forEach((value, index) => {
        if (value === null) {
          isDrawing = false;
          return;
        }
        const place = [x(index) + step / 2, y(value)];
        path += `${isDrawing ? "L" : "M"}${place[0].toFixed(1)} ${place[1].toFixed(1)}`;
        // A point without neighbours would have no line.
        if (one.values[index - 1] == null && one.values[index + 1] == null) dots.push(place);
        isDrawing = true;
      });
      return h("g", { class: one.kind }, h("path", { class: "line", d: path || "M0 0" }),
        dots.map(([cx, cy]) => h("circle", { cx, cy, r: 3 })));
    });
  }

  if (Math.max(...totals, 0) === 0) figure.append(h("p", { class: "nothing" }, t.nothing));
  new ResizeObserver(entries => {
    const width = Math.floor(entries[0].contentRect.width);
    if (width > 0) draw(width);
  }).observe(plot);
  return figure;
}

/** The top of an axis and its ticks, at round values. */
function scale(most) {
  if (most <= 0) return { top: 1, ticks: [0] };
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const count = Math.ceil(most / step);
  return { top: step * count, ticks: Array.from({ length: count + 1 }, (_, index) => step * index) };
}

/** How a whole is split, as rows with bars: `items` are `{ label, value, text, kind, href }`. */
export function barList(items) {
  const most = Math.max(...items.map(item => item.value), 1);
  return h("ul", { class: "bar-list" }, items.map(item => {
    const bar = h("span", { class: `bar ${item.kind ?? "primary"}` });
    bar.style.width = `${Math.max(100 * item.value / most, 0.5)}%`;
    return h("li", {},
      h("span", { class: "bar-label" }, item.href ? h("a", { href: item.href }, item.label) : item.label),
      h("span", { class: "bar-value" }, item.text), h("span", { class: "bar-track" }, bar));
  }));
}

/** One exchange's time as a bar: `parts` are `{ name, kind, milliseconds, text }`. */
export function timingBar(parts) {
  const whole = parts.reduce((sum, part) => sum + part.milliseconds, 0) || 1;
  return h("div", { class: "timing" },
    h("div", { class: "timing-bar" }, parts.filter(part => part.milliseconds > 0).map(part => {
      const bar = h("span", { class: part.kind, title: `${part.name}: ${part.text}` });
      bar.style.width = `${100 * part.milliseconds / whole}%`;
      return bar;
    })),
    h("ul", { class: "legend" }, parts.map(part =>
      h("li", {}, h("span", { class: `swatch ${part.kind}` }), part.name, h("b", {}, part.text)))));
}
