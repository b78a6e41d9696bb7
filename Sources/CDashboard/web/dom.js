// Building the page. Text always goes in as text: nothing here reads HTML.

const svgNames = new Set(["svg", "g", "path", "rect", "circle", "line", "polyline", "text", "title"]);

/**
 * An element. Properties that begin with "on" are listeners, `class` and `dataset` are what they say, true and false
 * make an attribute without value or none, everything else is an attribute. Children are nodes, texts, or lists of
 * them; null, undefined and false are left out.
 */
export function h(name, properties, ...children) {
  const element = svgNames.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "dataset") Object.assign(element.dataset, value);
    else if (key === "value" && "value" in element) element.value = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child);
  }
}

/** Puts other children into an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

let lastID = 0;

/** An id nobody else has, for labels and descriptions. */
export function uniqueID(prefix) {
  lastID += 1;
  return `${prefix}-${lastID}`;
}

/** Calls `action` once things have been quiet for a while. */
export function debounce(action, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}
