// One setting: its name and meaning, an editor for its kind of value, its source, and the way back.

import { attribute, fresh, h, rows, show, text } from "./dom.js";
import { button, unseen } from "./tables.js";

const SOURCES = {
  default: ["default", null],
  catalog: ["catalog", null],
  file: ["file", null],
  environment: ["environment", null],
  override: ["changed here", "accent"],
};

/** A value as it is written in the file. */
function written({ value, text: words }) {
  if (words !== null && words !== undefined) return words;
  if (Array.isArray(value)) return value.map(item).join(", ") || "none";
  return value === null || value === undefined ? "not set" : JSON.stringify(value);
}

const item = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));

/** The change that sets what is at `path` to `value`. */
const changeAt = (path, value) => path.reduceRight((inner, name) => ({ [name]: inner }), value);

/** Makes a row for `rows`. `save(setting, change, refused)` sends a change in the form of the file and resolves to the
 * answer; `refused(words)` is told what is wrong with it. `latest()` resolves to the settings as they are now. */
export function settingRow(first, save, latest) {
  const source = h("span", { class: "tag" });
  const beneath = h("span", { class: "soft small" });
  const about = h("span", { class: "soft small setting-about" }, marked(first.about ?? ""));
  const name = h("code", { id: fresh("setting"), text: first.name });
  const trouble = h("p", { class: "trouble", id: fresh("trouble"), role: "alert", hidden: true });
  const warn = (words) => {
    text(trouble, words);
    show(trouble, true);
  };
  const set = (value) => {
    text(trouble, ""); // which is read with the field, hidden or not
    show(trouble, false);
    return save(first, changeAt(first.path, value), warn);
  };
  const now = async () => (await latest())?.settings.find((each) => each.name === first.name);
  const control = first.changeable ? editor(first, set, warn, now) : reader();
  for (const field of fieldsOf(control.element)) attribute(field, "aria-describedby", trouble.id);
  const back = button("Revert", () => set(null), first.name);
  back.classList.add("bare");
  const row = h(
    "li",
    { class: "setting", "data-name": first.name },
    h("div", { class: "setting-name" }, name, about, beneath),
    h("div", { class: "setting-value" }, control.element, trouble),
    h("div", { class: "setting-source" }, source, back),
  );
  return [
    row,
    (setting) => {
      control.update(setting);
      const [words, tone] = SOURCES[setting.source] ?? [setting.source, null];
      text(source, words);
      attribute(source, "data-tone", tone);
      show(back, setting.source === "override" && setting.changeable);
      const below = setting.source === "override" ? setting.beneath : null;
      text(beneath, below ? `otherwise ${written(below)} (${below.source})` : "");
    },
  ];
}

/** Text of the reference, whose code is between back quotes. */
const marked = (words) => words.split("`").map((piece, at) => (at % 2 ? h("code", { text: piece }) : piece));

const fieldsOf = (element) => (element.matches("select") ? [element] : element.querySelectorAll("input, select"));

function reader() {
  const element = h("span", { class: "mono" });
  return { element, update: (setting) => text(element, written(setting)) };
}

function editor(setting, set, warn, now) {
  if (setting.is_list) return list(setting, set, now);
  return setting.choices ? picker(setting, setting.choices, set) : line(setting, set, warn);
}

function picker(setting, choices, set) {
  const isFlag = choices.join() === "true,false";
  const none = h("option", { value: "", text: "not set" });
  const select = h(
    "select",
    { class: "input", "aria-label": setting.name },
    setting.value === null ? none : null,
    choices.map((each) => h("option", { value: each, text: each })),
  );
  let held = setting.value === null ? "" : String(setting.value);
  select.addEventListener("change", async () => {
    if (!(await set(select.value === "" ? null : isFlag ? select.value === "true" : select.value))) select.value = held;
  });
  return {
    element: select,
    update: ({ value }) => {
      held = value === null ? "" : String(value);
      if (value === null && none.parentNode !== select) select.prepend(none);
      if (document.activeElement !== select || select.value === held) select.value = held;
    },
  };
}

/** One line of text, saved by Enter or its button. A number keeps its unit: `30 d`, `64 MiB`. */
function line(setting, set, warn) {
  const input = h("input", {
    class: "input mono",
    type: "text",
    "aria-label": setting.name,
    placeholder: "not set",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 2000,
  });
  const press = h("button", { class: "button", type: "submit", hidden: true }, "Save", unseen(` ${setting.name}`));
  const form = h("form", { class: "setting-line" }, input, press);
  let held = "";
  const isNumber = typeof setting.value === "number" && setting.unit === null;
  input.addEventListener("input", () => show(press, input.value !== held));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input.value === held) return;
    const typed = input.value.trim();
    const told = await set(typed === "" ? null : number(typed, isNumber || setting.value === null));
    attribute(input, "aria-invalid", told ? null : "true");
    if (!told) return;
    input.value = held; // as the router writes it; without a change made here if it was emptied
    show(press, false);
  });
  return {
    element: form,
    update: (next) => {
      const isUntouched = input.value === held;
      const before = held;
      held = next.text ?? (next.value === null ? "" : written(next));
      if (isUntouched) input.value = held;
      else if (held !== before && held !== input.value) warn(`It has been changed to ${held || "not set"} meanwhile. Save replaces that.`);
      show(press, input.value !== held);
    },
  };
}

/** What is typed, as a number if it is one and may be one. The router says what is wrong with it. */
const number = (typed, mayBe) => (mayBe && Number.isFinite(Number(typed)) ? Number(typed) : typed);

/** A list in its order: each entry can be moved and removed, and others can be added. Changes are made to the list as it
 * is then, which may have been changed elsewhere. */
function list(setting, set, now) {
  const entries = h("ol", { class: "entries" });
  const choices = setting.choices;
  const add = h("button", { class: "button", type: "submit" }, "Add", unseen(` to ${setting.name}`));
  const field = choices
    ? h("select", { class: "input", "aria-label": `Add to ${setting.name}` })
    : h("input", { class: "input mono", type: "text", maxlength: 200, autocomplete: "off", "aria-label": `Add to ${setting.name}` });
  const form = h("form", { class: "setting-line" }, field, add);
  const empty = h("span", { class: "soft small", text: "none" });
  let values = [];
  const change = async (make) => set(make((await now())?.value ?? values));
  const move = (value, by) =>
    change((all) => {
      const at = all.findIndex((each) => item(each) === item(value));
      const wanted = all.filter((_, index) => index !== at);
      if (at >= 0) wanted.splice(at + by, 0, all[at]);
      return wanted;
    });
  const drop = (value) => change((all) => all.filter((each) => item(each) !== item(value)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const typed = field.value.trim();
    if (typed && (await change((all) => [...all, typed])) && !choices) field.value = "";
  });
  return {
    element: h("div", { class: "entry-list" }, entries, empty, form),
    update: ({ value }) => {
      values = value ?? [];
      rows(
        entries,
        values.map((each, at) => ({ each, at })),
        ({ each }) => item(each),
        ({ each }) => entryRow(setting.name, each, { move, drop, last: () => values.length - 1 }),
      );
      show(empty, values.length === 0);
      if (!choices) return;
      const left = choices.filter((each) => !values.includes(each));
      rows(
        field,
        left,
        (each) => each,
        (each) => [h("option", { value: each, text: each }), () => {}],
      );
      show(form, left.length > 0);
    },
  };
}

function entryRow(name, value, { move, drop, last }) {
  const act = (sign, title, press) => {
    const made = h("button", { class: "button square", type: "button", title, "aria-label": `${title}: ${item(value)} of ${name}` }, sign);
    made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && press());
    return made;
  };
  const up = act("↑", "Earlier", () => move(value, -1));
  const down = act("↓", "Later", () => move(value, 1));
  const gone = act("✕", "Remove", () => drop(value));
  const element = h("li", { "data-value": item(value) }, h("code", { text: item(value) }), h("span", { class: "buttons" }, up, down, gone));
  return [
    element,
    ({ at }) => {
      attribute(up, "aria-disabled", at === 0 ? "true" : null);
      attribute(down, "aria-disabled", at === last() ? "true" : null);
    },
  ];
}

/** The settings of one provider or model, loaded when `load()` is called. */
export function entrySettings(stage, path) {
  const element = h("ul", { class: "settings entry-settings" });
  const shown = ({ settings }) =>
    rows(
      element,
      settings,
      (each) => each.name,
      (each) => settingRow(each, save, latest),
    );
  const latest = () => stage.read(path);
  const save = async (setting, change, refused) => {
    const told = await stage.change("PATCH", path, change, `${setting.name} changed.`, refused);
    if (told) shown(told);
    return told;
  };
  return {
    element,
    load: async () => {
      const told = await stage.read(path);
      if (told) shown(told);
    },
  };
}
