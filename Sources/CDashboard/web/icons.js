// Line icons on a grid of 24, drawn for this dashboard.
import { h } from "./dom.js";

const paths = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  key: "M8 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12.5 12H21v3.5M17 12v2.5",
  route: "M6 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM18 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 17h6a4 4 0 0 0 0-8h-4a4 4 0 0 1-4-4M6 5V3",
  log: "M8 6h12M8 12h12M8 18h12M4 6v.01M4 12v.01M4 18v.01",
  report: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  cloud: "M7 18h10a4 4 0 0 0 .6-7.95A6 6 0 0 0 6.1 10.1 4 4 0 0 0 7 18z",
  price: "M4 4h7l9 9-7 7-9-9zM8 8v.01",
  coins: "M9 13a5 3 0 1 0 0-6 5 3 0 0 0 0 6zM4 10v4c0 1.7 2.2 3 5 3M10 17c.8 1.2 2.8 2 5 2 2.8 0 5-1.3 5-3v-4c0-1.7-2.2-3-5-3M20 12c0 1.7-2.2 3-5 3-.7 0-1.4-.1-2-.2",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  plus: "M12 5v14M5 12h14",
  edit: "M5 19h3L19 8l-3-3L5 16zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  rotate: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4h-4",
  power: "M12 4v8M7.5 7a7 7 0 1 0 9 0",
  play: "M7 5l11 7-11 7z",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4 4",
  grip: "M9 6v.01M9 12v.01M9 18v.01M15 6v.01M15 12v.01M15 18v.01",
  forward: "M9 5l7 7-7 7",
  menu: "M4 7h16M4 12h16M4 17h16",
  out: "M14 5H5v14h9M10 12h10M16.5 8.5L20 12l-3.5 3.5",
  warning: "M12 4L3 19h18zM12 10v4M12 16.5v.01",
  empty: "M4 13l2.5-8h11L20 13v6H4zM4 13h5l1 2h4l1-2h5",
  compass: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM15.5 8.5l-2 5-5 2 2-5z",
};

export function icon(name, size = 18) {
  return h("svg", {
    viewBox: "0 0 24 24", width: size, height: size, class: "icon", "aria-hidden": "true", focusable: "false",
  }, h("path", { d: paths[name] }));
}
