// Providers: those in force with their models, and the form that adds one after a live test.

import { confirmed } from "./dialogs.js";
import { attribute, fresh, h, rows, show, text } from "./dom.js";
import { entrySettings } from "./editors.js";
import { plural } from "./format.js";
import { listing } from "./listing.js";
import { complain, tell } from "./notices.js";
import { arrow, opens } from "./opening.js";
import { statusTag, totalFacts } from "./status.js";
import { button, fact, unseen } from "./tables.js";
import { tested } from "./trial.js";

export const TITLE = "Providers";

const EVERY = 4000;
const OWN = ""; // the choice that is no provider of the catalog
const MOST_SHOWN = 12; // models of a provider without a field to search them
const MOST_TAKEN = 30; // listed models that are filled in

export function open(stage) {
  const form = providerForm(stage);
  const list = h("ul", { class: "providers" });
  const number = h("p", { class: "soft small" });
  const listed = listing(
    "providers",
    (each) => `${each.name} ${each.base_url} ${each.condition.text}`,
    (page) =>
      rows(
        list,
        page,
        (each) => each.name,
        (each) => providerRow(each, stage),
      ),
  );
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number),
    h(
      "div",
      { class: "stack" },
      form.element,
      listed.search,
      h("section", { class: "sheet", "aria-label": "Providers" }, list, listed.pages),
    ),
  );
  stage.watch("/api/providers", EVERY, (told) => {
    listed.update(told.providers);
    text(number, plural(told.providers.length, "provider"));
    form.update(told);
  });
}

const field = (name, input, about) =>
  h(
    "label",
    { class: "field" },
    h("span", { text: name }),
    input,
    about ? h("small", { class: "soft small" }, about) : null,
  );

const input = (more) => h("input", { class: "input", autocomplete: "off", spellcheck: "false", ...more });

/** The form for a provider of the catalog or one's own. */
export function providerForm(stage) {
  let catalog = [];
  const choice = h("select", { class: "input" });
  const name = input({ type: "text", maxlength: 64, pattern: "[A-Za-z0-9._\\-]+" });
  const address = input({ type: "url", maxlength: 2000 });
  const dialect = h("select", { class: "input" });
  const key = input({ type: "password", maxlength: 4096 });
  const models = h("textarea", { class: "input mono", rows: 3, spellcheck: "false" });
  const asks = h("input", { type: "checkbox" });
  const about = h("span", {});
  const add = h("button", { class: "button main", type: "submit", text: "Test and add" });
  const anyway = h("button", { class: "button", type: "button", text: "Add without a test", hidden: true });
  const result = h("p", { class: "trouble", role: "alert" });
  const own = h("div", { class: "own-provider" }, field("Name", name), field("Dialect", dialect));
  const element = h(
    "form",
    { class: "add-provider sheet sheet-body", "aria-label": "Add a provider" },
    h("h2", { text: "Add a provider" }),
    h("div", { class: "form-row" }, field("Provider", choice), field("Key", key)),
    own,
    h(
      "div",
      { class: "form-row" },
      field("Base URL", address, "http or https, everything before /chat/completions"),
      field("Models", models, about),
    ),
    h("label", { class: "check" }, asks, h("span", { text: "Also ask a model for one token (may cost a little)" })),
    h("div", { class: "buttons" }, add, anyway),
    result,
  );

  const row = () => catalog.find((each) => each.name === choice.value);
  const chosen = () => {
    const known = row();
    show(own, !known);
    attribute(name, "required", !known);
    attribute(address, "required", !known || known.needs_base_url);
    attribute(address, "placeholder", known ? known.base_url : "");
    attribute(key, "required", Boolean(known && !known.keyless && !known.local));
    text(
      about,
      known?.models
        ? `one per line, beside the ${plural(known.models, "model")} of the catalog`
        : "one per line; leave empty to take those that it lists",
    );
  };
  choice.addEventListener("change", () => {
    chosen();
    text(result, "");
    show(anyway, false);
  });
  const asked = () => {
    const ids = [...new Set(models.value.split(/\s+/).filter(Boolean))];
    return {
      name: row() ? choice.value : name.value.trim(),
      ...(address.value.trim() && { base_url: address.value.trim() }),
      ...(!row() && { dialect: dialect.value }),
      ...(key.value.trim() && { key: key.value.trim() }),
      ...(ids.length > 0 && { models: ids.map((id) => ({ id })) }),
    };
  };
  const save = async () => {
    const saved = await stage.change("POST", "/api/providers", asked(), `Provider added: ${asked().name}.`);
    if (!saved) return;
    element.reset();
    text(result, "");
    show(anyway, false);
    chosen();
  };
  const tryAndSave = async () => {
    text(result, "");
    attribute(add, "aria-disabled", "true");
    const report = await tested("/api/provider-tests", asked(), asks.checked, (listed) => {
      if (models.value.trim() || row()?.models) return;
      models.value = listed.slice(0, MOST_TAKEN).join("\n");
    });
    attribute(add, "aria-disabled", null);
    if (!report) return;
    text(result, report.problem);
    show(anyway, !report.ok);
    if (report.ok) await save();
  };
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (add.getAttribute("aria-disabled") === null) tryAndSave();
  });
  anyway.addEventListener("click", save);
  const option = (each) => [h("option", { value: each.name, text: each.name || "another one (base URL)" }), () => {}];
  const told = ({ catalog: known, dialects, providers }) => {
    const taken = new Set(providers.map((each) => each.name));
    const held = choice.value;
    catalog = known.filter((each) => !taken.has(each.name));
    rows(choice, [...catalog, { name: OWN }], (each) => each.name, option);
    rows(
      dialect,
      dialects.map((each) => ({ name: each })),
      (each) => each.name,
      option,
    );
    if (choice.value !== held || !about.textContent) chosen();
  };
  return { element, update: told };
}

function providerRow(first, stage) {
  let provider = first;
  const at = `/api/providers/${encodeURIComponent(first.name)}`;
  const panel = h("div", { class: "provider-models", id: fresh("models"), hidden: true });
  const about = h("span", { class: "soft small" });
  const name = h("b", { text: first.name });
  const status = statusTag();
  const facts = h("dl", { class: "facts small" });
  const head = h("button", { class: "pool-head", type: "button" }, arrow(), name);
  opens(head, panel);
  const list = h("ul", { class: "models-of" });
  const settings = disclosed("Settings", first.name, entrySettings(stage, `${at}/settings`));
  const test = button("Test", async () => {
    const report = await tested(`${at}/test`, {}, false);
    if (report?.ok) tell(`${provider.name}: ${report.words}`);
    else if (report) complain(`${provider.name}: ${report.problem}`);
  });
  const remove = button("Delete", async () => {
    const explanation = `${provider.name}, its keys and its models will be deleted. Running requests still use it.`;
    if (!(await confirmed("Delete this provider?", explanation, "Delete"))) return;
    await stage.change("DELETE", at, undefined, "Provider deleted.");
  });
  const listed = listing(
    `models of ${first.name}`,
    (model) => model.id,
    (page) =>
      rows(
        list,
        page,
        (model) => model.id,
        (model) => modelRow(model, at, stage),
      ),
  );
  panel.append(facts, listed.search, list, listed.pages, modelForm(() => provider, at, stage));
  const element = h(
    "li",
    { "data-name": first.name },
    h("div", { class: "provider-head" }, head, status.element, about, h("div", { class: "buttons" }, test, settings.button, remove)),
    settings.panel,
    panel,
  );
  return [
    element,
    (next) => {
      provider = next;
      const keys = provider.keys ? plural(provider.keys, "key") : "no key";
      const words = [provider.base_url, plural(provider.models.length, "model"), keys];
      if (provider.source === "override") words.push("added here");
      text(about, words.join(" · "));
      status.update(provider.condition);
      rows(facts, totalFacts(provider.totals), ([name]) => name, fact);
      show(remove, provider.source === "override");
      listed.update(provider.models);
      show(listed.search, provider.models.length > MOST_SHOWN);
    },
  ];
}

/** A button that opens the settings of a provider or model below it: `{ button, panel }`. */
function disclosed(word, name, settings) {
  const panel = h("div", { class: "entry-panel", id: fresh("settings"), hidden: true }, settings.element);
  const press = h("button", { class: "button", type: "button" }, arrow(), word, unseen(` of ${name}`));
  opens(press, panel, settings.load);
  return { button: press, panel };
}

function modelRow(model, at, stage) {
  const path = `${at}/models?model=${encodeURIComponent(model.id)}`;
  const remove = button("Delete", () => stage.change("DELETE", path, undefined, `Model deleted: ${model.id}.`), model.id);
  const off = h("span", { class: "tag", text: "disabled" });
  const asked = `${at}/settings?model=${encodeURIComponent(model.id)}`;
  const settings = disclosed("Settings", model.id, entrySettings(stage, asked));
  return [
    h("li", {}, h("code", { text: model.id }), off, settings.button, remove, settings.panel),
    (next) => {
      show(off, !next.enabled);
      show(remove, next.added);
    },
  ];
}

/** Adds a model once it has answered with one token. */
function modelForm(provider, at, stage) {
  const known = h("datalist", { id: fresh("listed") });
  const id = input({ type: "text", required: true, maxlength: 200, list: known.id, "aria-label": "Model id" });
  const add = h("button", { class: "button", type: "submit", text: "Test and add model" });
  const anyway = h("button", { class: "button", type: "button", text: "Add without a test", hidden: true });
  const result = h("p", { class: "trouble", role: "alert" });
  const save = async () => {
    const saved = await stage.change("POST", `${at}/models`, { id: id.value.trim() }, `Model added: ${id.value.trim()}.`);
    if (!saved) return;
    id.value = "";
    text(result, "");
    show(anyway, false);
  };
  const form = h(
    "form",
    { class: "add-model", "aria-label": `Add a model to ${provider().name}` },
    id,
    known,
    add,
    anyway,
    result,
  );
  id.addEventListener(
    "focus",
    async () => {
      const report = await tested(`${at}/test`, {}, false).catch(() => undefined);
      const have = new Set(provider().models.map((model) => model.id));
      for (const each of report?.listed ?? []) if (!have.has(each)) known.append(h("option", { value: each }));
    },
    { once: true },
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    text(result, "");
    attribute(add, "aria-disabled", "true");
    const report = await tested(`${at}/test`, { ask: id.value.trim() }, false);
    attribute(add, "aria-disabled", null);
    if (!report) return;
    text(result, report.problem);
    show(anyway, !report.ok);
    if (report.ok) await save();
  });
  anyway.addEventListener("click", save);
  return form;
}
