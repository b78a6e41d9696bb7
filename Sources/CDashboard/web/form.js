// Forms: fields with label, help and error; each knows the name that the API calls it by, so that a refusal of the
// API shows up at the field it is about.
import { h, fill, uniqueID } from "./dom.js";
import { texts } from "./i18n.js";
import { errorText } from "./table.js";

const t = texts({
  en: {
    required: "Is required", notNumber: "Must be a whole number", range: (low, high) => `Must be from ${low} to ${high}`,
    notJSON: "No valid JSON", place: (line, column) => `line ${line}, column ${column}`, notObject: "Must be an object: {…}",
    valid: "Valid", tidy: "Tidy up", working: "Working…", cancel: "Cancel",
  },
  zh: {
    required: "必填", notNumber: "必须是整数", range: (low, high) => `必须在 ${low} 到 ${high} 之间`,
    notJSON: "JSON 格式错误", place: (line, column) => `第 ${line} 行第 ${column} 列`, notObject: "必须是对象：{…}",
    valid: "格式正确", tidy: "整理格式", working: "处理中…", cancel: "取消",
  },
});

/**
 * Puts label, help and error around a control. Returns `{ name, element, control, read, problem }`: `read()` is the
 * value for the API or throws the text of what is wrong; `problem(text)` shows or takes away an error.
 */
function field(name, { label, help, wide, after }, control, read) {
  const id = uniqueID("field");
  const error = h("p", { class: "problem", id: `${id}-problem`, role: "alert" });
  control.id = id;
  control.name = name;
  if (help) control.setAttribute("aria-describedby", `${id}-help ${id}-problem`);
  else control.setAttribute("aria-describedby", `${id}-problem`);
  const element = h("div", { class: `field ${wide ? "wide" : ""}` },
    h("label", { for: id }, label), control, after, help && h("p", { class: "help", id: `${id}-help` }, help), error);
  const problem = text => {
    fill(error, text ?? "");
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  control.addEventListener("input", () => problem());
  return { name, element, control, read, problem };
}

export function textField(name, { value = "", required, placeholder, type = "text", options, ...rest }) {
  const list = options && uniqueID("options");
  const control = h("input", { type, value: value ?? "", placeholder, required, list, autocomplete: "off", spellcheck: "false" });
  const after = options && h("datalist", { id: list }, options.map(option => h("option", { value: option })));
  return field(name, { ...rest, after }, control, () => {
    const text = control.value.trim();
    if (required && text === "") throw t.required;
    return text;
  });
}

/** A whole number, or null if it is left empty. */
export function numberField(name, { value, min, max, required, placeholder, ...rest }) {
  const control = h("input", { type: "number", inputmode: "numeric", step: "1", min, max, value: value ?? "", placeholder, required });
  return field(name, rest, control, () => {
    if (control.validity.badInput) throw t.notNumber;
    if (control.value === "") {
      if (required) throw t.required;
      return null;
    }
    const number = Number(control.value);
    if (!Number.isInteger(number)) throw t.notNumber;
    if (number < min || number > max) throw t.range(min, max);
    return number;
  });
}

/** One of several: `options` is pairs of value and text. */
export function selectField(name, { value, options, ...rest }) {
  const control = h("select", {}, options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return field(name, rest, control, () => control.value);
}

export function areaField(name, { value = "", rows = 3, placeholder, ...rest }) {
  const control = h("textarea", { rows, placeholder, spellcheck: "false", value: value ?? "" });
  return field(name, { wide: true, ...rest }, control, () => control.value);
}

/** A box to tick. */
export function checkField(name, { value = false, label, help }) {
  const id = uniqueID("field");
  const control = h("input", { type: "checkbox", id, name });
  control.checked = value;
  return {
    name, control, read: () => control.checked, problem: () => {},
    element: h("div", { class: "field check" }, control, h("label", { for: id }, label), help && h("p", { class: "help" }, help)),
  };
}

/** JSON that is checked while it is typed. `kind` "object" wants an object; empty is null. */
export function jsonField(name, { value, kind, rows = 4, ...rest }) {
  const control = h("textarea", {
    rows, class: "code", spellcheck: "false", value: value === null || value === undefined ? "" : JSON.stringify(value, null, 2),
  });
  const verdict = h("span", { class: "verdict" });
  const tidy = h("button", { type: "button", class: "link-button", hidden: true, onclick: () => {
    control.value = JSON.stringify(JSON.parse(control.value), null, 2);
  } }, t.tidy);
  const read = () => {
    const value = parseJSON(control.value);
    const isObject = typeof value === "object" && !Array.isArray(value);
    if (value !== null && kind === "object" && !isObject) throw t.notObject;
    return value;
  };
  const made = field(name, { wide: true, ...rest, after: h("div", { class: "json-line" }, verdict, tidy) }, control, read);
  const check = () => {
    try {
      read();
      made.problem();
      fill(verdict, control.value.trim() === "" ? "" : t.valid);
    } catch (problem) {
      made.problem(problem);
      fill(verdict);
    }
    tidy.hidden = verdict.textContent === "";
  };
  control.addEventListener("input", check);
  check();
  return made;
}

/** The value of JSON text, null if there is none; throws what is wrong and where. */
function parseJSON(text) {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    // Browsers say where in one of two ways.
    const place = /line (\d+) column (\d+)/.exec(error.message);
    if (place) throw `${t.notJSON}: ${t.place(place[1], place[2])}`;
    const position = /position (\d+)/.exec(error.message);
    if (!position) throw t.notJSON;
    const before = text.slice(0, Number(position[1])).split("\n");
    throw `${t.notJSON}: ${t.place(before.length, before.at(-1).length + 1)}`;
  }
}

/**
 * A form of fields, or of groups `{ title, fields, folded }`. `submit` gets an object of what the fields say, by
 * name; what it throws is shown at its field, or above the buttons.
 */
export function form({ fields, action, submit, cancel, danger }) {
  const groups = fields[0]?.fields ? fields : [{ fields }];
  const all = groups.flatMap(group => group.fields);
  const problem = h("p", { class: "problem", role: "alert" });
  const button = h("button", { class: `button ${danger ? "danger" : "primary"}` }, action);

  async function send(event) {
    event.preventDefault();
    fill(problem);
    const values = {};
    let firstBad;
    for (const one of all) {
      try {
        values[one.name] = one.read();
        one.problem();
      } catch (text) {
        if (typeof text !== "string") throw text;
        one.problem(text);
        firstBad ??= one;
      }
    }
    if (firstBad) return show(firstBad);
    button.disabled = true;
    fill(button, t.working);
    try {
      await submit(values);
    } catch (error) {
      // Of a part of a field, as in rates.variants[0].tier, the field tells.
      const place = all.find(one => one.name === error.param || error.param?.startsWith(`${one.name}.`));
      if (place) {
        place.problem(errorText(error));
        show(place);
      } else {
        fill(problem, errorText(error));
      }
    } finally {
      button.disabled = false;
      fill(button, action);
    }
  }

  return h("form", { class: "form", novalidate: true, onsubmit: send },
    groups.map(group => {
      const grid = h("div", { class: "fields" }, group.fields.map(one => one.element));
      if (!group.title) return grid;
      if (group.folded === undefined) return h("fieldset", {}, h("legend", {}, group.title), grid);
      return h("details", { class: "fold", open: !group.folded }, h("summary", {}, group.title), grid);
    }),
    problem,
    h("div", { class: "actions" },
      cancel && h("button", { type: "button", class: "button", onclick: cancel }, t.cancel), button));
}

function show(one) {
  one.control.closest("details")?.setAttribute("open", "");
  one.control.focus();
}
