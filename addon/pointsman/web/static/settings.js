// Settings: each with its value, its source, and the value it has without a change made here.

import { attribute, h, rows, show, text } from "./dom.js";
import { faultList } from "./faults.js";
import { plain } from "./words.js";

export const TITLE = "Settings";

const EVERY = 5000;
const SOURCES = {
  default: ["default", null],
  file: ["file", null],
  environment: ["environment", null],
  override: ["changed here", "accent"],
};

export function open(stage) {
  const files = h("p", { class: "files soft small" });
  const warnings = h("ul", { class: "sheet sheet-body warn small", hidden: true });
  const faults = faultList();
  const sections = h("div", { class: "stack" });
  const shown = (told) => {
    text(
      files,
      [
        told.file ? `File: ${told.file}` : "No configuration file.",
        told.kept ? `Changes are saved in ${told.kept}` : "Changes are lost when the router stops.",
      ].join(" · "),
    );
    rows(
      warnings,
      told.warnings,
      (words) => words,
      (words) => [h("li", { text: words }), () => {}],
    );
    show(warnings, told.warnings.length > 0);
    faults.update(told.faults);
    rows(
      sections,
      grouped(told.settings),
      ([name]) => name,
      ([name]) => section(name, { stage, shown }),
    );
  };
  const reload = async () => {
    const told = await stage.change("POST", "/api/reload", undefined, "Configuration file reloaded.");
    if (told) shown(told);
  };
  stage.element.append(
    h(
      "div",
      { class: "room-head" },
      h("h1", { text: TITLE }),
      h("button", { class: "button", type: "button", text: "Reload file", on: { click: reload } }),
    ),
    h("div", { class: "stack" }, files, faults.element, warnings, sections),
  );
  stage.watch("/api/settings", EVERY, shown);
}

/** `[section, settings]`, in the order in which they come. */
function grouped(settings) {
  const found = new Map();
  for (const setting of settings) {
    const name = setting.path[0];
    found.set(name, [...(found.get(name) ?? []), setting]);
  }
  return [...found];
}

function section(name, room) {
  const list = h("ul", { class: "settings" });
  const element = h(
    "section",
    { class: "sheet" },
    h("div", { class: "sheet-head" }, h("h2", { text: plain(name) })),
    list,
  );
  return [
    element,
    ([, settings]) =>
      rows(
        list,
        settings,
        (each) => each.name,
        (each) => settingRow(each, room),
      ),
  ];
}

/** A value as it is written in the file. */
function written(value) {
  if (value === null) return "off";
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The change that sets what is at `path` to `value`. */
const change = (path, value) => path.reduceRight((inner, name) => ({ [name]: inner }), value);

function settingRow(first, room) {
  const source = h("span", { class: "tag" });
  const beneath = h("span", { class: "soft small" });
  const save = async (value) => {
    const told = await room.stage.change(
      "PATCH",
      "/api/settings",
      change(first.path, value),
      `${first.name} changed.`,
    );
    if (told) room.shown(told);
    return told;
  };
  const control = first.changeable ? editor(first, save) : reader();
  const back = h(
    "button",
    { class: "button bare", type: "button", on: { click: () => save(null) } },
    "Revert",
    h("span", { class: "unseen", text: ` ${first.name}` }),
  );
  const row = h(
    "li",
    { class: "setting", "data-name": first.name },
    h("div", { class: "setting-name" }, h("code", { text: first.name }), beneath),
    h("div", { class: "setting-value" }, control.element),
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
      text(
        beneath,
        setting.beneath && setting.source === "override"
          ? `otherwise ${written(setting.beneath.value)} (${setting.beneath.source})`
          : "",
      );
    },
  ];
}

function reader() {
  const element = h("span", { class: "mono" });
  return {
    element,
    update: (setting) => text(element, setting.value === null ? "not set" : written(setting.value) || "none"),
  };
}

function editor(setting, save) {
  const choices = setting.choices ?? (typeof setting.value === "boolean" ? ["true", "false"] : null);
  return choices ? picker(setting, choices, save) : line(setting, save);
}

function picker(setting, choices, save) {
  const select = h(
    "select",
    { class: "input", "aria-label": setting.name },
    choices.map((each) => h("option", { value: each, text: each })),
  );
  const isFlag = typeof setting.value === "boolean";
  let held = String(setting.value);
  select.addEventListener("change", async () => {
    if (!(await save(isFlag ? select.value === "true" : select.value))) select.value = held;
  });
  return {
    element: select,
    update: ({ value }) => {
      held = String(value);
      if (document.activeElement !== select || select.value === held) select.value = held;
    },
  };
}

function line(setting, save) {
  const input = h("input", {
    class: "input mono",
    type: "text",
    "aria-label": setting.name,
    autocomplete: "off",
    maxlength: 2000,
  });
  const button = h(
    "button",
    { class: "button", type: "submit", hidden: true },
    "Save",
    h("span", { class: "unseen", text: ` ${setting.name}` }),
  );
  const form = h("form", { class: "setting-line" }, input, button);
  let held = "";
  let kind = setting.value;
  input.addEventListener("input", () => show(button, input.value !== held));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input.value === held) return;
    const told = await save(readAs(kind, input.value.trim()));
    attribute(input, "aria-invalid", told ? null : "true");
    if (told) show(button, false);
  });
  return {
    element: form,
    update: ({ value }) => {
      const isUntouched = input.value === held;
      held = written(value);
      kind = value;
      if (isUntouched) input.value = held;
      show(button, input.value !== held);
    },
  };
}

/** The input in the setting's own form: a list stays a list, an object an object. The router reports invalid values. */
function readAs(kind, typed) {
  if (Array.isArray(kind)) return typed ? typed.split(",").map((each) => each.trim()) : [];
  if (typeof kind === "object" && kind !== null) {
    try {
      return JSON.parse(typed);
    } catch {
      return typed;
    }
  }
  if (typeof kind === "number" && typed !== "" && Number.isFinite(Number(typed))) return Number(typed);
  return typed;
}
