// Settings: each with its value, its source, and the value it has without a change made here.

import { h, rows, show, text } from "./dom.js";
import { settingRow } from "./editors.js";
import { faultList } from "./faults.js";
import { plain } from "./words.js";

export const TITLE = "Settings";

const EVERY = 5000;
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
      ([name]) => section(name, save, latest),
    );
  };
  const latest = () => stage.read("/api/settings");
  const save = async (setting, change, refused) => {
    const told = await stage.change("PATCH", "/api/settings", change, `${setting.name} changed.`, refused);
    if (told) shown(told);
    return told;
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

function section(name, save, latest) {
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
        (each) => settingRow(each, save, latest),
      ),
  ];
}
